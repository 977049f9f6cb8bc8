package imap

import (
	"context"
	"errors"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
)

// A mailbox that was opened in a pipeline is detached: it has no session. Its first Scan, and fetching
// prefetched messages, need none. For anything else, the mailbox is selected again in a session of its
// own, as after the loss of a connection. UIDs are valid as long as UIDVALIDITY is the same, and all
// commands that change something use UIDs. Changes that others have made in between are treated like
// changes while the mailbox is selected.

// detached is what a mailbox has instead of a session.
type detached struct {
	claim func(ctx context.Context) error
	// list is the listing for a Scan that needs no more than scan; nil: it was used.
	list *store.Listing
	scan store.Need
	// limit is the maximum size of messages that are fetched in the pipeline.
	limit int64
}

var (
	errReplaced = errors.New("the mailbox was replaced by another one after it was listed")
	errSerial   = errors.New("mailboxes are selected one by one")
)

// takeListed returns the listing that was requested together with the opening, if it has
// what is needed; otherwise nil.
func (m *mailbox) takeListed(need store.Need) *store.Listing {
	m.mu.Lock()
	d := m.detached
	if d == nil || d.list == nil || !covers(&d.scan, &need) {
		m.mu.Unlock()
		return nil
	}
	l := d.list
	d.list = nil
	m.mu.Unlock()
	if n := len(l.Messages); n > 0 {
		m.noteUID(l.Messages[n-1].UID)
	}
	return &store.Listing{Messages: listing.KeepOnly(l.Messages, need.UIDs)}
}

// covers reports whether a listing for the need has also satisfies need.
func covers(has, need *store.Need) bool {
	switch {
	case need.TUIDs, need.MessageIDs, need.Known, need.Flags && !has.Flags:
		return false
	case need.SizesFrom != 0 && (has.SizesFrom == 0 || has.SizesFrom > need.SizesFrom):
		return false
	}
	return need.UIDs.Without(has.UIDs).Empty()
}

// isOpen fails if the mailbox is closed.
func (m *mailbox) isOpen(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.detached != nil {
		return nil
	}
	_, err := m.useLocked()
	return err
}

// attach gives a detached mailbox a session.
func (m *mailbox) attach(ctx context.Context) error {
	m.attaching.Lock()
	defer m.attaching.Unlock()
	m.mu.Lock()
	d, prefetched := m.detached, m.prefetched
	m.mu.Unlock()
	if d == nil {
		return nil
	}
	if err := d.claim(ctx); err != nil {
		return err
	}
	o, err := m.take(ctx)
	if err != nil {
		return err
	}
	if !m.adoptAgain(o, prefetched) {
		m.giveBack(o.sess)
		return m.store.boxError(m.box, errReplaced)
	}
	return nil
}

// adoptAgain makes the mailbox use another selection. It returns false if that is not the same mailbox.
func (m *mailbox) adoptAgain(o *opened, prefetched map[mail.UID]*prefetched) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, now := m.sel, o.sel
	switch {
	case now.validity != before.validity, now.next < before.next, now.modSeq != 0 && now.modSeq < before.modSeq,
		before.boxID != "" && now.boxID != "" && before.boxID != now.boxID:
		return false
	}
	if mark(now.validity, now.next, now.reported.Exists(), now.modSeq) != before.mark {
		m.own.unknown = true // somebody has changed it
	}
	now.mark = before.mark
	m.sess, m.sel, m.arrived, m.fresh = o.sess, now, o.arrived, false
	m.detached, m.prefetched = nil, prefetched
	return true
}
