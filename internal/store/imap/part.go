package imap

import (
	"context"
	"strconv"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/listcache"
	"isync/internal/mail"
)

// An incomplete listing leaves a part: the messages at the beginning of the mailbox.
// The next run asks for the changes to them, and lists the rest. A part has no other
// use. In particular, it is no base for scanChanges: it has no information about the
// messages that it lacks.

// partFits checks whether a remembered part can be used. It returns the reason if
// not, else "".
func (s *selection) partFits(sel *imapclient.Selected, p *listcache.Part) (wrong string) {
	switch {
	case sel.UIDValidity != p.UIDValidity:
		return "UIDVALIDITY has changed"
	case s.modSeq == 0:
		return "the mailbox has no mod-sequences any more"
	case s.modSeq < p.ModSeq:
		return "HIGHESTMODSEQ has gone back"
	case sel.UIDNext != 0 && sel.UIDNext <= p.Last() && p.Last() != mail.MaxUID:
		return "UIDNEXT has gone back"
	}
	return ""
}

// keepPart keeps the proven beginning of a listing that has failed with err, unless a
// longer one is kept already.
func (m *mailbox) keepPart(sel *selection, sc *scanner, err error) {
	// The commands have ended: nothing is added to the scanner any more.
	if sel.modSeq == 0 || !sc.whole() || !isLost(err) && !refused(err) {
		return
	}
	msgs := sc.proven()
	if len(msgs) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	mem := &m.memory
	if mem.key == nil || mem.packed != nil || mem.part != nil && mem.partLen >= len(msgs) {
		return
	}
	p := listcache.Part{UIDValidity: sel.validity, ModSeq: sel.modSeq, Begun: sc.begun, Messages: msgs}
	mem.part, mem.partLen, mem.saved = p.Encode(*mem.key), len(msgs), false
}

// whole reports whether the scan lists the whole mailbox, with flags.
func (sc *scanner) whole() bool {
	return sc.need.Flags && sc.need.UIDs.ContainsRange(1, mail.MaxUID)
}

// proven returns the longest beginning of an incomplete listing that certainly has no
// gaps. The sequence numbers are the proof: see census.
func (sc *scanner) proven() []mail.Meta {
	n, set := sc.census.prefix()
	if n == 0 {
		return nil
	}
	msgs := keepOnly(inOrder(sc.msgs), set)
	if len(msgs) != n {
		return nil
	}
	return msgs
}

// prefix returns the messages whose sequence numbers are 1, 2, 3 and so on, without
// a gap, if all messages were to be listed.
func (c *census) prefix() (n int, set mail.UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return 0, nil
	}
	known, err := c.known(mail.UIDsFrom(1))
	if err != nil {
		return 0, nil
	}
	for n < len(known) && known[n].listed && uint64(known[n].seq) == uint64(n)+1 && known[n].seq <= c.exists {
		set.Add(known[n].uid)
		n++
	}
	return n, set
}

// scanRest lists the messages that a part lacks. ok is false if the part cannot be
// used or cannot be verified. Then nothing is listed.
func (m *mailbox) scanRest(ctx context.Context, at *place, sc *scanner, p *listcache.Part) (ok bool, err error) {
	sess := at.sess
	if !at.fresh {
		if err := sess.catchUp(ctx); err != nil {
			return false, err
		}
	}
	at.fresh = false
	// If the mailbox changes in the meantime, it tries once more.
	for range 2 {
		if !sess.client.Counted() {
			return false, nil
		}
		before := sess.news()
		sc.census.restart(before.exists)
		msgs, wrong, err := m.renewPart(ctx, at, p, before.exists)
		if err != nil {
			return false, err
		}
		sc.seed(msgs)
		switch {
		case sess.news() != before:
			// The census may have missed some of it.
			sc.msgs = sc.msgs[:0]
			continue
		case wrong != "":
			m.forget(wrong)
			return false, nil
		case msgs == nil:
			return false, nil
		}
		sc.begun = p.Begun
		if last := msgs[len(msgs)-1].UID; last < mail.MaxUID {
			err = sc.run(ctx, sess.client, mail.UIDsFrom(last+1))
		}
		return true, err
	}
	return false, nil
}

// seed begins a listing with messages that are the first ones of the mailbox.
func (sc *scanner) seed(msgs []mail.Meta) {
	sc.msgs = append(sc.msgs[:0], msgs...)
	c := sc.census
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, msg := range msgs {
		c.seen = append(c.seen, numbered{msg.UID, uint32(i + 1), true})
	}
}

// renewPart updates the messages of a part, in a mailbox with so many messages. It
// returns those that are left, which are the first ones of the mailbox; nil if the
// server does not report them; or why the part is invalid.
func (m *mailbox) renewPart(ctx context.Context, at *place, p *listcache.Part, exists uint32) (msgs []mail.Meta, wrong string, err error) {
	last := p.Last()
	d := new(delta)
	if at.sel.modSeq != p.ModSeq {
		req := imapclient.FetchRequest{UIDs: mail.UIDSet{{First: 1, Last: last}}, Items: imapwire.ItemFlags, ChangedSince: p.ModSeq}
		err := at.sess.client.Fetch(ctx, req, func(msg *imapclient.Message) error {
			d.fetched(&msg.Fetch)
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
	d.settle()
	msgs, ok := d.apply(&listcache.Listing{UIDNext: above(p.Messages, 1), Messages: p.Messages})
	if !ok {
		return nil, "the server reports impossible changes", nil
	}
	ok, err = m.areFirst(ctx, at, msgs, exists)
	if err == nil && !ok {
		var uids mail.UIDSet
		uids, err = at.sess.client.Search(ctx, "UID 1:"+strconv.FormatUint(uint64(last), 10))
		if err == nil {
			if msgs = keepOnly(msgs, uids); uids.Len() != uint64(len(msgs)) {
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
	case !d.placed(msgs):
		return nil, "the changes that the server reports lead to other sequence numbers", nil
	}
	return msgs, "", nil
}

// areFirst reports whether messages are the first ones of the mailbox. The caller has
// verified that there are no others between them, so it suffices to check the sequence
// number of the last one.
func (m *mailbox) areFirst(ctx context.Context, at *place, msgs []mail.Meta, exists uint32) (bool, error) {
	n := len(msgs)
	if n == 0 || uint64(n) > uint64(exists) {
		return false, nil
	}
	uids, err := at.sess.client.Search(ctx, strconv.Itoa(n))
	return err == nil && uids.Len() == 1 && uids[0].First == msgs[n-1].UID, err
}

// notTooMany forgets what is remembered if the connection was lost while the server sent
// so many changes that a full listing takes hardly longer. The changes might never
// arrive completely; a full listing leaves a part.
func (m *mailbox) notTooMany(d *delta, known int, err error) {
	if isLost(err) && len(d.changed) > known/4 {
		m.forget("the connection was lost while the server sent many changes")
	}
}

// recallPart returns the part that is remembered, or nil; m.mu is held.
func (m *mailbox) recallPart() *listcache.Part {
	mem := &m.memory
	var p *listcache.Part
	var err error
	if mem.part != nil {
		p, err = listcache.DecodePart(*mem.key, mem.part)
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

// recent reports whether what was listed at some time may still be used.
func (m *mailbox) recent(t time.Time) bool {
	age := m.store.opts.now().Sub(t)
	return age <= maxMemory && age >= -time.Hour
}
