package maildir

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errNotDir: a component of a path is not a directory; errCrossDevice: a rename
// would leave the file system.
const (
	errNotDir      = syscall.ENOTDIR
	errCrossDevice = windows.ERROR_NOT_SAME_DEVICE
)
