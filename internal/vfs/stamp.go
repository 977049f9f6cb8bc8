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

// Identity returns a text that identifies a file among all files that exist at
// the same time, "" if the system does not support this.
func Identity(fi fs.FileInfo) string { return inode(fi) }

const (
	// lag is how far the time stamps of a file system may be behind our clock. On
	// a machine of one's own that is a tick of its timer, some milliseconds. It is
	// more on a virtual one whose host lets the tick wait, and on a file server
	// whose clock is not quite ours.
	lag = 250 * time.Millisecond
	// coarse is the resolution from which on times are not relied upon. File
	// systems that have no better one are mostly those that keep no change time
	// either (FAT, exFAT, those made of other protocols), so that the times of a
	// directory can be set back, or are left alone when another system uses it.
	coarse = 10 * time.Millisecond
)

// Settled reports whether a change of the file or directory after now would be
// certain to give it another stamp. now must not be later than the look at the
// file. It is never so where the system, or the file system to all appearance,
// does not keep a fine enough time of the last change.
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
