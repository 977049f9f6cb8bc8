package engine

import (
	"context"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// A run that is killed may have sent messages that the server has not stored yet. The
// next run does not find them, and copies them again. The copies that the server stores
// after that carry temporary ids of the first run. So these ids are noted, and a message
// without a record is checked for them before it counts as new.

// maxLate is the time after which a server is assumed to have stored all messages that
// it received. It is far longer than any known server needs.
const maxLate = 24 * time.Hour

// maxUnderWay bounds how many copies of one run are noted: more than fit into the buffers
// of a connection. A run that is killed at the beginning of a large mailbox has given ids
// to many more that it never sent.
const maxUnderWay = syncstate.MaxLate / 4

// expect notes copies on side t that were not found. It must be called before their ids are
// dropped from the journal.
func (s *session) expect(t syncstate.Side, recs []*syncstate.Record) error {
	if _, local := store.As[store.Local](s.Store[t]); local || s.DryRun || s.Controls != nil {
		return nil // a local store stores nothing after the program has ended
	}
	// They were sent in this order: what was under way is at the beginning.
	for _, r := range recs[:min(len(recs), maxUnderWay)] {
		s.notes.Expect(syncstate.Late{
			Side: t, TUID: r.TUID, Source: r.UID[t.Other()], From: max(s.state.UIDNext[t], 1), Since: time.Now(),
		})
	}
	return s.saveNotes()
}

// await looks again for copies that were not found, as long as more messages appear in the
// meantime. A server that is still storing copies completes that soon.
func (s *session) await(ctx context.Context, t syncstate.Side) error {
	if _, local := store.As[store.Local](s.Store[t]); local || s.LateWait <= 0 || s.DryRun {
		return nil
	}
	before := mail.UID(0)
	for range maxLooks {
		missing := s.awaiting(t)
		next := s.boxes[t].Info().UIDNext
		if len(missing) == 0 || next == before {
			return nil
		}
		before = next
		select {
		case <-time.After(s.LateWait):
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := s.identify(ctx, t, missing); err != nil {
			return err
		}
	}
	return nil
}

// maxLooks bounds how often copies are looked for.
const maxLooks = 40

// claimLate finds copies among the listed messages that a server has stored late. If
// the original has no other copy, the two are paired. Otherwise the late copy is marked
// as deleted, and gets a record of its own, so that it is not copied back.
func (s *session) claimLate(ctx context.Context) error {
	now := time.Now()
	claimed := make(map[syncstate.TUID]bool)
	s.notes.Late = slices.DeleteFunc(s.notes.Late, func(l syncstate.Late) bool {
		return now.Sub(l.Since) > maxLate || l.Since.Sub(now) > maxLate
	})
	for _, t := range syncstate.Sides {
		byID, from := map[string]syncstate.Late{}, mail.MaxUID
		for _, l := range s.notes.Late {
			if l.Side == t {
				byID[l.TUID.String()] = l
				from = min(from, l.From)
			}
		}
		if len(byID) == 0 || s.boxes[t] == nil {
			continue
		}
		if err := s.claimLateOn(ctx, t, byID, from, claimed); err != nil {
			return err
		}
	}
	return s.forget(claimed)
}

// forget drops the notes about copies that have a record now. If such a message leaves
// the mailbox and comes back, with its temporary id, it is new.
func (s *session) forget(claimed map[syncstate.TUID]bool) error {
	if len(claimed) == 0 || s.DryRun {
		return nil
	}
	if err := s.journal.sync(); err != nil {
		return err
	}
	s.notes.Late = slices.DeleteFunc(s.notes.Late, func(l syncstate.Late) bool { return claimed[l.TUID] })
	return s.saveNotes()
}

// claimLateOn is claimLate for side t. It notes what it has found in claimed.
func (s *session) claimLateOn(ctx context.Context, t syncstate.Side, byID map[string]syncstate.Late, from mail.UID, claimed map[syncstate.TUID]bool) error {
	known := map[mail.UID]bool{}
	bySource := map[mail.UID]*syncstate.Record{}
	for i, r := range s.state.Records.All() {
		if !r.Dead {
			known[r.UID[t]] = true
			if u := r.UID[t.Other()]; u != 0 {
				bySource[u] = s.state.Records.Get(i)
			}
		}
	}
	var unknown mail.UIDSet
	for _, m := range s.found[t].Messages {
		if m.UID >= from && !known[m.UID] {
			unknown.Add(m.UID)
		}
	}
	if unknown.Empty() {
		return nil
	}
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: unknown, TUIDs: true})
	if err != nil {
		return s.where(t, "looking for the copies of an interrupted run", err)
	}
	var surplus []store.FlagChange
	for _, m := range list.Messages {
		l, ours := byID[list.TUIDs[m.UID]]
		if !ours || m.UID < l.From {
			continue
		}
		claimed[l.TUID] = true
		rec := bySource[l.Source]
		switch {
		case rec == nil && mail.FindMeta(s.found[t.Other()].Messages, l.Source) >= 0:
			err = s.pairLate(t, m.UID, l.Source)
			bySource[l.Source] = &syncstate.Record{}
		case rec != nil && rec.UID[t] == 0 && rec.Has(syncstate.Pending):
			err = s.note(syncstate.OpUID(t), rec, uint32(m.UID))
		case rec != nil && s.removedFrom(t, rec):
			// Somebody has removed one of two copies, or we have lost track of the only
			// one.
			if err = s.note(syncstate.OpUID(t), rec, uint32(m.UID)); err == nil {
				err = s.note(syncstate.OpFlags, rec, uint32(s.flagsOf(t, m.UID)))
			}
		default:
			if rec != nil && mail.FindMeta(s.found[t].Messages, rec.UID[t]) >= 0 {
				surplus = append(surplus, store.FlagChange{UID: m.UID, Add: mail.FlagDeleted})
				continue
			}
			// Its message was deleted, or it is not known whether there is another copy.
			err = s.setAside(t, m.UID, 0)
		}
		if err != nil {
			return err
		}
	}
	return s.markSurplus(ctx, t, surplus)
}

