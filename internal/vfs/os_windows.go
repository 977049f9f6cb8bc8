package vfs

import (
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

func openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

func rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// setTimes is os.Chtimes, which supports only times within int64 nanoseconds since 1970.
func setTimes(name string, atime, mtime time.Time) error {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	clamp := func(t time.Time) time.Time {
		switch {
		case t.Before(first):
			return first
		case t.After(last):
			return last
		}
		return t
	}
	return os.Chtimes(name, clamp(atime), clamp(mtime))
}

// fileID identifies a file within the machine.
type fileID struct {
	volume uint32
	index  uint64
}

func identify(f *os.File) (fileID, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return fileID{}, err
	}
	return fileID{info.VolumeSerialNumber, uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}, nil
}

// sysLock locks a byte range far behind the end of any file. Locks are mandatory on Windows, and
// a lock on the contents would keep other processes from reading them.
func sysLock(f *os.File, wait bool) error {
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if err == windows.ERROR_LOCK_VIOLATION || err == windows.ERROR_IO_PENDING {
		return ErrLocked
	}
	return err
}

// syncDir does nothing. Windows cannot flush directories; the file system journals their changes.
func syncDir(dir string) error {
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		err = &fs.PathError{Op: "sync", Path: dir, Err: syscall.ENOTDIR}
	}
	return err
}

func sysChangeTime(fs.FileInfo) (time.Time, bool) { return time.Time{}, false }
