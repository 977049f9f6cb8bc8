//go:build unix

package maildir

import "syscall"

// errNotDir: a component of a path is not a directory. errCrossDevice: the target of a rename is on
// another file system. errNotAllowed: the operation is not permitted, whatever the permissions of the
// file. errTooLong: a name is too long.
const (
	errNotDir      = syscall.ENOTDIR
	errCrossDevice = syscall.EXDEV
	errNotAllowed  = syscall.EPERM
	errTooLong     = syscall.ENAMETOOLONG
)

// openNow is a flag for opening an entry that may not be a regular file: opening a
// FIFO would otherwise block.
const openNow = syscall.O_NONBLOCK
