//go:build unix

package vfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestModes: a new file is private, unless the group of its directory may write
// there; one that replaces another has the mode of that. The umask does not count.
func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		old := syscall.Umask(umask)
		for _, c := range []struct {
			dir       fs.FileMode
			file, sub fs.FileMode
		}{
			{0o700, 0o600, 0o700},
			{0o750, 0o600, 0o700},
			{0o755, 0o600, 0o700},
			{0o770, 0o660, 0o770},
			{0o777, 0o660, 0o770},
			{0o730, 0o620, 0o730},
			{0o770 | fs.ModeSetgid, 0o660, 0o770 | fs.ModeSetgid},
		} {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if os.Getuid() == 0 {
				if err := os.Chown(dir, 0, 12345); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, c.dir); err != nil {
				t.Fatal(err)
			}
			expect := func(name string, want fs.FileMode) {
				t.Helper()
				fi, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := fi.Mode() & (fs.ModePerm | fs.ModeSetgid); got != want {
					t.Errorf("umask %o, directory %v: %s is %v, want %v", umask, c.dir, name, got, want)
				}
				d, _ := os.Stat(dir)
				g1, _ := groupOf(fi)
				if g2, _ := groupOf(d); g1 != g2 && want&0o070 != 0 && name != "like" {
					t.Errorf("%s belongs to group %d", name, g1)
				}
			}
			for name, open := range map[string]func(path string) (File, error){
				"a": func(path string) (File, error) { return Create(OS{}, path, os.O_RDWR) },
				"b": func(path string) (File, error) { return Create(OS{}, path, os.O_WRONLY|os.O_EXCL) },
				"c": func(path string) (File, error) {
					return CreateLike(OS{}, path, filepath.Join(dir, "none"), os.O_WRONLY|os.O_TRUNC)
				},
			} {
				f, err := open(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				expect(name, c.file)
			}
			if err := MkdirAllShared(OS{}, filepath.Join(dir, "s/t"), true); err != nil {
				t.Fatal(err)
			}
			expect("s", c.sub)
			expect("s/t", c.sub)

			like := filepath.Join(dir, "like")
			for i, mode := range []fs.FileMode{0o600, 0o664, 0o640, 0o660} {
				if err := os.WriteFile(like, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(like, mode); err != nil {
					t.Fatal(err)
				}
				f, err := CreateLike(OS{}, like+".new", like, os.O_WRONLY|os.O_TRUNC)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				if err := os.Rename(like+".new", like); err != nil {
					t.Fatal(err)
				}
				expect("like", mode)
				// Opening what is there changes nothing.
				if f, err = Create(OS{}, like, os.O_RDWR); err != nil {
					t.Fatal(i, err)
				}
				f.Close()
				expect("like", mode)
			}
		}
		syscall.Umask(old)
	}
}
