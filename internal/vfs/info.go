package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// InodeInfo is the result of FileInfo.Sys in all file systems except that of the operating
// system.
type InodeInfo struct {
	FS         FS
	Inode      uint64 // within FS
	ChangeTime time.Time
}

// ChangeTime returns the time of the last status change of a file (ctime), or the modification
// time if the file system has no ctime. The ctime of a directory changes with each of its
// entries. Unlike the modification time, it cannot be set back.
func ChangeTime(fi fs.FileInfo) time.Time {
	if t, ok := StatusChange(fi); ok {
		return t
	}
	return fi.ModTime()
}

// StatusChange returns the time of the last status change of a file (ctime), if the file system
// has it.
func StatusChange(fi fs.FileInfo) (time.Time, bool) {
	if m, ok := fi.Sys().(*InodeInfo); ok {
		return m.ChangeTime, true
	}
	return sysChangeTime(fi)
}

// SameFile reports whether both describe the same file. It is os.SameFile for all file systems.
func SameFile(a, b fs.FileInfo) bool {
	ma, ok1 := a.Sys().(*InodeInfo)
	mb, ok2 := b.Sys().(*InodeInfo)
	if ok1 || ok2 {
		return ok1 && ok2 && ma.FS == mb.FS && ma.Inode == mb.Inode
	}
	return os.SameFile(a, b)
}

// ReadFile returns the contents of a file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// MkdirAll creates a directory and its missing parents. With sync, each new directory is durable.
// It is no error if the directory exists.
func MkdirAll(fsys FS, dir string, perm fs.FileMode, sync bool) error {
	return mkdirAll(fsys, dir, perm, sync, func(string, string) {})
}

// mkdirAll is MkdirAll. It calls made with each new directory and its parent.
func mkdirAll(fsys FS, dir string, perm fs.FileMode, sync bool, made func(dir, parent string)) error {
	fi, err := fsys.Stat(dir)
	switch {
	case err == nil && fi.IsDir():
		return nil
	case err == nil:
		return fsys.Mkdir(dir, perm) // returns the right error
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirAll(fsys, parent, perm, sync, made); err != nil {
			return err
		}
	}
	switch err := fsys.Mkdir(dir, perm); {
	case err == nil:
		made(dir, parent)
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if !sync {
		return nil
	}
	return fsys.SyncDir(parent)
}
