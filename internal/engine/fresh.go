package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// matchNew pairs new messages that both sides have (plan.Fresh). If only one side has new
// messages, it sends no commands to a server. Otherwise it requests the sizes of the new
// messages, and more only if sizes of both sides may be the same.
//
// One journal entry makes a pair, and further entries complete it. If the run is
// interrupted in between, the next run completes these pairs; all other messages are
// still new.
func (s *session) matchNew(ctx context.Context) error {
	tired := s.Attempts != nil && s.Attempts.compared >= maxCompared
	if s.Adopt == AdoptNo || s.compared || tired || s.boxes[0] == nil || s.boxes[1] == nil {
		return nil
	}
	f := &fresh{session: s, uids: plan.Fresh(s.input())}
	if f.uids[0].Empty() {
		return nil
	}
	likely, err := f.likely(ctx)
	if err != nil && s.copyUncompared(ctx, err) {
		s.debug("new messages of both sides are copied without being compared: " + err.Error())
		return nil
	}
	if !likely || err != nil {
		return err
	}
	found, err := f.match(ctx)
	if err != nil || found == nil {
		return err
	}
	return f.pair(found)
}

// maxCompared is the number of attempts to compare the new messages of a pair in a run.
const maxCompared = 2

// copyUncompared reports whether all new messages are copied although an error has
// prevented comparing them, so that messages that both sides have would be duplicated. Such
// messages are unlikely, and one message that makes a server fail must not prevent copying
// all others. After a temporary error, the pair is first tried again in this run.
func (s *session) copyUncompared(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if a := s.Attempts; a.mayRetry() {
		if kind, _ := store.KindOf(err); kind == store.Passing || kind == store.Throttled {
			a.compared++
			return false
		}
	}
	_, all := errors.AsType[*store.StoreError](err)
	return !all
}

// fresh are new messages of both sides.
type fresh struct {
	*session
	uids [2]mail.UIDSet
	// sums are the contents of messages that were read to learn their size.
	sums [2]map[mail.UID]mail.Digest
	// lists are all new messages, with the data that a Matcher needs.
	lists [2]*store.Listing
}

// tuidBytes is the size of an X-TUID field with its line end, in bytes.
func tuidBytes(crlf bool) int64 {
	n := int64(len(mail.TUIDHeader) + mail.TUIDLen + len("\n"))
	if crlf {
		n++
	}
	return n
}

