package vfs

import "errors"

// ErrLocked is the error of FS.Lock without wait if another process, or another File of this
// process, has the lock.
var ErrLocked = errors.New("locked by another process")
