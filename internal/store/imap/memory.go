package imap

import (
	"context"
	"errors"
	"time"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// maxMemory is the time for which changes are added to a listing before the mailbox is listed as a whole
// again. That corrects errors of a server about changes that do not show in any number.
const maxMemory = 7 * 24 * time.Hour

// memory is the saved data of a mailbox.
type memory struct {
	// key identifies it; nil: nothing is saved, or recall was not called yet.
	key *memo.Key
	// packed is the encoded listing, nil if there is none. part is an encoded
	// incomplete listing of partLen messages. At least one of the two is nil.
	packed  []byte
	part    []byte
	partLen int
	// saved: the file has it.
	saved bool
}

// remembers reports whether the listing of the mailbox can be saved in a session. That requires
// mod-sequences, to find the later changes (RFC 7162).
func (m *mailbox) remembers(ctx context.Context, sess *session.Session) bool {
	if m.store.opts.Listings == nil || !sess.Client.Caps().Has("CONDSTORE") {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memory.key == nil {
		m.memory.key = m.store.listingKey(ctx, m.name)
	}
	return m.memory.key != nil
}

// recall returns the saved listing, or a part of a listing, or neither. remembers must be called first.
func (m *mailbox) recall() (*memo.Listing, *memo.Part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mem := &m.memory
	if mem.part != nil {
		return nil, m.recallPart()
	}
	var l *memo.Listing
	var err error
	if mem.packed != nil {
		l, err = memo.Decode(*mem.key, mem.packed)
	} else {
		l, mem.packed, err = m.store.opts.Listings.Load(*mem.key)
		mem.saved = l != nil
	}
	if errors.Is(err, memo.ErrPart) {
		return nil, m.recallPart()
	}
	if err != nil {
		m.store.debugf("listing of '%s' is not remembered: %v", m.box, err)
	}
	if l != nil && m.recent(l.Complete) {
		return l, nil
	}
	mem.packed, mem.saved = nil, false
	return nil, nil
}

// kept returns the listing of the last scan, in this selection or before; nil: none.
func (m *mailbox) kept(sel *selection) *memo.Listing {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memory.packed == nil {
		return nil
	}
	l, err := memo.Decode(*m.memory.key, m.memory.packed)
	if err != nil || l.UIDValidity != m.info.UIDValidity || l.ModSeq > sel.modSeq {
		return nil
	}
	return l
}

// listingKey returns the key of the saved data of a mailbox; nil: nothing is saved.
func (s *Store) listingKey(ctx context.Context, name string) *memo.Key {
	if s.opts.Listings == nil || s.opts.Account == nil {
		return nil
	}
	account, err := s.opts.Account(ctx)
	if err != nil || account == "" {
		s.debugf("no listings are cached: the account is not known (%v)", err)
		return nil
	}
	return &memo.Key{Account: account, Box: name}
}

// forget drops the saved data, because they are wrong.
func (m *mailbox) forget(why string) {
	m.mu.Lock()
	key := m.memory.key
	m.memory = memory{key: key}
	m.mu.Unlock()
	if key == nil {
		return
	}
	m.store.debugf("forgetting the listing of '%s': %s", m.box, why)
	if m.readOnly {
		return
	}
	if err := m.store.opts.Listings.Remove(*key); err != nil {
		m.store.debugf("%v", err)
	}
}

// Renew implements store.Renewer. STATUS of the selected mailbox is discouraged
// (RFC 9051 §6.3.11), but not every server reports a changed UIDNEXT by itself.
func (m *mailbox) Renew(ctx context.Context) error {
	sess, err := m.use(ctx)
	if err != nil {
		return err
	}
	m.forget("UIDNEXT seems to have gone back")
	m.scanning.Lock()
	defer m.scanning.Unlock()
	err = sess.CatchUp(ctx)
	var next mail.UID
	if err == nil {
		var st imapwire.BoxStatus
		if st, err = sess.Client.Status(ctx, m.name, imapwire.BoxUIDNext); err == nil && st.Has&imapwire.BoxUIDNext != 0 {
			next = st.UIDNext
		}
	}
	if err != nil && !refused(err) {
		return m.fail("asking for UIDNEXT again", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fresh = false
	m.sel.base, m.sel.current, m.sel.part, m.sel.early = nil, nil, nil, nil
	if next != 0 {
		m.info.UIDNext, m.info.UIDNextGuessed = max(m.info.UIDNext, next), false
	}
	return nil
}

var _ store.Renewer = (*mailbox)(nil)

// forgetBox drops the saved data of a mailbox that does not exist any more.
func (s *Store) forgetBox(ctx context.Context, name string) {
	if key := s.listingKey(ctx, name); key != nil {
		if err := s.opts.Listings.Remove(*key); err != nil {
			s.debugf("%v", err)
		}
	}
}

// keep encodes a listing of the whole mailbox, to be saved by Remember or Close. It does not keep a
// reference to the messages.
func (m *mailbox) keep(l *memo.Listing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memory.key != nil {
		l.MailboxID = m.boxID()
		m.memory = memory{key: m.memory.key, packed: l.Encode(*m.memory.key)}
	}
}

// boxID returns the MAILBOXID of the selected mailbox; m.mu is held.
func (m *mailbox) boxID() string {
	if m.sel == nil {
		return ""
	}
	return m.sel.boxID
}

// identify adds the MAILBOXID of the mailbox to a listing that was saved without it.
// FindRenamed needs it; nothing else of the listing changes.
func (m *mailbox) identify(base *memo.Listing, boxID string) {
	if boxID == "" || base.MailboxID != "" {
		return
	}
	base.MailboxID = boxID
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memory.key != nil {
		m.memory = memory{key: m.memory.key, packed: base.Encode(*m.memory.key)}
	}
}

// Remember implements store.Rememberer.
func (m *mailbox) Remember(context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mem := &m.memory
	data := mem.packed
	if data == nil {
		data = mem.part
	}
	if m.readOnly || mem.key == nil || data == nil || mem.saved {
		return
	}
	mem.saved = true
	if err := m.store.opts.Listings.Save(*mem.key, data); err != nil {
		m.store.debugf("listing of '%s' cannot be remembered: %v", m.box, err)
	}
}

var _ store.Rememberer = (*mailbox)(nil)

func (s *Store) debugf(format string, args ...any) { s.opts.debugf(format, args...) }