// likely reports whether messages of both sides have the same Message-ID and size, or one
// may be a placeholder of another.
func (f *fresh) likely(ctx context.Context) (bool, error) {
	sizes, err := f.sizes(ctx)
	if err != nil {
		return false, err
	}
	same, err := f.likelySame(ctx, sizes)
	if same || err != nil {
		return same, err
	}
	for _, t := range syncstate.Sides {
		if same, err := f.likelyPlaceholder(ctx, t, sizes); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// likelyPlaceholder reports whether side t has a message with the same Message-ID as a message
// that is too big for side t.
func (f *fresh) likelyPlaceholder(ctx context.Context, t syncstate.Side, sizes [2][]mail.Meta) (bool, error) {
	limit := f.Rules.MaxSize[t]
	if limit <= 0 {
		return false, nil
	}
	uids := f.uids
	uids[t.Other()] = nil
	for _, m := range sizes[t.Other()] {
		if m.Size > limit {
			uids[t.Other()].Add(m.UID)
		}
	}
	if uids[t.Other()].Empty() {
		return false, nil
	}
	lists, err := f.details(ctx, uids)
	if err != nil {
		return false, err
	}
	known := f.known(lists)
	for _, msgs := range known {
		for i := range msgs {
			msgs[i].Size = 0 // it does not matter
		}
	}
	return plan.Likely(known), nil
}

// likelySame reports whether messages of both sides have the same Message-ID and size.
func (f *fresh) likelySame(ctx context.Context, sizes [2][]mail.Meta) (bool, error) {
	uids := plan.Coinciding(f.extents(sizes))
	if uids[0].Empty() {
		return false, nil
	}
	if f.caps[0].CRLF != f.caps[1].CRLF {
		// A Maildir does not know the sizes that its messages would have on a server.
		if err := f.readLocal(ctx, uids); err != nil {
			return false, err
		}
		if uids = plan.Coinciding(f.extents(sizes)); uids[0].Empty() {
			return false, nil
		}
	}
	lists, err := f.details(ctx, uids)
	if err != nil {
		return false, err
	}
	return plan.Likely(f.known(lists)), nil
}

// sizes returns the sizes of the messages. They are listed if they are not known yet.
func (f *fresh) sizes(ctx context.Context) (sizes [2][]mail.Meta, err error) {
	err = both(func(t syncstate.Side) error {
		all := f.found[t].Messages
		at := mail.FindMeta(all, f.uids[t][0].First)
		listed := slices.DeleteFunc(slices.Clone(all[at:]), func(m mail.Meta) bool { return !f.uids[t].Contains(m.UID) })
		if slices.ContainsFunc(listed, func(m mail.Meta) bool { return m.Size == 0 }) {
			l, err := f.boxes[t].Scan(ctx, store.Need{UIDs: f.uids[t], SizesFrom: 1, Known: true})
			if err != nil {
				return f.where(t, "reading the sizes of new messages", err)
			}
			listed = l.Messages
		}
		sizes[t] = listed
		return nil
	})
	return sizes, err
}

// extents returns which sizes the messages may have in terms of a digest.
func (f *fresh) extents(sizes [2][]mail.Meta) (out [2][]plan.Extent) {
	mixed := f.caps[0].CRLF != f.caps[1].CRLF
	for t, msgs := range sizes {
		crlf := f.caps[t].CRLF
		for _, m := range msgs {
			add := func(low, high int64) { out[t] = append(out[t], plan.Extent{UID: m.UID, Min: low, Max: high}) }
			d, read := f.sums[t][m.UID]
			switch {
			case m.Size <= 0: // it cannot be read
			case read:
				add(d.Size, d.Size)
			case mixed && !crlf: // one byte more for each line
				add(m.Size, 2*m.Size+tuidBytes(true))
			default: // the field is there, or is not
				add(m.Size, m.Size)
				add(m.Size+tuidBytes(crlf), m.Size+tuidBytes(crlf))
			}
		}
	}
	return out
}

// readLocal reads the contents of messages in stores with LF line ends, which are local.
func (f *fresh) readLocal(ctx context.Context, uids [2]mail.UIDSet) error {
	return both(func(t syncstate.Side) error {
		if f.caps[t].CRLF {
			return nil
		}
		f.sums[t] = make(map[mail.UID]mail.Digest)
		sums := &sumsOf{into: f.sums[t]}
		d := &digesting{session: f.session, side: t, box: f.boxes[t], matcher: sums, mu: new(sync.Mutex)}
		return d.read(ctx, uids[t], false)
	})
}

// sumsOf collects digests.
type sumsOf struct{ into map[mail.UID]mail.Digest }

// Learn implements learner.
func (s *sumsOf) Learn(_ syncstate.Side, u mail.UID, d mail.Digest, _ bool) { s.into[u] = d }

// Unreadable implements learner.
func (s *sumsOf) Unreadable(syncstate.Side, mail.UID) {}

// known returns the messages of lists with the sizes that are known.
func (f *fresh) known(lists [2]*store.Listing) (out [2][]plan.Candidate) {
	for _, t := range syncstate.Sides {
		out[t] = f.candidates(t, lists[t])
		for i := range out[t] {
			c := &out[t][i]
			if d, ok := f.sums[t][c.UID]; ok {
				c.Size = d.Size
			} else if f.caps[0].CRLF == f.caps[1].CRLF && c.Raw > 0 && !f.caps[t].CRLF {
				c.Size = c.Raw
				if lists[t].TUIDs[c.UID] == "" {
					c.Size += tuidBytes(false)
				}
			}
		}
	}
	return out
}

// match matches all new messages; nil: none are the same.
func (f *fresh) match(ctx context.Context) (*plan.Matches, error) {
	lists, err := f.details(ctx, f.uids)
	if err != nil {
		return nil, err
	}
	f.lists = lists
	var msgs [2][]plan.Candidate
	for _, t := range syncstate.Sides {
		msgs[t] = f.candidates(t, lists[t])
	}
	m := plan.NewMatcher(msgs)
	m.Sample()
	for t, sums := range f.sums {
		for u, d := range sums {
			m.Learn(syncstate.Side(t), u, d, false)
		}
	}
	if err := f.settle(ctx, f.boxes, m); err != nil {
		return nil, err
	}
	found := m.Matches()
	// Different messages with the same Message-ID are no reason for doubt as long as
	// nothing else indicates that the state is old.
	if len(found.Pairs) == 0 && !found.Unread {
		return nil, nil
	}
	found.KeepOrder(f.uids, f.Rules)
	if len(found.Pairs) == 0 && found.Ambiguous[0].Empty() && found.Ambiguous[1].Empty() {
		return nil, nil
	}
	return &found, nil
}

// pair makes records of the matched messages.
func (f *fresh) pair(found *plan.Matches) error {
	told := matched(found, f.Adopt == AdoptCopy)
	f.tell(event.Notice, event.NewMailPaired{Pairs: told.Pairs, Ambiguous: told.Ambiguous, Copied: told.Copied})
	if f.Adopt != AdoptCopy {
		f.noteAmbiguous(found)
		if err := f.saveNotes(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.journal.held
	f.journal.held = true
	defer func() { f.journal.held = held }()
	if len(found.Pairs) > 0 {
		if err := f.expireMissing(); err != nil {
			return err
		}
	}
	flags := func(t syncstate.Side, u mail.UID) mail.Flags {
		l := f.lists[t].Messages
		return l[mail.FindMeta(l, u)].Flags
	}
	for _, p := range found.Pairs {
		for _, r := range plan.AdoptedRecords(p, [2]mail.Flags{flags(0, p.UID[0]), flags(1, p.UID[1])}, f.Rules) {
			if err := f.putRecord(r); err != nil {
				return err
			}
		}
	}
	if f.Adopt == AdoptCopy {
		return nil
	}
	for _, t := range syncstate.Sides {
		for u := range found.Ambiguous[t].All() {
			r := syncstate.Record{Flags: flags(t, u)}
			r.UID[t] = u
			if err := f.putRecord(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// expireMissing makes messages that are missing on the expire side count as expired. The
// state is probably older than the mailboxes, so they may have expired since. If they
// counted as deleted, they would be deleted on the other side, which has the only copy.
func (f *fresh) expireMissing() error {
	x := f.state.ExpireSide
	if f.Rules.MaxMessages <= 0 {
		return nil
	}
	for i, r := range f.state.Records.All() {
		if r.Dead || !r.Paired() || r.Purge || r.Upgrading || r.Any(syncstate.Pending|syncstate.ExpireBegun|syncstate.Expired) {
			continue
		}
		if f.found[x].Loaded.Contains(r.UID[x]) && mail.FindMeta(f.found[x].Messages, r.UID[x]) < 0 {
			status := r.Status | syncstate.ExpireBegun | syncstate.Expired
			if err := f.note(syncstate.OpStatus, f.state.Records.Get(i), uint32(status)); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteAmbiguous notes ambiguous messages, in addition to those that are noted already.
func (s *session) noteAmbiguous(m *plan.Matches) {
	for _, t := range syncstate.Sides {
		if m.Ambiguous[t].Empty() {
			continue
		}
		all := slices.Clone(s.notes.AmbiguousUIDs(t))
		all.AddSet(m.Ambiguous[t])
		s.notes.HoldBack(t, all, time.Now())
	}
}

// putRecord adds a record that is not pending.
func (s *session) putRecord(want syncstate.Record) error {
	rec, err := s.addRecord(want.UID[0], want.UID[1])
	if err == nil {
		err = s.note(syncstate.OpFlags, rec, uint32(want.Flags))
	}
	if err == nil {
		err = s.note(syncstate.OpStatus, rec, uint32(want.Status))
	}
	return err
}
