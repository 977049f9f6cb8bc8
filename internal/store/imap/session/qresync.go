package session

import (
	"context"
	"errors"

	"isync/internal/imapclient"
)

// enabling is the state of ENABLE QRESYNC on a session.
type enabling struct {
	asked, refused bool
	pending        *imapclient.Pending[imapclient.Caps]
}

// EnableQResync enables QRESYNC before the first mailbox of the session is selected,
// without waiting for the answer. It reports whether the session has QRESYNC, or may
// have it.
func (s *Session) EnableQResync(ctx context.Context) (bool, error) {
	caps, q := s.Client.Caps(), &s.qresync
	if !caps.Has("QRESYNC") || !caps.Has("CONDSTORE") || !caps.Has("ENABLE") {
		return false, nil
	}
	if !q.asked {
		p, err := s.Client.StartEnable(ctx, "QRESYNC")
		if err != nil {
			return false, err
		}
		q.asked, q.pending = true, p
	}
	return !q.refused, nil
}

// QResyncAnswered waits for the answer to EnableQResync. It ignores which extensions
// were enabled: some servers report none and have enabled QRESYNC all the same. A
// server that has not refuses the SELECT with QRESYNC.
func (s *Session) QResyncAnswered(ctx context.Context) error {
	q := &s.qresync
	if q.pending == nil {
		return nil
	}
	_, err := q.pending.Wait(ctx)
	q.pending = nil
	if _, refused := errors.AsType[*imapclient.ResponseError](err); refused {
		q.refused = true
		return nil
	}
	return err
}
