//go:build unix

package maildir

import "syscall"

// errNotDir: a component of a path is not a directory; errCrossDevice: a rename
// would leave the file system.
const (
	errNotDir      = syscall.ENOTDIR
	errCrossDevice = syscall.EXDEV
)
