package imap

import (
	"context"
	"time"
)

// SetStuckAfter makes waiting for a session fail earlier. It returns what undoes
// that.
func SetStuckAfter(d time.Duration) (undo func()) {
	old := stuckAfter
	stuckAfter = d
	return func() { stuckAfter = old }
}

// Spare takes one more session from the pool of a store, gives it back, and
// reports whether there was one, and commands could be sent ahead on it.
func Spare(ctx context.Context, s *Store) (ok, ahead bool) {
	sess := s.pool.spare(ctx, &s.door)
	if sess == nil {
		return false, false
	}
	defer s.pool.put(sess)
	return true, sess.client.Ahead()
}

// MostListed makes mostListed known to tests.
var MostListed = mostListed
