package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// recovery compares the messages of a side whose UIDs are in doubt with their
// counterparts.
//
// A mailbox that was restored from a backup has the messages of the backup with
// their old UIDs. Messages that arrived after the backup are missing, and their
// UIDs are given to other messages. So all pairs agree up to some UID, and none
// agrees after it. Messages that are missing in between may have been lost or
// deleted. They count as lost.
type recovery struct {
	*session
	*doubt
	// anew: no message is paired, so there is nothing to compare, and no deletion
	// can be propagated. All messages count as new, on both sides.
	anew bool
	// lists have the Message-IDs: of the paired messages, or of all if the state is
	// to be rebuilt.
	lists [2]*store.Listing
	// boxes are where the listed messages are read; aside was opened for that.
	boxes [2]store.Mailbox
	aside store.Mailbox
	// last is the highest UID of a message that is known to be the same.
	last mail.UID
	// agree is the number of messages that are the same.
	agree int
}

// list reads the Message-IDs.
func (r *recovery) list(ctx context.Context) error {
	var want [2]mail.UIDSet
	for rec := range r.state.Live() {
		if rec.Paired() {
			want[0].Add(rec.UID[0])
			want[1].Add(rec.UID[1])
		}
	}
	need := store.Need{MessageIDs: true}
	if r.back || r.anew || r.deletions == plan.Restored {
		want = [2]mail.UIDSet{everything, everything}
		need = store.Need{Flags: true, SizesFrom: 1, TUIDs: true, MessageIDs: true}
	}
	r.boxes = r.session.boxes
	return both(func(u syncstate.Side) error {
		if r.boxes[u] == nil {
			r.lists[u] = &store.Listing{}
			return nil
		}
		need := need
		need.UIDs = want[u]
		l, err := r.scan(ctx, u, need)
		if err != nil {
			return r.where(u, "reading Message-IDs", err)
		}
		r.lists[u] = l
		return nil
	})
}

