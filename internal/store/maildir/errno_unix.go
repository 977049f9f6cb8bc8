//go:build unix

package maildir

import "syscall"

// errNotDir: a component of a path is not a directory; errCrossDevice: a rename
// would leave the file system; errNotAllowed: this cannot be done to a file, whatever
// its permissions; errTooLong: a name has no room.
const (
	errNotDir      = syscall.ENOTDIR
	errCrossDevice = syscall.EXDEV
	errNotAllowed  = syscall.EPERM
	errTooLong     = syscall.ENAMETOOLONG
)

// openNow is a flag for opening an entry that may not be a regular file: opening a
// FIFO would otherwise block.
const openNow = syscall.O_NONBLOCK
