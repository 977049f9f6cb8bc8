package imap

import (
	"bytes"
	"context"
	"io"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// If a watch has reported a change of a mailbox, a run sends commands right after the SELECT, so that it
// waits for the server less often: it requests the changes, if the SELECT does not report them, and the
// new messages. Otherwise it works as usual. It verifies the listing, and requests again what was not
// certainly answered completely.

// The limits of prefetching. A longer message is not kept, so its beginning is received twice.
const (
	prefetchMessages = 8
	prefetchBytes    = 128 << 10
)

// boxEnd is the end of a mailbox when it was closed: messages from next on are new.
type boxEnd struct {
	validity uint32
	next     mail.UID
}

// noteEnd notes the end of a mailbox that is being closed, if the account is watched.
func (s *Store) noteEnd(name string, info *store.Info) {
	if info.UIDValidity == 0 || !s.opts.Sessions.account.Watched() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil {
		s.ends = make(map[string]boxEnd)
	}
	s.ends[name] = boxEnd{info.UIDValidity, info.UIDNext}
}

func (s *Store) endOf(name string) (boxEnd, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.ends[name]
	return e, ok
}

// prefetched is a message that was prefetched. size is RFC822.SIZE; body is nil if it is not
// the whole message.
type prefetched struct {
	imapwire.Fetch
	body []byte
}

// ahead are FETCH commands that are sent behind a SELECT.
type ahead struct {
	validity uint32 // UIDVALIDITY that is expected
	limit    uint32 // of messages, in bytes
	pending  []*imapclient.Pending[struct{}]

	// The reader goroutine uses these until all commands have ended:
	msgs    map[mail.UID]*prefetched
	changes *listing.Delta // since base; nil: not requested
	base    *memo.Listing
}

// startAhead sends commands after the SELECT of the mailbox, if that is useful. base is the saved listing
// of the mailbox; nil: there is none, or the SELECT itself reports the changes to it.
func (m *mailbox) startAhead(ctx context.Context, sess *session.Session, base *memo.Listing) (*ahead, error) {
	limit := min(m.prefetchLimit, prefetchBytes)
	m.prefetchLimit = 0
	if limit <= 0 || m.readOnly || sess.Client.Optimistic() || m.store.opts.Client.PipelineDepth == 1 {
		return nil, nil
	}
	changed, arrived, next := m.store.opts.Sessions.account.Reported(m.name)
	end, known := m.store.endOf(m.name)
	if !changed || !known {
		return nil, nil
	}
	a := &ahead{validity: end.validity, limit: uint32(limit)}
	if base != nil && base.UIDValidity == end.validity && len(base.Messages) > 0 {
		a.changes, a.base = new(listing.Delta), base
		p, err := sess.Client.StartFetch(ctx, changedSince(base), a.takeChange)
		if err != nil {
			return nil, err
		}
		a.pending = append(a.pending, p)
	}
	// Not up to "*", which includes the last message even if it is not new.
	last := min(uint64(end.next)+uint64(min(arrived, prefetchMessages))-1, uint64(mail.MaxUID)-1)
	if next > 0 {
		last = min(last, uint64(next)-1) // our own messages may have been reported, too
	}
	if last >= uint64(end.next) {
		a.msgs = make(map[mail.UID]*prefetched)
		p, err := sess.Client.StartFetch(ctx, a.messages(mail.UIDSet{{First: end.next, Last: mail.UID(last)}}), a.takeMessage)
		if err != nil {
			return nil, err
		}
		a.pending = append(a.pending, p)
	}
	return a, nil
}

// messages requests messages with all data of prefetched.
func (a *ahead) messages(uids mail.UIDSet) imapclient.FetchRequest {
	return imapclient.FetchRequest{
		UIDs: uids, Items: imapwire.ItemFlags | imapwire.ItemDate | imapwire.ItemSize,
		Body: imapclient.FullBody, Upto: a.limit + 1,
	}
}

// changedSince requests the changes since a listing was made.
func changedSince(base *memo.Listing) imapclient.FetchRequest {
	return imapclient.FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags, ChangedSince: base.ModSeq}
}

// takeChange is the sink of the FETCH of changes.
func (a *ahead) takeChange(msg *imapclient.Message) error {
	a.changes.Fetched(&msg.Fetch)
	return nil
}

// takeMessage is the sink of the FETCH of messages.
func (a *ahead) takeMessage(msg *imapclient.Message) error {
	const need = imapwire.ItemFlags | imapwire.ItemDate | imapwire.ItemSize
	if msg.Has&need != need || len(a.msgs) == prefetchMessages {
		return nil
	}
	p := &prefetched{Fetch: msg.Fetch}
	a.msgs[msg.UID] = p
	if msg.Body == nil || msg.BodySize == 0 || msg.BodySize > int64(a.limit) || msg.BodySize != msg.Size {
		return nil
	}
	p.body = make([]byte, msg.BodySize)
	_, err := io.ReadFull(msg.Body, p.body)
	return err
}

// wait waits for all answers. changes are the changes since the saved listing; nil: unknown. It keeps the
// messages if the SELECT was successful and validity is as expected. An error means that the connection
// is lost. All other errors are ignored.
func (a *ahead) wait(ctx context.Context, m *mailbox, selected bool, validity uint32) (changes *listing.Delta, err error) {
	failed := false
	for _, p := range a.pending {
		_, perr := p.Wait(ctx)
		if isLost(perr) {
			err = perr
		}
		failed = failed || perr != nil
	}
	if a.changes != nil {
		m.notTooMany(a.changes, len(a.base.Messages), err)
	}
	if err != nil || failed || !selected || validity != a.validity {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prefetched = a.msgs
	return a.changes, nil
}

// prefetchedSize returns the size of a message that was prefetched; 0: it was not.
func (m *mailbox) prefetchedSize(u mail.UID) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.prefetched[u]; p != nil {
		return p.Size
	}
	return 0
}

// takePrefetched removes a message from those that were prefetched, and returns it; nil: it
// must be fetched.
func (m *mailbox) takePrefetched(it store.FetchItem) *prefetched {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.prefetched[it.UID]
	if p == nil || p.body == nil || it.HeaderOnly {
		return nil
	}
	delete(m.prefetched, it.UID)
	return p
}

// incoming returns the message as Fetch passes it on.
func (p *prefetched) incoming() *store.Incoming {
	// Not an io.Seeker: see store.Incoming.
	body := struct{ io.Reader }{bytes.NewReader(p.body)}
	return &store.Incoming{UID: p.UID, Flags: p.Flags, Date: p.Date, Size: p.Size, Body: body}
}
