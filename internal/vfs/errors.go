package vfs

import "errors"

// ErrLocked is returned by FS.Lock without waiting if another process, or
// another holder in this process, has the lock.
var ErrLocked = errors.New("locked by another process")
