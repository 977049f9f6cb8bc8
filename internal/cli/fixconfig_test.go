package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// oldFar is a store with two deprecated words, and a password.
const oldFar = "IMAPStore far\nHost h # imaps:h\nPass \"swordfish\"\n  UseIMAPS   yes # c\nUseTLSv1 no\n"

const newFar = "IMAPStore far\nHost h # imaps:h\nPass \"swordfish\"\n  TLSType   IMAPS # c\n"

// listed checks the names in the directory that begin with the prefix.
func (w *world) listed(prefix string, want ...string) {
	w.tb.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.tb.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			got = append(got, e.Name())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.tb.Errorf("there are %q, want %q", got, want)
	}
}

// The output is the new file and nothing else, with the password; a warning tells
// of that, and only where there is one.
func TestFixConfigPrints(t *testing.T) {
	w := newWorld(t, oldFar)
	old := w.read("rc")
	want := strings.Replace(old, oldFar, newFar, 1)
	w.run(0, "--check", "--fix-config")
	if w.out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &w.out, want)
	}
	w.says(&w.err, "rc:3: warning: the output contains the password of the file", "rc: notice: 2 deprecated words replaced in the output; `mbsync --check --fix-config -c rc --write` replaces the file")
	if strings.Contains(w.err.String(), "swordfish") {
		t.Error("the password shows")
	}
	if w.read("rc") != old {
		t.Error("the file was changed")
	}
	w.listed("rc", "rc")

	w.run(0, "--fix-config", "-qq")
	if w.out.String() != want || w.err.Len() > 0 {
		t.Errorf("got\n%s\n%s", &w.out, &w.err)
	}
	w.write("rc", strings.Replace(want, "Pass \"swordfish\"", "PassCmd x", 1))
	w.run(0, "--check", "--fix-config")
	if w.err.String() != "rc: notice: no deprecated words\n" || w.out.String() != w.read("rc") {
		t.Errorf("got\n%s\n%s", &w.out, &w.err)
	}

	w.env.Stdout = failingWriter{}
	w.run(1, "--check", "--fix-config")
	w.says(&w.err, "cannot print the new file: no space left on device")
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// The file is replaced where it is, also behind a link, and each former one kept.
func TestFixConfigWrites(t *testing.T) {
	w := newWorld(t, oldFar)
	old := w.read("rc")
	want := strings.Replace(old, oldFar, newFar, 1)
	w.write("rc.bak", "another")
	w.run(0, "--check", "--fix-config", "--write")
	if w.out.String() != "rc: 2 deprecated words replaced; the old file is rc.bak.1\n" || w.err.Len() > 0 {
		t.Errorf("got\n%s\n%s", &w.out, &w.err)
	}
	if w.read("rc") != want || w.read("rc.bak") != "another" || w.read("rc.bak.1") != old {
		t.Error("the files are not what they should be")
	}
	w.listed("rc", "rc", "rc.bak", "rc.bak.1")

	w.run(0, "--check", "--fix-config", "--write")
	if w.out.Len() > 0 || w.err.String() != "rc: notice: no deprecated words; the file was not changed\n" {
		t.Errorf("got\n%s\n%s", &w.out, &w.err)
	}
	w.listed("rc", "rc", "rc.bak", "rc.bak.1")

	w.write("dotfiles/mail/mbsyncrc", old)
	for link, target := range map[string]string{"rc": "dotfiles/link", "dotfiles/link": "mail/mbsyncrc"} {
		_ = os.Remove(filepath.Join(w.dir, link))
		if err := os.Symlink(target, filepath.Join(w.dir, link)); err != nil {
			t.Skip(err)
		}
	}
	w.run(0, "--check", "--fix-config", "--write", "-q")
	if w.out.Len()+w.err.Len() > 0 {
		t.Errorf("got\n%s\n%s", &w.out, &w.err)
	}
	if target, err := os.Readlink(filepath.Join(w.dir, "rc")); err != nil || target != "dotfiles/link" {
		t.Errorf("the link is %q, %v", target, err)
	}
	if w.read("dotfiles/mail/mbsyncrc") != want || w.read("dotfiles/mail/mbsyncrc.bak") != old {
		t.Error("the files are not what they should be")
	}
	w.listed("rc", "rc", "rc.bak", "rc.bak.1")
}

