package engine

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
)

var everything = mail.UIDsFrom(1)

// ErrUIDValidity says that the UIDs of a mailbox have lost their meaning.
var ErrUIDValidity = errors.New("UIDVALIDITY has changed")

// Recovery accepts a changed UIDVALIDITY when this many pairs of messages
// agree, or this part of all records.
const (
	enoughAgree        = 20
	enoughAgreePercent = 80
)

// checkUIDValidity compares the UIDVALIDITYs with those of the last run.
func (s *session) checkUIDValidity(ctx context.Context) error {
	now, was := [2]uint32{}, s.state.UIDValidity
	var changed []syncstate.Side
	for _, t := range syncstate.Sides {
		now[t] = was[t]
		if s.boxes[t] == nil {
			continue
		}
		now[t] = s.boxes[t].Info().UIDValidity
		if was[t] != 0 && now[t] != was[t] {
			changed = append(changed, t)
		}
	}
	switch len(changed) {
	case 2:
		return fmt.Errorf("%w on both sides", ErrUIDValidity)
	case 1:
		if err := s.recoverUIDValidity(ctx, changed[0]); err != nil {
			return err
		}
		t := changed[0]
		s.emit(Event{Kind: Notice, Side: t, Text: fmt.Sprintf(
			"recovered from a change of UIDVALIDITY on the %s side (%d -> %d)", t, was[t], now[t])})
	}
	if now == was || s.DryRun {
		return nil
	}
	_, err := s.journal.log(syncstate.OpUIDValidity, nil, now[0], now[1])
	return err
}

// recoverUIDValidity finds out, by their Message-IDs, whether the messages of
// side t still have the UIDs they had although the UIDVALIDITY changed.
func (s *session) recoverUIDValidity(ctx context.Context, t syncstate.Side) error {
	var want [2]mail.UIDSet
	total := 0
	for r := range s.state.Live() {
		total++
		if r.Paired() {
			want[0].Add(r.UID[0])
			want[1].Add(r.UID[1])
		}
	}
	var lists [2]*store.Listing
	err := both(func(u syncstate.Side) error {
		if want[u].Empty() || s.boxes[u] == nil {
			lists[u] = &store.Listing{}
			return nil
		}
		l, err := s.boxes[u].Scan(ctx, store.Need{UIDs: want[u], MessageIDs: true})
		if err != nil {
			return s.where(u, "reading Message-IDs", err)
		}
		lists[u] = l
		return nil
	})
	if err != nil {
		return err
	}
	there := func(u syncstate.Side, uid mail.UID) bool { return mail.FindMeta(lists[u].Messages, uid) >= 0 }
	agree := 0
	for r := range s.state.Live() {
		if !r.Paired() || !there(0, r.UID[0]) || !there(1, r.UID[1]) {
			continue
		}
		id := lists[t].MessageIDs[r.UID[t]]
		if id == "" {
			continue
		}
		if id != lists[t.Other()].MessageIDs[r.UID[t.Other()]] {
			return fmt.Errorf("%w genuinely on the %s side: message %d is another one now", ErrUIDValidity, t, r.UID[t])
		}
		agree++
	}
	if agree < enoughAgree && agree*100 < total*enoughAgreePercent {
		return fmt.Errorf("%w on the %s side; unable to recover: only %d of %d messages can be identified", ErrUIDValidity, t, agree, total)
	}
	return nil
}
