//go:build !unix

package check

import (
	"io/fs"

	"isync/internal/vfs"
)

// writable tells why entries cannot be made in a directory, as far as its
// attributes tell; nil: they can.
func writable(f vfs.FS, dir string, fi fs.FileInfo) error {
	if _, err := f.ReadNames(dir); err != nil {
		return err
	}
	if fi.Mode().Perm()&0o200 == 0 {
		return &fs.PathError{Op: "write to", Path: dir, Err: fs.ErrPermission}
	}
	return nil
}
