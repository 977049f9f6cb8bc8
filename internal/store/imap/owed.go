package imap

import "context"

// A server should tell at once that a message was stored in the mailbox that
// is selected (RFC 3501 §6.3.11). Courier does not: until it is asked to look
// (NOOP), the new message is not there for STORE, EXPUNGE, COPY and FETCH, and
// the answer of each is nonetheless OK. So we count what we are owed.

// noteStore counts a message that we are about to store in the selected
// mailbox.
func (s *session) noteStore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arrivals-s.told >= s.stored {
		s.stored, s.told = 0, s.arrivals
	}
	s.stored++
}

// upToDate notes that the server has just been asked what is new.
func (s *session) upToDate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored, s.told = 0, s.arrivals
}

// owes reports whether the server may not yet have looked at a message that
// we have stored. A server that tells of several at once is suspected wrongly.
func (s *session) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrivals-s.told < s.stored
}

// collect makes the server look at what we have stored, before a command that
// may concern it.
func (s *session) collect(ctx context.Context) error {
	if !s.owes() {
		return nil
	}
	return s.catchUp(ctx)
}

// catchUp lets the server tell what has happened meanwhile: while there are
// other commands to be answered, many do not.
func (s *session) catchUp(ctx context.Context) error {
	if err := s.client.Noop(ctx); err != nil {
		return err
	}
	s.upToDate()
	return nil
}
