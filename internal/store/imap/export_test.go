package imap

import "time"

// SetStuckAfter makes waiting for a session fail earlier. It returns what undoes
// that.
func SetStuckAfter(d time.Duration) (undo func()) {
	old := stuckAfter
	stuckAfter = d
	return func() { stuckAfter = old }
}
