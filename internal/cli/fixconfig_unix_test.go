//go:build unix

package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The new file and the backup have the mode and the owner of the file, whatever the
// umask is.
func TestFixConfigModes(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o400, 0o664} {
		w := newWorld(t, oldFar)
		rc := filepath.Join(w.dir, "rc")
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid, gid = 12345, 54321
			if err := os.Chown(rc, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(rc, mode); err != nil {
			t.Fatal(err)
		}
		w.run(0, "--check", "--fix-config", "--write")
		for _, name := range []string{rc, rc + ".bak"} {
			fi, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			st := fi.Sys().(*syscall.Stat_t)
			if fi.Mode() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
				t.Errorf("%s is %v of %d:%d, want %v of %d:%d", name, fi.Mode(), st.Uid, st.Gid, mode, uid, gid)
			}
		}
	}
}

// Only a regular file can be replaced.
func TestFixConfigPipe(t *testing.T) {
	w := newWorld(t, oldFar)
	text := w.read("rc")
	rc := filepath.Join(w.dir, "rc")
	if err := os.Remove(rc); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(rc, 0o600); err != nil {
		t.Skip(err)
	}
	w.env.Config.ReadFile = func(string) ([]byte, error) { return []byte(text), nil }
	w.run(1, "--check", "--fix-config", "--write")
	w.says(&w.err, "rc: error: nothing was changed: this is not a regular file\nhint: ")
	w.listed("rc", "rc")
}
