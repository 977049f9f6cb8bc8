package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// includeWorld is a world whose channel is in an included file, and uses a store of another.
func includeWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "Include conf.d/*.conf\n\nMaildirStore far\nInbox far")
	for _, dir := range []string{"far", "other"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			w.write(filepath.Join(dir, sub, ".keep"), "")
			if err := os.Remove(filepath.Join(w.dir, dir, sub, ".keep")); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.write("far/new/1.2.3", "Subject: x\n\nHello\n")
	w.write("conf.d/1.conf", "MaildirStore other\nInbox other\n")
	w.write("conf.d/2.conf", "Channel second\nMaster :near:\nNear :other:\n\nGroup both c second")
	return w
}

// All commands that read the configuration read the included files, too.
func TestInclude(t *testing.T) {
	t.Parallel()
	w := includeWorld(t)
	w.run(0, "both")
	if found, err := filepath.Glob(filepath.Join(w.dir, "other/*/*.*")); err != nil || len(found) != 1 {
		t.Errorf("%q: %v\n%s%s", found, err, &w.out, &w.err)
	}
	w.run(0, "-ls")
	w.says(&w.out, "===== other:\nINBOX\n")
	w.run(0, "--complete", "channels")
	w.says(&w.out, "second\nc\n")
	w.run(0, "--check", "-V")
	w.says(&w.out, "Configuration file rc\n", "  includes   conf.d/1.conf (rc:1)\n  includes   conf.d/2.conf (rc:1)\n", `Channel "second"`, " conf.d/2.conf:1\n")
	w.run(0, "--check")
	w.says(&w.out, "Configuration file rc and 2 included files: 3 stores, 2 channels, 1 group\n")

	w.write("conf.d/3.conf", "Channel third\nFar :fra:\n")
	w.run(1, "-a")
	w.says(&w.err, `conf.d/3.conf:1: error: Channel "third" has no Near`, `conf.d/3.conf:2: error: Channel "third": unknown store "fra"`)
	w.write("conf.d/3.conf", "Include ../rc\n")
	w.run(1, "-a")
	w.says(&w.err, `conf.d/3.conf:1: error: Include "../rc": the files include each other: rc:1 includes conf.d/3.conf:1 includes `)
}

// Deprecated words are replaced in the file where they are.
func TestIncludeFixConfig(t *testing.T) {
	t.Parallel()
	w := includeWorld(t)
	old := w.read("rc")
	w.run(0, "--fix-config")
	if w.out.String() != old {
		t.Errorf("printed\n%s", &w.out)
	}
	w.says(&w.err, "rc: notice: no deprecated words\n", "conf.d/2.conf: notice: 1 deprecated word in this included file, which is not printed; `mbsync --check --fix-config -c rc --write` replaces it\n")
	w.run(0, "--fix-config", "--write")
	if w.read("rc") != old || !strings.Contains(w.read("conf.d/2.conf"), "\nFar :near:\n") || !strings.Contains(w.read("conf.d/2.conf.bak"), "\nMaster :near:\n") {
		t.Errorf("the files are\n%s\n%s\n%s", w.read("rc"), w.read("conf.d/2.conf"), w.read("conf.d/2.conf.bak"))
	}
	w.listed("rc", "rc")
	w.run(0, "--fix-config", "--write")
	w.says(&w.err, "rc: notice: no deprecated words; the file was not changed\n")
	w.run(0, "both") // the backup is not included
}

// The warning about a password names the file with the password.
func TestIncludeExposed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean nothing")
	}
	w := includeWorld(t)
	w.write("conf.d/pass.conf", "IMAPAccount a\nHost h\nPass s3cr3t-word\n")
	w.write("conf.d/pass2.conf", "IMAPAccount b\nHost h\nPass s3cr3t-word\n")
	if err := os.Chmod(filepath.Join(w.dir, "rc"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(0, "both")
	if strings.Contains(w.err.String(), "password") {
		t.Errorf("the files with the passwords are private:\n%s", &w.err)
	}
	for _, name := range []string{"conf.d/pass.conf", "conf.d/pass2.conf"} {
		if err := os.Chmod(filepath.Join(w.dir, name), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	w.run(0, "both")
	w.says(&w.err, "conf.d/pass.conf:3: warning: ", "conf.d/pass2.conf:3: warning: ", "chmod 600 "+filepath.Join(w.dir, "conf.d/pass.conf")+"\n")
	w.run(0, "--check", "-V")
	w.says(&w.out, "contains a password (conf.d/pass.conf:3), and ", "contains a password (conf.d/pass2.conf:3), and ")
}
