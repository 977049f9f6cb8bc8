//go:build unix && !solaris && !aix

package vfs

import "golang.org/x/sys/unix"

// Unlock releases an flock(2) lock that a library has taken on File. It is needed because closing
// the file does not release the lock while the file is mapped.
func (i *Image) Unlock() { _ = unix.Flock(int(i.File.Fd()), unix.LOCK_UN) }
