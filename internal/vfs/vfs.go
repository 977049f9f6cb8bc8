// Package vfs is the interface to the file system that the stores and the engine
// use, so that tests can replace it. OS is the real file system. Those for tests are in
// package vfstest.
//
// Names are ordinary operating-system paths. Errors are *fs.PathError (or
// *os.LinkError) wrapping a syscall.Errno, so errors.Is(err, fs.ErrNotExist)
// and friends work on every implementation. All implementations are safe for
// concurrent use; a File is for one goroutine at a time.
package vfs

import (
	"io"
	"io/fs"
	"time"
)

// FS is a file system.
//
// Durability, the only promises code may build on: bytes of a file survive a
// power cut once File.Sync has returned; a directory entry (its creation,
// rename or removal) survives once SyncDir of the directory that holds it has
// returned. A Rename within one directory is atomic: after a crash one finds
// the old state or the new one. Across directories it may leave both names, but
// never none; the new one survives once SyncDir of either directory has
// returned, the old one is gone for good once SyncDir of its directory has.
type FS interface {
	// OpenFile is os.OpenFile with O_CLOEXEC.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Mkdir creates one directory; the mode is subject to the umask.
	Mkdir(name string, perm fs.FileMode) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// Rename replaces newname if it is there.
	Rename(oldname, newname string) error
	// Stat follows symbolic links.
	Stat(name string) (fs.FileInfo, error)
	// ReadNames returns the names in a directory, in no particular order,
	// without "." and ".."; the entries are not looked at.
	ReadNames(dir string) ([]string, error)
	// Chtimes sets access and modification time. If the file system cannot store a
	// time, it becomes approximately the nearest possible time.
	Chtimes(name string, atime, mtime time.Time) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive fcntl(2) write lock on the whole file, which
	// other programs that lock the same way respect. With wait it blocks until
	// the lock is free, else it returns ErrLocked. The lock lasts until the
	// file is closed; fcntl locks do not exclude the same process, so
	// implementations keep a table of their own locks and make them exclude
	// one another by file identity.
	Lock(f File, wait bool) error
}

// NameReader is implemented by file systems that can hand out the names in a
// large directory a few thousand at a time.
type NameReader interface {
	// EachNames calls fn with the names that ReadNames would return, until there
	// are no more or fn fails. fn must keep neither the slice nor the names: their
	// memory is used again.
	EachNames(dir string, fn func(names []string) error) error
}

// EachNames calls fn with the names in a directory: in several pieces, if the
// file system can do that. The names are valid only until fn returns.
func EachNames(fsys FS, dir string, fn func(names []string) error) error {
	if r, ok := fsys.(NameReader); ok {
		return r.EachNames(dir, fn)
	}
	names, err := fsys.ReadNames(dir)
	if err != nil {
		return err
	}
	return fn(names)
}

// File is an open file.
type File interface {
	io.Reader
	io.Writer
	io.Seeker
	io.Closer
	// Sync makes the bytes written so far durable.
	Sync() error
	Stat() (fs.FileInfo, error)
	// Truncate cuts or extends the file.
	Truncate(size int64) error
	// Name returns the name the file was opened with.
	Name() string
}
