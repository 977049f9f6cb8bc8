//go:build unix

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// openFile is os.OpenFile without the poller. Regular files are always ready, but os.OpenFile
// makes six system calls to find that out. That is as many as all other calls for a small file.
func openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Open(name, flag|unix.O_CLOEXEC, uint32(perm.Perm()))
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case err != unix.EINTR:
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// rename is os.Rename without the lstat(2) of newname. The lstat only improves the error if
// newname is a directory.
func rename(oldname, newname string) error {
	for {
		err := unix.Rename(oldname, newname)
		switch {
		case err == nil:
			return nil
		case err != unix.EINTR:
			return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
		}
	}
}

// setTimes is os.Chtimes that also accepts times outside the range of int64 nanoseconds since
// 1970.
func setTimes(name string, atime, mtime time.Time) error {
	times := make([]unix.Timespec, 2)
	for i, t := range []time.Time{atime, mtime} {
		var err error
		if times[i], err = unix.TimeToTimespec(t); err != nil { // on a 32-bit system
			nearest := nearestTimes(t)
			if times[i], err = unix.TimeToTimespec(nearest[0]); err != nil {
				return &fs.PathError{Op: "chtimes", Path: name, Err: err}
			}
		}
	}
	for {
		err := unix.UtimesNanoAt(unix.AT_FDCWD, name, times, 0)
		switch {
		case err == nil:
			return nil
		case err != unix.EINTR:
			return &fs.PathError{Op: "chtimes", Path: name, Err: err}
		}
	}
}

// fileID identifies a file within the machine.
type fileID struct{ dev, ino uint64 }

func identify(f *os.File) (fileID, error) {
	fi, err := f.Stat()
	if err != nil {
		return fileID{}, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, errors.ErrUnsupported
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, nil
}

// sysLock takes a POSIX record lock on the whole file.
func sysLock(f *os.File, wait bool) error {
	cmd := unix.F_SETLK
	if wait {
		cmd = unix.F_SETLKW
	}
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	for {
		err := unix.FcntlFlock(f.Fd(), cmd, &lk)
		switch {
		case err == nil:
			return nil
		case err == unix.EINTR:
		case !wait && (err == unix.EAGAIN || err == unix.EACCES):
			return ErrLocked
		default:
			return err
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	// Some file systems cannot flush a single directory and return these errors. There is no
	// other way to flush it.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "sync", Path: dir, Err: bareErrno(err)}
	}
	return nil
}

func bareErrno(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
