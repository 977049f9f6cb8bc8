//go:build unix && !solaris && !aix

package vfs

import "golang.org/x/sys/unix"

// Unlock ends an flock(2) lock that a library has taken on File, and cannot end
// itself: closing the file is not enough as long as it is mapped.
func (i *Image) Unlock() { _ = unix.Flock(int(i.File.Fd()), unix.LOCK_UN) }
