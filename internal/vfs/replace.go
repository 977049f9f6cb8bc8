package vfs

import (
	"crypto/rand"
	"io/fs"
	"os"
)

// Replace writes data to a new file NAME.RANDOM.new and renames it to name. Readers find the old
// contents or the new ones, and several processes may call Replace at the same time. Nothing is
// durable: after a power cut the file may be damaged.
func Replace(fsys FS, name string, data []byte, perm fs.FileMode) error {
	temp := name + "." + rand.Text() + ".new"
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		_ = fsys.Remove(temp)
	}
	return err
}
