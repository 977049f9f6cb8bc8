package vfs

import (
	"fmt"
	"io/fs"
	"time"
)

// Stamp returns a text that is the same as long as a file or directory, as far
// as its size, its times and its identity tell, has not changed. A change within
// the resolution of the file system's clock may leave it as it is: see Settled.
func Stamp(fi fs.FileInfo) string {
	return fmt.Sprintf("%d %d %d %s", fi.Size(), fi.ModTime().UnixNano(), ChangeTime(fi).UnixNano(), inode(fi))
}

// tick is how far the time stamps of a file system lag behind the clock at
// most: one timer tick of a slow kernel.
const tick = 11 * time.Millisecond

// Settled reports whether a change of the file or directory after now would be
// certain to give it another stamp.
func Settled(fi fs.FileInfo, now time.Time) bool {
	changed := ChangeTime(fi)
	if m := fi.ModTime(); m.After(changed) {
		changed = m
	}
	wait := tick
	if changed.Nanosecond() == 0 {
		// A file system that counts whole seconds, or even numbers of them, to all
		// appearance.
		wait = 2*time.Second + tick
	}
	return changed.Add(wait).Before(now)
}
