package vfs

import (
	"fmt"
	"io/fs"
	"time"
)

// Stamp returns a text that changes when the size, the times or the identity of a file or
// directory change. A change within the resolution of the file system's clock may not change it:
// see Settled.
func Stamp(fi fs.FileInfo) string {
	return fmt.Sprintf("%d %d %d %s", fi.Size(), fi.ModTime().UnixNano(), ChangeTime(fi).UnixNano(), inode(fi))
}

// Identity returns a text that identifies a file among all existing files; "": the system does
// not support this.
func Identity(fi fs.FileInfo) string { return inode(fi) }

const (
	// lag is the maximum delay of the file system's time stamps relative to the system clock. On
	// a physical machine with a local disk that is a timer tick of a few milliseconds. It can be
	// longer in a virtual machine whose timer ticks are late, and on a file server whose clock
	// differs.
	lag = 250 * time.Millisecond
	// coarse is the resolution from which on times are not reliable. File systems without a
	// better one (FAT, exFAT, network protocols) usually have no change time either. There the
	// times of a directory can be set back, or stay unchanged when another system modifies it.
	coarse = 10 * time.Millisecond
)

// Settled reports whether every change of the file or directory after now changes its stamp. now
// must not be later than the call that returned fi. Settled is false if the system or the file
// system does not have a fine enough change time.
func Settled(fi fs.FileInfo, now time.Time) bool {
	changed, ok := StatusChange(fi)
	if !ok || changed.Nanosecond()%int(coarse) == 0 {
		return false
	}
	if m := fi.ModTime(); m.After(changed) {
		changed = m
	}
	return changed.Add(lag).Before(now)
}
