package imap

import (
	"context"
	"time"

	"isync/internal/store/imap/session"
)

// NewSessionsStuckAfter is NewSessions with a different Options.StuckAfter.
func NewSessionsStuckAfter(o Options, d time.Duration) *Sessions {
	s := o.sessions()
	s.StuckAfter = d
	return newSessions(o, s)
}

// Spare takes one more session from the pool of a store, gives it back, and reports
// whether there was one, and whether it is optimistic.
func Spare(ctx context.Context, s *Store) (ok, optimistic bool) {
	sess := s.pool.Spare(ctx, &s.gate, session.Want{})
	if sess == nil {
		return false, false
	}
	defer s.pool.Put(sess, session.Want{})
	return true, sess.Client.Optimistic()
}

// Expect makes the watch of a store expect a report of a mailbox.
func Expect(s *Store, name string) { s.opts.Sessions.account.Expect(name) }

// SearchFrom sets the number of messages from which on a mailbox is listed by searches.
func SearchFrom(s *Store, n uint64) { s.many = n }