// scan lists messages of side u. In a local mailbox whose UIDs are in doubt, it leaves
// out new messages and gives them no UIDs. Otherwise, if this run ended here, the
// next run could not detect that UIDNEXT went back. Messages from UIDNEXT on that have
// UIDs nevertheless are in the listing.
func (r *recovery) scan(ctx context.Context, u syncstate.Side, need store.Need) (*store.Listing, error) {
	if _, local := store.As[store.Local](r.Store[u]); !local || u != r.side {
		return r.boxes[u].Scan(ctx, need)
	}
	box, err := r.Store[u].Open(ctx, r.Box[u], store.OpenRequest{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	isNew := func(u mail.UID) bool { return u >= r.next }
	if raiser, ok := store.As[store.Raiser](box); ok && !r.changed() {
		isNew = func(u mail.UID) bool { return u >= r.next && raiser.IsProvisional(u) }
	}
	r.boxes[u], r.aside = box, box
	if err := r.recallPairs(ctx, u, box); err != nil {
		return nil, err
	}
	l, err := box.Scan(ctx, need)
	if err != nil {
		return nil, err
	}
	l.Messages = slices.DeleteFunc(l.Messages, func(m mail.Meta) bool { return isNew(m.UID) })
	return l, nil
}

// close closes the mailbox that was opened for the recovery.
func (r *recovery) close(ctx context.Context) error {
	if r.aside == nil {
		return nil
	}
	box := r.aside
	r.aside = nil
	return box.Close(ctx)
}

// meta returns a message as listed, or nil.
func (r *recovery) meta(t syncstate.Side, u mail.UID) *mail.Meta {
	if i := mail.FindMeta(r.lists[t].Messages, u); u != 0 && i >= 0 {
		return &r.lists[t].Messages[i]
	}
	return nil
}

// judge decides whether the messages are the same.
func (r *recovery) judge() error {
	t, o := r.side, r.side.Other()
	var total int
	var other mail.UID // the lowest UID of a different message
	for rec := range r.state.Live() {
		if !rec.Has(syncstate.Pending) { // those of an interrupted run prove nothing
			total++
		}
		if !rec.Paired() || r.meta(0, rec.UID[0]) == nil || r.meta(1, rec.UID[1]) == nil {
			continue
		}
		id := r.lists[t].MessageIDs[rec.UID[t]]
		switch {
		case id == "":
		case id == r.lists[o].MessageIDs[rec.UID[o]]:
			r.agree++
			r.last = max(r.last, rec.UID[t])
		case other == 0 || rec.UID[t] < other:
			other = rec.UID[t]
		}
	}
	switch {
	case other != 0 && (r.changed() || other < r.last || r.agree == 0):
		return fmt.Errorf("%w on the %s side: UID %d is a different message now%s", r.kind(), t, other, r.looks())
	case r.agree < enoughAgree && r.agree*100 < total*enoughAgreePercent:
		return &tooFewError{fmt.Errorf("%w on the %s side; unable to recover: only %d of %d messages can be identified%s", r.kind(), t, r.agree, total, r.looks())}
	}
	return nil
}

// looks describes the UIDNEXT if it went back.
func (r *recovery) looks() string {
	if !r.back {
		return ""
	}
	return fmt.Sprintf(" (UIDNEXT is %d, but UID %d was already synchronized)", r.next, r.top)
}

// rebuild changes the state to match a restored mailbox. It replaces each record
// whose message is missing or different. The message of the other side is then
// copied again, if the rules allow it. Messages without a counterpart count as new,
// unless they are the same as one of the other side.
//
// If rebuild is interrupted, the next run must detect again that UIDNEXT went back,
// and do the rest. So the highest record or the watermark, which shows this, is
// changed last. Such pairs would count as proof for lower UIDs, so they
// are made after all other records were replaced.
//
// If no message was paired, the first new pair makes the next run believe that the UIDs are
// the same as before. So the watermarks are reset before it. That of the side in doubt is
// reset early only if its UIDVALIDITY has changed: the state keeps the old one until the commit.
func (r *recovery) rebuild(ctx context.Context) error {
	broken := r.broken()
	if err := r.unexpire(ctx, broken); err != nil {
		return err
	}
	found, err := r.match(ctx, r.boxes, r.free(broken))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	held := r.journal.held
	r.journal.held = true
	defer func() { r.journal.held = held }()
	if r.anew {
		if err := r.forgetWatermarks(); err != nil {
			return err
		}
	}
	first, rest := broken, broken[:0]
	if n := len(broken); n > 0 && broken[n-1].UID[r.side] >= r.next {
		first, rest = broken[:n-1], broken[n-1:]
	}
	again, err := r.replaceAll(first)
	if err == nil && len(rest) > 0 {
		err = r.resetWatermarks()
	}
	if err == nil {
		err = r.pair(&found)
	}
	if err == nil {
		var n int
		n, err = r.replaceAll(rest)
		again += n
	}
	if err == nil && len(rest) == 0 {
		err = r.resetWatermarks()
	}
	// The new records have raised the candidates; the plan computes them again.
	for _, u := range syncstate.Sides {
		top := r.state.MaxUID[u]
		if r.anew {
			top = 0
		}
		if err == nil {
			err = r.note(syncstate.OpMaxUID, nil, uint32(u), uint32(top))
		}
	}
	if err == nil && !r.DryRun {
		// Before new messages get UIDs.
		err = r.journal.sync()
	}
	if err != nil {
		return err
	}
	r.adaptNotes()
	if r.Adopt != AdoptCopy {
		r.noteAmbiguous(&found)
	}
	f := matched(&found, r.Adopt == AdoptCopy)
	f.Doubt[r.side] = r.fact()
	switch {
	case r.anew && (f.Pairs > 0 || f.Ambiguous != [2]int{}):
		r.tell(event.Notice, f)
	case r.anew:
		r.tell(event.Notice, event.AllMessagesNew{UIDDoubt: r.fact()})
	default:
		r.tell(event.Notice, event.MailboxRestored{
			UIDDoubt: r.fact(), Same: r.agree, Copied: again - f.Pairs, Paired: f.Pairs,
		})
		if f.Ambiguous != [2]int{} && !f.Copied {
			r.tell(event.Notice, event.MailAmbiguous{Count: f.Ambiguous})
		}
	}
	return nil
}

// adaptNotes drops the notes about messages of the side in doubt that are not proved to be the
// same: other messages have, or will get, their UIDs. Copies that the server stores late get
// such UIDs, too.
func (r *recovery) adaptNotes() {
	n := r.notes
	n.Forget(func(h syncstate.Held) bool { return h.Side == r.side && h.UID > r.last })
	n.Late = slices.DeleteFunc(n.Late, func(l syncstate.Late) bool { return l.Side != r.side && l.Source > r.last })
	for i := range n.Late {
		if l := &n.Late[i]; l.Side == r.side {
			l.From = min(l.From, r.last+1)
		}
	}
	n.Release(r.side, mail.UIDsFrom(r.last+1))
}

// broken returns the records whose message on the side in doubt is not proved to be
// the same, ordered by UID.
func (r *recovery) broken() []*syncstate.Record {
	var out []*syncstate.Record
	for i, rec := range r.state.Records.All() {
		if !rec.Dead && rec.UID[r.side] > r.last {
			out = append(out, r.state.Records.Get(i))
		}
	}
	slices.SortStableFunc(out, func(a, b *syncstate.Record) int { return cmp.Compare(a.UID[r.side], b.UID[r.side]) })
	return out
}

// expiredHere reports whether the message of the record has expired on the side in
// doubt, and so may be missing.
func (r *recovery) expiredHere(rec *syncstate.Record) bool {
	return r.side == r.state.ExpireSide && rec.Any(syncstate.ExpireBegun|syncstate.Expired) && rec.UID[r.side.Other()] != 0
}

// unexpire removes the marks from messages that were to expire on the other side,
// because they are now the only copies.
func (r *recovery) unexpire(ctx context.Context, broken []*syncstate.Record) error {
	o := r.side.Other()
	if o != r.state.ExpireSide || r.DryRun {
		return nil
	}
	var changes []store.FlagChange
	for _, rec := range broken {
		m := r.meta(o, rec.UID[o])
		if m != nil && m.Flags.Has(mail.FlagDeleted) && rec.Any(syncstate.ExpireBegun|syncstate.Expired) && !rec.Flags.Has(mail.FlagDeleted) {
			changes = append(changes, store.FlagChange{UID: m.UID, Remove: mail.FlagDeleted})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	var failed error
	err := r.boxes[o].SetFlags(ctx, changes, func(_ int, err error) {
		if failed == nil && err != nil && !errors.Is(err, store.ErrGone) {
			failed = err
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return r.where(o, "unmarking expired messages that the other side has lost", err)
	}
	for _, c := range changes {
		r.meta(o, c.UID).Flags &^= mail.FlagDeleted
	}
	return nil
}

// free returns the listed messages that may be paired: those without a counterpart, but no
// placeholders. It includes messages that were deleted or have expired on the side in
// doubt, because they may exist again.
func (r *recovery) free(broken []*syncstate.Record) (out [2]*store.Listing) {
	t, o := r.side, r.side.Other()
	isBroken := make(map[[2]mail.UID]bool, len(broken))
	for _, rec := range broken {
		isBroken[rec.UID] = true
	}
	var taken [2][]mail.UID
	for rec := range r.state.Live() {
		lost := isBroken[rec.UID]
		if rec.UID[t] != 0 && !lost {
			taken[t] = append(taken[t], rec.UID[t])
		}
		if rec.UID[o] != 0 && (rec.UID[t] != 0 && !lost || !r.whole(&rec)) {
			taken[o] = append(taken[o], rec.UID[o])
		}
	}
	for u := range out {
		known := mail.NewUIDSet(taken[u]...)
		l := *r.lists[u]
		l.Messages = slices.DeleteFunc(slices.Clone(l.Messages), func(m mail.Meta) bool { return known.Contains(m.UID) })
		out[u] = &l
	}
	return out
}

// whole reports whether the record is of a message, rather than a placeholder, on
// the side that is not in doubt.
func (r *recovery) whole(rec *syncstate.Record) bool {
	return !rec.Any(syncstate.PlaceholderOn(r.side.Other())) && !rec.Purge && !rec.Upgrading
}

// pair makes records of what was matched, in place of those of the other side alone.
func (r *recovery) pair(found *plan.Matches) error {
	t, o := r.side, r.side.Other()
	alone := make(map[mail.UID]*syncstate.Record)
	for i, rec := range r.state.Records.All() {
		if !rec.Dead && rec.UID[t] == 0 {
			alone[rec.UID[o]] = r.state.Records.Get(i)
		}
	}
	put := func(rec syncstate.Record) error {
		var old *syncstate.Record
		if rec.UID[o] != 0 {
			old = alone[rec.UID[o]]
		}
		// Without a record, the message of side o would not be new, unless all messages are.
		if old != nil && r.anew {
			if err := r.note(syncstate.OpDrop, old); err != nil {
				return err
			}
			old = nil
		}
		if err := r.putRecord(rec); err != nil || old == nil {
			return err
		}
		return r.note(syncstate.OpDrop, old)
	}
	for _, p := range found.Pairs {
		flags := [2]mail.Flags{r.meta(0, p.UID[0]).Flags, r.meta(1, p.UID[1]).Flags}
		for _, rec := range plan.AdoptedRecords(p, flags, r.Rules) {
			if err := put(rec); err != nil {
				return err
			}
		}
	}
	if r.Adopt == AdoptCopy {
		return nil
	}
	for _, u := range syncstate.Sides {
		for uid := range found.Ambiguous[u].All() {
			rec := syncstate.Record{Flags: r.meta(u, uid).Flags}
			rec.UID[u] = uid
			if err := put(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceAll replaces records. It returns the number of messages to copy again.
func (r *recovery) replaceAll(recs []*syncstate.Record) (copies int, err error) {
	o := r.side.Other()
	owned := make(map[mail.UID]int)
	for rec := range r.state.Live() {
		owned[rec.UID[o]]++
	}
	for _, rec := range recs {
		copied, err := r.replace(rec, owned[rec.UID[o]] > 1)
		if err != nil {
			return copies, err
		}
		if copied {
			copies++
		}
	}
	return copies, nil
}

// replace drops a record. Before that it makes the record that takes its place,
// unless there is one. It reports whether the message is to be copied again.
func (r *recovery) replace(rec *syncstate.Record, replaced bool) (copied bool, err error) {
	t, o := r.side, r.side.Other()
	if r.expiredHere(rec) && !replaced {
		if !rec.Has(syncstate.ExpireBegun | syncstate.Expired) {
			if err := r.note(syncstate.OpStatus, rec, uint32(rec.Status|syncstate.ExpireBegun|syncstate.Expired)); err != nil {
				return false, err
			}
		}
		return false, r.note(syncstate.OpUID(t), rec, 0)
	}
	if r.whole(rec) && r.meta(o, rec.UID[o]) != nil && !replaced && (r.Rules.Ops[t].New || r.deletions == plan.Restored) {
		var uids [2]mail.UID
		uids[o] = rec.UID[o]
		if _, err := r.addRecord(uids[0], uids[1]); err != nil {
			return false, err
		}
		copied = true
	}
	return copied, r.note(syncstate.OpDrop, rec)
}

// forgetWatermarks makes all messages without a record count as new, as far as the next run
// still detects the reason.
func (r *recovery) forgetWatermarks() error {
	if err := r.note(syncstate.OpMaxUID, nil, uint32(r.side.Other()), 0); err != nil || !r.changed() {
		return err
	}
	if err := r.resetWatermarks(); err != nil {
		return err
	}
	return r.note(syncstate.OpMaxUID, nil, uint32(r.side), 0)
}

// resetWatermarks makes all messages without a record on the side in doubt count as
// new, except those that have expired on the other side.
func (r *recovery) resetWatermarks() error {
	t := r.side
	low := mail.UID(0)
	if t == r.state.KeepSide() {
		low = min(r.state.MaxExpired, r.last)
	}
	low = min(low, r.state.MaxUID[t])
	if err := r.note(syncstate.OpMaxUID, nil, uint32(t), uint32(low)); err != nil {
		return err
	}
	if r.state.UIDNext[t] > r.last+1 {
		return r.note(syncstate.OpUIDNext, nil, uint32(t), uint32(r.last+1))
	}
	return nil
}
