//go:build unix

package check

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"isync/internal/vfs"
)

// writable tells why entries cannot be made in a directory; nil: they can. Only
// a real file system is asked, whatever wraps it.
func writable(f vfs.FS, dir string, _ fs.FileInfo) error {
	if _, err := f.ReadNames(dir); err != nil {
		return err
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
