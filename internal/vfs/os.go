package vfs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"
)

// OS is the file system of the operating system. All values are equivalent: the table of locks is
// one per process.
type OS struct{}

var _ FS = OS{}

// osFile is an open file. Close respects the table of locks.
type osFile struct{ *os.File }

func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := openFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (OS) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

func (OS) Remove(name string) error { return os.Remove(name) }

func (OS) Rename(oldname, newname string) error { return rename(oldname, newname) }

func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

func (OS) ReadNames(dir string) ([]string, error) {
	var all []string
	err := eachNames(dir, func(names []string) error {
		// One string for all names needs only one allocation.
		var b strings.Builder
		for _, n := range names {
			b.WriteString(n)
		}
		packed := b.String()
		for _, n := range names {
			all, packed = append(all, packed[:len(n)]), packed[len(n):]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// EachNames implements NameReader.
func (OS) EachNames(dir string, fn func(names []string) error) error { return eachNames(dir, fn) }

func (OS) Chtimes(name string, atime, mtime time.Time) error {
	return setClamped(mtime, func(t time.Time) error {
		if !t.Equal(mtime) {
			return setTimes(name, t, t)
		}
		return setTimes(name, atime, mtime)
	}, func() (time.Time, error) {
		fi, err := os.Stat(name)
		if err != nil {
			return time.Time{}, err
		}
		return fi.ModTime(), nil
	})
}

func (OS) SyncDir(dir string) error { return syncDir(dir) }

func (OS) Lock(f File, wait bool) error {
	of, ok := f.(*osFile)
	if !ok {
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: fs.ErrInvalid}
	}
	if err := locks.lock(of.File, wait); err != nil {
		if errors.Is(err, ErrLocked) {
			return err
		}
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return nil
}

func (f *osFile) Close() error { return locks.close(f.File) }