// What cannot or must not be written leaves everything as it is.
func TestFixConfigRefuses(t *testing.T) {
	w := newWorld(t, oldFar)
	old := w.read("rc")
	unchanged := func(want string) {
		t.Helper()
		if w.read("rc") != want {
			t.Error("the file was changed")
		}
		w.listed("rc", "rc")
	}

	// A file with errors.
	w.write("rc", old+"\nChannel x\nFar :far:\nMaster :nowhere:\n")
	w.run(1, "--check", "--fix-config", "--write")
	w.says(&w.err, "rc:19: error: Channel \"x\": unknown store", "error: the file was not fixed, because it has errors\nhint: ")
	unchanged(old + "\nChannel x\nFar :far:\nMaster :nowhere:\n")
	w.run(1, "--fix-config")
	if w.out.Len() > 0 {
		t.Errorf("got %s", &w.out)
	}

	// An editor stores the file while it is being fixed.
	w.write("rc", old)
	read := w.env.Config.ReadFile
	w.env.Config.ReadFile = func(path string) ([]byte, error) {
		data, err := read(path)
		w.write("rc", old+"# edited\n")
		return data, err
	}
	w.run(1, "--check", "--fix-config", "--write")
	w.says(&w.err, "rc: error: nothing was changed: another program has changed the file in the meantime\nhint: run the command again\n")
	unchanged(old + "# edited\n")
	w.env.Config.ReadFile = read

	// A directory that cannot be written to.
	w.write("rc", old)
	faulty := vfstest.NewFault(vfs.OS{})
	faulty.Inject(vfstest.Rule{Ops: vfstest.OpCreate, Nth: 1, Every: true, Err: syscall.EROFS})
	w.env.FS = faulty
	w.run(1, "--check", "--fix-config", "--write")
	w.says(&w.err, "rc: error: nothing was changed: open "+filepath.Join(w.dir, "rc.bak")+": read-only file system\nhint: `mbsync --check --fix-config -c rc > NEWFILE` writes the new configuration to another file\n")
	unchanged(old)
	w.env.FS = vfs.OS{}

	// Command lines that make no sense.
	for _, args := range []string{"--write", "--check --write", "--fix-config c", "--check --fix-config --online", "--fix-config -l", "--fix-config -ls", "--fix-config --write -y", "--fix-config --get-cert h"} {
		w.run(1, strings.Fields(args)...)
		if !strings.HasPrefix(w.err.String(), "mbsync: error: option") || w.out.Len() > 0 {
			t.Errorf("%s: %s%s", args, &w.err, &w.out)
		}
	}
	unchanged(old)
	w.run(0, "--fix-config", "-a")
	w.run(0, "--fix-config", "-y")
}

