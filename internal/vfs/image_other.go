//go:build !unix || solaris || aix

package vfs

// Unlock does nothing: closing File ends the locks that a library has on it.
func (i *Image) Unlock() {}