// removedFrom reports whether the message of a record is known to exist only on the other side
// of t.
func (s *session) removedFrom(t syncstate.Side, r *syncstate.Record) bool {
	o := t.Other()
	u := r.UID[t]
	gone := u == 0 || s.found[t].Loaded.Contains(u) && mail.FindMeta(s.found[t].Messages, u) < 0
	return gone && r.Status == 0 && !r.Purge && !r.Upgrading && mail.FindMeta(s.found[o].Messages, r.UID[o]) >= 0
}

// flagsOf returns the flags of a message as listed.
func (s *session) flagsOf(t syncstate.Side, u mail.UID) mail.Flags {
	if i := mail.FindMeta(s.found[t].Messages, u); i >= 0 {
		return s.found[t].Messages[i].Flags
	}
	return 0
}

// pairLate makes a record of a message and the copy of it that was stored late.
func (s *session) pairLate(t syncstate.Side, u, source mail.UID) error {
	var uids [2]mail.UID
	uids[t], uids[t.Other()] = u, source
	rec, err := s.addRecord(uids[0], uids[1])
	if err != nil {
		return err
	}
	if err := s.note(syncstate.OpFlags, rec, uint32(s.flagsOf(t, u))); err != nil {
		return err
	}
	var status syncstate.Status
	o := t.Other()
	if i := mail.FindMeta(s.found[o].Messages, source); i >= 0 && s.Rules.MaxSize[t] > 0 && s.found[o].Messages[i].Size > s.Rules.MaxSize[t] {
		status = syncstate.PlaceholderOn(t)
	}
	return s.note(syncstate.OpStatus, rec, uint32(status))
}

// setAside gives a message a record without a counterpart.
func (s *session) setAside(t syncstate.Side, u mail.UID, flags mail.Flags) error {
	var uids [2]mail.UID
	uids[t] = u
	rec, err := s.addRecord(uids[0], uids[1])
	if err != nil {
		return err
	}
	if err := s.note(syncstate.OpFlags, rec, uint32(flags)); err != nil {
		return err
	}
	return s.note(syncstate.OpStatus, rec, 0)
}

// markSurplus marks surplus copies as deleted.
func (s *session) markSurplus(ctx context.Context, t syncstate.Side, surplus []store.FlagChange) error {
	if len(surplus) == 0 {
		return nil
	}
	s.tell(event.Notice, event.SurplusCopies{Side: t, Count: len(surplus)})
	if s.DryRun {
		for _, c := range surplus {
			if err := s.setAside(t, c.UID, mail.FlagDeleted); err != nil {
				return err
			}
		}
		return nil
	}
	failed := make([]error, len(surplus))
	err := s.boxes[t].SetFlags(ctx, surplus, func(i int, err error) { failed[i] = err })
	if err != nil {
		return s.where(t, "marking surplus copies", err)
	}
	for i, c := range surplus {
		if failed[i] == nil {
			if j := mail.FindMeta(s.found[t].Messages, c.UID); j >= 0 {
				s.found[t].Messages[j].Flags |= mail.FlagDeleted
			}
		}
		if err := s.setAside(t, c.UID, mail.FlagDeleted); err != nil {
			return err
		}
	}
	return nil
}
