package imap

import (
	"context"
	"strconv"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
)

// An incomplete listing leaves a part: the messages at the beginning of the mailbox.
// The next run asks for the changes to them, and lists the rest. A part has no other
// use. In particular, it is no base for scanChanges: it has no information about the
// messages that it lacks.

// keepPart keeps the proven beginning of a listing that has failed with err, unless a
// longer one is kept already.
func (m *mailbox) keepPart(sel *selection, sc *scanner, err error) {
	// The commands have ended: nothing is added to the scanner any more.
	if sel.modSeq == 0 || !sc.Whole() || !isLost(err) && !refused(err) {
		return
	}
	msgs := sc.Proven()
	if len(msgs) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mem := &m.memory
	if mem.key == nil || mem.packed != nil || mem.part != nil && mem.partLen >= len(msgs) {
		return
	}
	p := memo.Part{UIDValidity: sel.validity, ModSeq: sel.modSeq, Begun: sc.Begun, Messages: msgs}
	mem.part, mem.partLen, mem.saved = p.Encode(*mem.key), len(msgs), false
}

// PartListed implements store.PartLister.
func (m *mailbox) PartListed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.partLen
}

var _ store.PartLister = (*mailbox)(nil)

// scanRest lists the messages that a part lacks. ok is false if the part cannot be
// used or cannot be verified. Then nothing is listed.
func (m *mailbox) scanRest(ctx context.Context, at *source, sc *scanner, p *memo.Part) (ok bool, err error) {
	sess := at.sess
	if !at.fresh {
		if err := sess.CatchUp(ctx); err != nil {
			return false, err
		}
	}
	at.fresh = false
	// If the mailbox changes in the meantime, it tries once more.
	for range 2 {
		if !sess.Client.Counted() {
			return false, nil
		}
		before := sess.Snapshot()
		sc.Completeness.Restart(before.Exists())
		msgs, wrong, err := m.renewPart(ctx, at, p, before.Exists())
		if err != nil {
			return false, err
		}
		sc.Seed(msgs)
		switch {
		case sess.Snapshot() != before:
			// The proof may not cover all of these messages.
			sc.Clear()
			continue
		case wrong != "":
			m.forget(wrong)
			return false, nil
		case msgs == nil:
			return false, nil
		}
		sc.Begun = p.Begun
		if last := msgs[len(msgs)-1].UID; last < mail.MaxUID {
			err = sc.run(ctx, sess.Client, mail.UIDsFrom(last+1))
		}
		return true, err
	}
	return false, nil
}

// renewPart updates the messages of a part, in a mailbox with so many messages. It
// returns those that are left, which are the first ones of the mailbox; nil if the
// server does not report them; or why the part is invalid.
func (m *mailbox) renewPart(ctx context.Context, at *source, p *memo.Part, exists uint32) (msgs []mail.Meta, wrong string, err error) {
	last := p.Last()
	d := new(listing.Delta)
	if at.sel.modSeq != p.ModSeq {
		req := imapclient.FetchRequest{UIDs: mail.UIDSet{{First: 1, Last: last}}, Items: imapwire.ItemFlags, ChangedSince: p.ModSeq}
		err := at.sess.Client.Fetch(ctx, req, func(msg *imapclient.Message) error {
			d.Fetched(&msg.Fetch)
			return nil
		})
		m.notTooMany(d, len(p.Messages), err)
		if useless(err) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", err
		}
	}
	d.Sort()
	msgs, ok := d.Apply(&memo.Listing{UIDNext: listing.Above(p.Messages, 1), Messages: p.Messages})
	if !ok {
		return nil, listing.Impossible, nil
	}
	ok, err = m.areFirst(ctx, at, msgs, exists)
	if err == nil && !ok {
		var uids mail.UIDSet
		uids, err = at.sess.Client.Search(ctx, "UID 1:"+strconv.FormatUint(uint64(last), 10))
		if err == nil {
			if msgs = listing.KeepOnly(msgs, uids); uids.Len() != uint64(len(msgs)) {
				return nil, "the server has messages that it has not listed", nil
			}
			ok, err = m.areFirst(ctx, at, msgs, exists)
		}
	}
	switch {
	case useless(err):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case !ok:
		return nil, "the server has other messages than it reported", nil
	case !d.Placed(msgs):
		return nil, listing.Misplaced, nil
	}
	return msgs, "", nil
}

// areFirst reports whether messages are the first ones of the mailbox. The caller has
// verified that there are no others between them, so it suffices to check the sequence
// number of the last one.
func (m *mailbox) areFirst(ctx context.Context, at *source, msgs []mail.Meta, exists uint32) (bool, error) {
	n := len(msgs)
	if n == 0 || uint64(n) > uint64(exists) {
		return false, nil
	}
	uids, err := at.sess.Client.Search(ctx, strconv.Itoa(n))
	return err == nil && uids.Len() == 1 && uids[0].First == msgs[n-1].UID, err
}

// notTooMany drops the saved listing if the connection was lost while the server sent so many changes that
// a full listing takes hardly longer. The changes might never arrive completely, but a full listing leaves a
// part.
func (m *mailbox) notTooMany(d *listing.Delta, known int, err error) {
	if isLost(err) && d.Changes() > known/4 {
		m.forget("the connection was lost while the server sent many changes")
	}
}

// recallPart returns the saved part, or nil; m.mu is held.
func (m *mailbox) recallPart() *memo.Part {
	mem := &m.memory
	var p *memo.Part
	var err error
	if mem.part != nil {
		p, err = memo.DecodePart(*mem.key, mem.part)
	} else {
		p, mem.part, err = m.store.opts.Listings.LoadPart(*mem.key)
		mem.saved = p != nil
	}
	if err != nil {
		m.store.debugf("the listing of '%s' that was broken off is not remembered: %v", m.box, err)
	}
	if p != nil && m.recent(p.Begun) {
		mem.partLen = len(p.Messages)
		return p
	}
	mem.part, mem.partLen, mem.saved = nil, 0, false
	return nil
}

// recent reports whether a listing that was made at t may still be used.
func (m *mailbox) recent(t time.Time) bool {
	age := m.store.opts.now().Sub(t)
	return age <= maxMemory && age >= -time.Hour
}
