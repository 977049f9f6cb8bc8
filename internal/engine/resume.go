package engine

import (
	"context"
	"fmt"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// resume looks for copies of an interrupted run whose UIDs are not in the journal. Messages
// whose copies are not found are copied again.
func (s *session) resume(ctx context.Context) error {
	for _, t := range syncstate.Sides {
		pending := s.awaiting(t)
		if len(pending) == 0 {
			continue
		}
		if s.boxes[t] == nil { // a dry run over a mailbox that is not there
			continue
		}
		if _, err := s.identify(ctx, t, pending); err != nil {
			return err
		}
		if err := s.await(ctx, t); err != nil {
			return err
		}
		if err := s.expect(t, s.awaiting(t)); err != nil {
			return err
		}
		for _, r := range s.awaiting(t) {
			if s.DryRun {
				r.TUID = syncstate.TUID{}
				continue
			}
			s.uncount(t, r.TUID)
			if _, err := s.journal.log(syncstate.OpLost, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaiting returns the records whose copy on side t may exist, but has no known UID.
func (s *session) awaiting(t syncstate.Side) []*syncstate.Record {
	var out []*syncstate.Record
	for i, r := range s.state.Records.Busy() {
		if !r.Dead && r.Has(syncstate.Pending) && r.UID[t] == 0 && !r.TUID.IsZero() {
			if rec := s.state.Records.Get(i); !s.isRefused[rec] {
				out = append(out, rec)
			}
		}
	}
	return out
}

// identify finds the copies of records on side t by their temporary ids, among
// the messages that were added since copying began, and journals their UIDs. unknown
// are those of these messages that no record has after that.
func (s *session) identify(ctx context.Context, t syncstate.Side, recs []*syncstate.Record) (unknown mail.UIDSet, err error) {
	from := max(s.state.UIDNext[t], 1)
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: mail.UIDsFrom(from), TUIDs: true})
	if err != nil {
		return nil, s.where(t, "looking for the copies of an interrupted run", err)
	}
	byID := make(map[string]mail.UID, len(list.TUIDs))
	for u, id := range list.TUIDs {
		if old, ok := byID[id]; !ok || u < old {
			byID[id] = u
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range recs {
		u := byID[r.TUID.String()]
		if u == 0 {
			continue
		}
		s.debug(fmt.Sprintf("found the copy of %s message %d", t.Other(), r.UID[t.Other()]))
		if s.DryRun {
			s.state.Apply(r, syncstate.Entry{Op: syncstate.OpUID(t), N: [4]uint32{uint32(r.UID[0]), uint32(r.UID[1]), uint32(u)}})
			continue
		}
		id := r.TUID
		if _, err := s.journal.log(syncstate.OpUID(t), r, uint32(u)); err != nil {
			return nil, err
		}
		s.countFound(t, id, u)
	}
	known := map[mail.UID]bool{}
	for r := range s.state.Live() {
		known[r.UID[t]] = true
	}
	for _, m := range list.Messages {
		if !known[m.UID] {
			unknown.Add(m.UID)
		}
	}
	return unknown, nil
}