// A run has one line for all deprecated words, and with -q none; --check shows each of
// them as well.
func TestOutdatedWordsInARun(t *testing.T) {
	w := newWorld(t, "IMAPStore far\nTunnel false\nRequireSSL no\nUseSSLv3 no\n\nMaildirStore other\nInbox other\n\nChannel local\nMaster :other:\nSlave :near:\nCreate Both")
	for _, dir := range []string{"cur", "new", "tmp"} {
		w.write("other/"+dir+"/.keep", "")
	}
	const line = "rc: notice: 4 deprecated words; `mbsync --check --fix-config -c rc` prints the new file, `mbsync --check --fix-config -c rc --write` replaces this one"
	for _, args := range []string{"-l local", "local", "-y local", "-V local", "-ls other"} {
		w.run(0, strings.Fields(args)...)
		if !strings.HasPrefix(w.err.String(), line) || strings.Contains(w.err.String()[len(line):], " deprecated ") {
			t.Errorf("%s: got\n%s", args, &w.err)
		}
		w.run(0, strings.Fields("-q "+args)...)
		if w.err.Len() > 0 {
			t.Errorf("-q %s: got\n%s", args, &w.err)
		}
	}
	w.run(0, "--check", "local")
	if !strings.HasPrefix(w.err.String(), `rc:3: notice: "RequireSSL" is deprecated and has no effect here: delete the line
rc:4: notice: "UseSSLv3" is deprecated and has no effect here: delete the line
`+"rc:11: notice: \"Master\" is deprecated: write `Far :other:`\nrc:12: notice: \"Slave\" is deprecated: write `Near :near:`\n"+line) {
		t.Errorf("--check: got\n%s", &w.err)
	}
	w.write("rc", strings.Replace(w.read("rc"), "UseSSLv3 no", "UseSSLv3 yes", 1))
	w.run(0, "-q", "-l", "local")
	if got := w.err.String(); !strings.HasPrefix(got, "rc:4: warning: UseSSLv3 is ignored: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("got\n%s", got)
	}
}

// At whatever operation the power goes, there is the old file, or the new one with
// the old one beside it.
func TestReplaceFilePower(t *testing.T) {
	for _, percent := range []int{0, 50, 100} {
		m := vfstest.NewMem(time.Now)
		f := vfstest.NewFault(m)
		startFile(t, m)
		check := func(when string, after *vfstest.Mem, done bool) {
			t.Helper()
			switch got := memFile(t, after, "/etc/rc"); {
			case got == "old" && !done:
			case got == "new" && memFile(t, after, "/etc/rc.bak") == "old":
			default:
				t.Errorf("%d%%, %s: %q", percent, when, got)
			}
		}
		f.Before(func(op vfstest.Op, name string) {
			for seed := range uint64(20) {
				check(fmt.Sprint("before ", op, " of ", name), m.CrashClone(percent, rand.New(rand.NewPCG(1, seed))), false)
			}
		})
		if _, err := replaceFile(f, "/etc/rc", []byte("old"), []byte("new")); err != nil {
			t.Fatal(err)
		}
		check("at the end", m.CrashClone(0, nil), true)
	}
}

// Whatever operation fails, the file is as it was, or replaced, and it is said
// which; nothing is left behind.
func TestReplaceFileFaults(t *testing.T) {
	for n := 1; ; n++ {
		m := vfstest.NewMem(time.Now)
		startFile(t, m)
		f := vfstest.NewFault(m)
		f.Inject(vfstest.Rule{Ops: vfstest.OpAll &^ vfstest.OpRemove, Nth: n, Err: syscall.ENOSPC})
		backup, err := replaceFile(f, "/etc/rc", []byte("old"), []byte("new"))
		if f.Fired() == 0 {
			if err != nil || n < 10 {
				t.Errorf("%d operations, %v", n, err)
			}
			return
		}
		names, _ := m.ReadNames("/etc")
		got := memFile(t, m, "/etc/rc")
		switch {
		case backup == "" && err != nil && got == "old" && len(names) == 1:
		case backup == "/etc/rc.bak" && got == "new" && len(names) == 2 && memFile(t, m, backup) == "old":
		default:
			t.Errorf("operation %d: backup %q, %v, %q in %q", n, backup, err, got, names)
		}
	}
}

func startFile(t *testing.T, m *vfstest.Mem) {
	t.Helper()
	if err := m.Mkdir("/etc", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := vfs.Replace(m, "/etc/rc", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.SyncAll()
}

func memFile(t *testing.T, m *vfstest.Mem, name string) string {
	t.Helper()
	data, err := vfs.ReadFile(m, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}
