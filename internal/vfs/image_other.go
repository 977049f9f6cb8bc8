//go:build !unix || solaris || aix

package vfs

// Unlock does nothing: closing File releases the locks of the library.
func (i *Image) Unlock() {}
