package session

import (
	"context"
	"sync/atomic"

	"isync/internal/imapclient"
)

// A Session is a connection that is logged in. It belongs to a Pool.
type Session struct {
	Client *imapclient.Client
	pool   *Pool
	// Selected is the name on the server of the mailbox that is or was selected. If a
	// mailbox has the session exclusively, only that mailbox changes it.
	Selected string

	changeCounter

	// users is the number of users of the session, and exclusive says that one of them
	// is a mailbox. Both are guarded by the mutex of the pool.
	users     int
	exclusive bool
	// kept: the session is from an earlier run, and not used in this one yet. It is
	// guarded by the mutex of the pool.
	kept bool

	// uses counts the calls that mailboxes have used the session for.
	uses atomic.Uint64

	// qresync turns on QRESYNC when the first mailbox is selected.
	qresync enabling

	// answers are those to questions that were sent ahead, until the session belongs to the
	// pool.
	answers *answers

	// optimistic is not nil while the answer to the login is unknown. Such a session
	// belongs to the call that has dialled it, and not yet to the pool.
	optimistic *optimistic
}

// Use counts a call that uses the session. A session that is used is not stuck: see
// Pool.Take.
func (s *Session) Use() { s.uses.Add(1) }

// Lost reports whether the connection is lost.
func (s *Session) Lost() bool { return s.Client.Err() != nil }

// Snapshot returns a snapshot of the unsolicited changes reported so far. If two
// snapshots are equal, nothing has changed in between.
func (s *Session) Snapshot() Snapshot { return s.snapshot(s.Client.Exists()) }

// renew makes the server report the current status in a session of an earlier run: a
// server reports the status of a selected mailbox as of the last time it reported
// changes. wait must be called before other commands are sent. It waits for the answer if
// later commands might be executed together with those of renew. If the session is lost,
// they fail.
func (s *Session) renew(ctx context.Context) (wait func()) {
	switch {
	case s.Selected == "":
	case s.Client.Caps().Has("UNSELECT"):
		_, _ = s.Client.StartUnselect(ctx)
		s.Selected = ""
	default:
		if p, err := s.Client.StartNoop(ctx); err == nil {
			return func() { _, _ = p.Wait(ctx) }
		}
	}
	return func() {}
}
