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

// openNow is a flag for opening what may be no file: nobody would ever write to a
// FIFO among messages.
const openNow = syscall.O_NONBLOCK
