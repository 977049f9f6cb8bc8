// Package vfs is the interface to the file system for the stores and the engine. Tests can
// replace it. OS is the real file system; package vfstest has those for tests.
//
// Names are ordinary operating-system paths. Errors are *fs.PathError (or *os.LinkError) that
// wrap a syscall.Errno, so errors.Is(err, fs.ErrNotExist) works with every implementation. All
// implementations are safe for concurrent use. A File may be used by one goroutine at a time.
package vfs

import (
	"io"
	"io/fs"
	"time"
)

// FS is a file system.
//
// Code may rely only on these promises of durability:
//
// The contents of a file survive a power cut once File.Sync has returned. A change of a directory
// entry (creation, rename, removal) survives once SyncDir of its directory has returned.
//
// A Rename within one directory is atomic: after a crash either the old or the new state exists.
// A Rename to another directory may leave both names after a crash, but never none. The new name
// survives once SyncDir of either directory has returned. The old name is permanently gone once
// SyncDir of its directory has returned.
type FS interface {
	// OpenFile is os.OpenFile with O_CLOEXEC.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Mkdir creates one directory; the mode is subject to the umask.
	Mkdir(name string, perm fs.FileMode) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// Rename replaces newname if it exists.
	Rename(oldname, newname string) error
	// Stat follows symbolic links.
	Stat(name string) (fs.FileInfo, error)
	// ReadNames returns the names in a directory, in no particular order, without "." and "..".
	// It does not stat the entries.
	ReadNames(dir string) ([]string, error)
	// Chtimes sets the access and modification time. A time that the file system cannot store
	// becomes approximately the nearest possible time.
	Chtimes(name string, atime, mtime time.Time) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive fcntl(2) write lock on the whole file, which other programs that
	// use fcntl locks respect. With wait it blocks until the lock is free; otherwise the error is
	// ErrLocked. The lock lasts until the file is closed. fcntl locks do not exclude goroutines
	// of the same process, so implementations also keep a table of their own locks by file
	// identity.
	Lock(f File, wait bool) error
}

// NameReader is implemented by file systems that can return the names in a large directory in
// pieces of a few thousand.
type NameReader interface {
	// EachNames calls fn with the names that ReadNames would return, until there are no more or
	// fn fails. fn must not keep the slice or the names: their memory is reused.
	EachNames(dir string, fn func(names []string) error) error
}

// EachNames calls fn with the names in a directory, in several pieces if the file system supports
// that. The names are valid only until fn returns.
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
