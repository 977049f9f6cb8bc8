package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Each run warns of a configuration file with a password that others can read, with
// one line and the command that changes the mode.
func TestExposedPassword(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean nothing")
	}
	const password = "Pass s3cr3t-word"
	for _, tt := range []struct {
		name   string
		mode   os.FileMode
		line   string
		link   bool
		args   string
		exists bool
	}{
		{"world-readable", 0o644, password, false, "-a", true},
		{"group-readable", 0o640, password, false, "-a", true},
		{"readable by others only", 0o604, password, false, "-a", true},
		{"writable by the group only", 0o620, password, false, "-a", false},
		{"private", 0o600, password, false, "-a", false},
		{"read-only", 0o400, password, false, "-a", false},
		{"without a password", 0o644, "PassCmd true", false, "-a", false},
		{"behind a link", 0o644, password, true, "-a", true},
		{"private behind a link", 0o600, password, true, "-a", false},
		{"dry run", 0o644, password, false, "-ya", true},
		{"verbose", 0o644, password, false, "-Va", true},
		{"quiet", 0o644, password, false, "-qa", false},
		{"very quiet", 0o644, password, false, "-qqa", false},
		{"list", 0o644, password, false, "-la", true},
		{"list stores", 0o644, password, false, "-ls", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "IMAPStore far\nHost 127.0.0.1\nPort 1\nTLSType None\nUser me\n"+tt.line)
			file := filepath.Join(w.dir, "rc")
			if tt.link {
				target := filepath.Join(w.dir, "dotfiles rc")
				if err := os.Rename(file, target); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(target, file); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			for range 2 { // in every run
				code := 1 // nobody listens
				if tt.args == "-la" {
					code = 0 // nobody is asked
				}
				w.run(code, tt.args)
				want := 0
				if tt.exists {
					want = 1
				}
				warning := fmt.Sprintf("rc:6: warning: the file contains a password, and other users can read it (mode %04o)", tt.mode)
				if n := strings.Count(w.err.String(), warning); n != want {
					t.Errorf("%d warnings:\n%s", n, &w.err)
				}
				if n := strings.Count(w.err.String(), "hint: chmod 600 "+file+"\n"); n != want {
					t.Errorf("%d hints:\n%s", n, &w.err)
				}
				if strings.Contains(w.out.String()+w.err.String(), "s3cr3t") {
					t.Errorf("the password shows:\n%s%s", &w.out, &w.err)
				}
			}
		})
	}

	// The report has it, once.
	w := newWorld(t, "IMAPStore far\nHost 127.0.0.1\nPort 1\nTLSType None\nUser me\n"+password)
	if err := os.Chmod(filepath.Join(w.dir, "rc"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.run(0, "--check")
	if all := strings.Join(strings.Fields(w.out.String()+w.err.String()), " "); strings.Count(all, "contains a password") != 1 {
		t.Errorf("%s%s", &w.out, &w.err)
	}
}
