//go:build unix

package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestModesOfFiles: every file that is written beside a state, and the state itself,
// is private unless the group of the directory may write there. A file that is there
// keeps its mode.
func TestModesOfFiles(t *testing.T) {
	files := []string{".uidvalidity", ".mbsyncstate", ".mbsyncstate.isync"}
	interrupted := []string{".mbsyncstate.new", ".mbsyncstate.journal", ".mbsyncstate.lock"}
	for _, c := range []struct {
		dir fs.FileMode
		new fs.FileMode // of a file that is created in it
	}{
		{0o700, 0o600},
		{0o750, 0o600},
		{0o770, 0o660},
		{0o777, 0o660},
	} {
		for _, umask := range []int{0o077, 0} {
			t.Run(fmt.Sprintf("%v, umask %o", c.dir, umask), func(t *testing.T) {
				s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
				s.add("")
				s.add("")
				s.refuseBody(2)
				w := noisyWorld(t, s)
				near := filepath.Join(w.dir, "near")
				for _, d := range []string{"cur", "new", "tmp"} {
					if err := os.MkdirAll(filepath.Join(near, d), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Chmod(near, c.dir); err != nil {
					t.Fatal(err)
				}
				expect := func(when string, want fs.FileMode, names ...string) {
					t.Helper()
					for _, name := range names {
						fi, err := os.Stat(filepath.Join(near, name))
						if err != nil {
							t.Errorf("%s: %v", when, err)
						} else if fi.Mode() != want {
							t.Errorf("%s: %s is %v, want %v", when, name, fi.Mode(), want)
						}
					}
				}
				old := syscall.Umask(umask)
				defer syscall.Umask(old)

				if !w.kill(1, "c") {
					t.Fatal("the run was not interrupted")
				}
				expect("interrupted", c.new, interrupted...)
				w.run(1, "c")
				expect("created", c.new, files...)

				for _, mode := range []fs.FileMode{0o600, 0o640, 0o664} {
					for _, name := range files {
						if err := os.Chmod(filepath.Join(near, name), mode); err != nil {
							t.Fatal(err)
						}
					}
					s.add("")
					if !w.kill(1, "c") {
						t.Fatal("the run was not interrupted")
					}
					expect("interrupted again", mode, ".mbsyncstate.new", ".mbsyncstate.journal")
					w.run(1, "c")
					expect("replaced", mode, files...)

					// Notes that are new have the mode of the state they belong to.
					if err := os.Remove(filepath.Join(near, ".mbsyncstate.isync")); err != nil {
						t.Fatal(err)
					}
					s.add("")
					s.refuseBody(len(s.msgs))
					w.run(1, "c")
					expect("new notes", mode, files...)
				}
			})
		}
	}
}
