package imap

import (
	"context"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// source provides the data of a scan.
type source struct {
	sess *session.Session
	sel  *selection
	// fresh: see mailbox.fresh.
	fresh bool
}

// scanChanges makes a listing from the saved one and the changes that the server reports. It returns nil if
// that is not possible, or cannot be verified.
func (m *mailbox) scanChanges(ctx context.Context, at *source, need store.Need) (*store.Listing, error) {
	sel := at.sel
	if sel.modSeq == 0 || need.TUIDs || need.MessageIDs {
		return nil, nil
	}
	base, now := sel.base, sel.current
	// The caller will own them. The saved data are copies.
	sel.base, sel.current = nil, nil
	var err error
	switch {
	case at.fresh && now != nil && at.sess.Snapshot() == sel.reported:
		if sel.unsure {
			now, err = m.confirm(ctx, at, now)
		}
	case !m.wide(need):
		return nil, nil
	default:
		if now != nil && !sel.unsure {
			base = now
		} else if base == nil {
			base = m.kept(sel)
		}
		now = nil
		if base != nil {
			now, err = m.askChanges(ctx, at, base)
		}
	}
	if now == nil || err != nil {
		return nil, err
	}
	sized, ok, err := m.addSizes(ctx, at, now.Messages, need)
	if !ok || err != nil {
		return nil, err
	}
	if sized || now != base {
		m.keep(now)
	}
	if n := len(now.Messages); n > 0 {
		m.noteUID(now.Messages[n-1].UID)
	}
	return &store.Listing{Messages: listing.KeepOnly(now.Messages, need.UIDs)}, nil
}

// wide reports whether a scan requests so many messages that the whole mailbox may be listed instead.
func (m *mailbox) wide(need store.Need) bool {
	last := m.Info().UIDNext - 1
	return !need.UIDs.Empty() && 2*listing.Cut(need.UIDs, 1, last).Len() >= uint64(last)
}

// confirm compares the listing with the UIDs that the server has.
func (m *mailbox) confirm(ctx context.Context, at *source, now *memo.Listing) (*memo.Listing, error) {
	at.fresh = false
	uids, err := m.listUIDs(ctx, at)
	if uids == nil || err != nil {
		return nil, err
	}
	if uids.Len() != uint64(len(now.Messages)) || len(listing.KeepOnly(now.Messages, *uids)) != len(now.Messages) {
		m.forget("the server has other messages than it reported")
		return nil, nil
	}
	return now, nil
}

// listUIDs requests the UIDs of all messages. It returns nil if the server refuses, or if the messages have
// changed meanwhile.
func (m *mailbox) listUIDs(ctx context.Context, at *source) (*mail.UIDSet, error) {
	before := at.sess.Snapshot()
	uids, err := at.sess.Client.Search(ctx, "ALL")
	if useless(err) || err == nil && at.sess.Snapshot() != before {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &uids, nil
}

// askChanges requests the changes since base was listed, and determines which messages are gone. It returns
// nil if that is not possible.
func (m *mailbox) askChanges(ctx context.Context, at *source, base *memo.Listing) (*memo.Listing, error) {
	early, since := at.sel.early, at.sel.since
	at.sel.early, at.sel.since = nil, nil
	if early != nil && at.fresh && base == since && at.sess.Client.Counted() && at.sess.Snapshot() == at.sel.reported {
		at.fresh = false
		now, again, err := m.conclude(ctx, at, base, early, at.sess.Client.Exists())
		if !again {
			return now, err
		}
	}
	if !at.fresh {
		if err := at.sess.CatchUp(ctx); err != nil {
			return nil, err
		}
	}
	at.fresh = false
	// If the mailbox changes in the meantime, it tries once more.
	for range 2 {
		if !at.sess.Client.Counted() {
			return nil, nil
		}
		before := at.sess.Snapshot()
		d := new(listing.Delta)
		if before.Exists() > 0 {
			err := at.sess.Client.Fetch(ctx, changedSince(base), func(msg *imapclient.Message) error {
				d.Fetched(&msg.Fetch)
				return nil
			})
			m.notTooMany(d, len(base.Messages), err)
			if useless(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
		}
		if at.sess.Snapshot() != before {
			continue
		}
		now, again, err := m.conclude(ctx, at, base, d, before.Exists())
		if !again {
			return now, err
		}
	}
	return nil, nil
}

// conclude makes the listing of a mailbox with so many messages.
func (m *mailbox) conclude(ctx context.Context, at *source, base *memo.Listing, d *listing.Delta, exists uint32) (now *memo.Listing, again bool, err error) {
	d.Sort()
	msgs, ok := d.Apply(base)
	if !ok {
		m.forget(listing.Impossible)
		return nil, false, nil
	}
	next := listing.Above(msgs, max(at.sel.next, base.UIDNext))
	switch {
	case exists == 0:
		msgs = nil
	case len(msgs) != int(exists) || !d.Explained(msgs, base.UIDNext, next):
		uids, err := m.listUIDs(ctx, at)
		if err != nil || uids == nil {
			return nil, err == nil, err
		}
		msgs = listing.KeepOnly(msgs, *uids)
		if uids.Len() != uint64(exists) || len(msgs) != int(exists) {
			m.forget("the server does not report all changes")
			return nil, false, nil
		}
	}
	if !d.Placed(msgs) {
		m.forget(listing.Misplaced)
		return nil, false, nil
	}
	return &memo.Listing{
		UIDValidity: base.UIDValidity, UIDNext: next, ModSeq: at.sel.modSeq, Complete: base.Complete, Messages: msgs,
	}, false, nil
}

// addSizes completes the needed sizes. added: some were missing. ok is false if the server does not return
// all of them.
func (m *mailbox) addSizes(ctx context.Context, at *source, msgs []mail.Meta, need store.Need) (added, ok bool, err error) {
	if need.SizesFrom == 0 {
		return false, true, nil
	}
	var missing, found mail.UIDSet
	wanted := listing.NewCursor(listing.Cut(need.UIDs, need.SizesFrom, mail.MaxUID))
	for i, msg := range msgs {
		if msg.Size != 0 || !wanted.Has(msg.UID) {
			continue
		}
		if size := m.prefetchedSize(msg.UID); size > 0 {
			msgs[i].Size, added = size, true
		} else {
			missing.Add(msg.UID)
		}
	}
	if missing.Empty() {
		return added, true, nil
	}
	at.fresh = false
	err = m.fetchAll(ctx, at.sess.Client, listing.Want{Items: imapwire.ItemSize}, missing, func(msg *imapclient.Message) error {
		if i := mail.FindMeta(msgs, msg.UID); i >= 0 && msg.Has&imapwire.ItemSize != 0 {
			msgs[i].Size = msg.Size
			found.Add(msg.UID)
		}
		return nil
	})
	if refused(err) {
		return true, false, nil
	}
	return true, found.Len() == missing.Len(), err
}
