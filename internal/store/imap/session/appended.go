package session

import "context"

// A server should report at once that a message was appended to the selected mailbox
// (RFC 3501 §6.3.11). Courier does not: before a NOOP, the commands STORE, EXPUNGE, COPY
// and FETCH do not find the new message, and are answered with OK nonetheless. So a
// session counts the messages that it appends until the server has reported as many.

// NoteAppend counts a message that is about to be appended to the selected mailbox.
func (c *changeCounter) NoteAppend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arrivals-c.reportedFrom >= c.appended {
		c.appended, c.reportedFrom = 0, c.arrivals
	}
	c.appended++
}

// NoteUpToDate notes that the server has just reported all changes.
func (c *changeCounter) NoteUpToDate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.appended, c.reportedFrom = 0, c.arrivals
}

// hidesAppended reports whether the server may not have reported a message that was
// appended in this session. The result may be wrong if it reports several messages with
// one EXISTS.
func (c *changeCounter) hidesAppended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrivals-c.reportedFrom < c.appended
}

// ShowAppended sends a NOOP if needed, so that the next command finds the messages that
// were appended in this session.
func (s *Session) ShowAppended(ctx context.Context) error {
	if !s.hidesAppended() {
		return nil
	}
	return s.CatchUp(ctx)
}

// CatchUp lets the server report changes. It may not report them while it has other
// commands to answer.
func (s *Session) CatchUp(ctx context.Context) error {
	if err := s.Client.Noop(ctx); err != nil {
		return err
	}
	s.NoteUpToDate()
	return nil
}
