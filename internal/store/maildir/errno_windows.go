package maildir

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errNotDir: a component of a path is not a directory. errCrossDevice: the target of a rename is on
// another file system.
const (
	errNotDir      = syscall.ENOTDIR
	errNotAllowed  = syscall.EPERM
	errTooLong     = syscall.Errno(206) // ERROR_FILENAME_EXCED_RANGE
	errCrossDevice = windows.ERROR_NOT_SAME_DEVICE
)

// openNow is a flag for opening an entry that may be a FIFO: not needed here.
const openNow = 0
