package engine

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

var everything = mail.UIDsFrom(1)

// ErrUIDValidity says that the UIDs of a mailbox have lost their meaning.
var ErrUIDValidity = errors.New("UIDVALIDITY has changed")

// ErrWentBack says that a mailbox will give UIDs to new messages that other
// messages had before: it was restored from a backup, or created again.
var ErrWentBack = errors.New("UIDNEXT went back")

// ErrStateLost says that there is no sync state, but the journal of a run that has
// continued one.
var ErrStateLost = errors.New("the sync state is lost")

// tooFewError says that too few messages can be compared.
type tooFewError struct{ error }

func (e *tooFewError) Unwrap() error { return e.error }

// Recovery accepts a changed UIDVALIDITY if this number of pairs, or this part of all records,
// have the same messages.
const (
	enoughAgree        = 20
	enoughAgreePercent = 80
)

// doubt describes why the UIDs of one side may be invalid.
type doubt struct {
	side syncstate.Side
	// was and now are the UIDVALIDITYs.
	was, now uint32
	// top is the highest UID in the state; next is UIDNEXT. back: next is not above
	// top.
	top, next mail.UID
	back      bool
}

// changed reports whether the UIDVALIDITY has changed.
func (d *doubt) changed() bool { return d.now != d.was }

// kind returns the error for the doubt.
func (d *doubt) kind() error {
	if d.changed() {
		return ErrUIDValidity
	}
	return ErrWentBack
}

// String describes the doubt for the user.
func (d *doubt) String() string {
	if d.changed() {
		return fmt.Sprintf("UIDVALIDITY has changed on the %s side (%d -> %d)", d.side, d.was, d.now)
	}
	return fmt.Sprintf("UIDNEXT went back on the %s side: it is %d, but UID %d was already synchronized", d.side, d.next, d.top)
}

// fact returns the doubt for a message to the user.
func (d *doubt) fact() event.UIDDoubt {
	return event.UIDDoubt{Side: d.side, Was: d.was, Now: d.now, Next: d.next, Top: d.top}
}

// checkUIDs checks whether the UIDs in the state still identify the same messages:
// the UIDVALIDITYs must be those of the last run, and no UID may have been given
// twice.
func (s *session) checkUIDs(ctx context.Context) error {
	now := s.state.UIDValidity
	var doubts []*doubt
	for _, t := range syncstate.Sides {
		if s.boxes[t] == nil {
			continue
		}
		d, err := s.doubts(ctx, t)
		if err != nil {
			return err
		}
		now[t] = s.boxes[t].Info().UIDValidity
		if d != nil {
			doubts = append(doubts, d)
		}
	}
	switch len(doubts) {
	case 2:
		kind := ErrUIDValidity
		if !doubts[0].changed() && !doubts[1].changed() {
			kind = ErrWentBack
		}
		err := fmt.Errorf("%w on both sides (%s; %s)", kind, doubts[0], doubts[1])
		if s.Adopt == AdoptNo || !doubts[0].changed() || !doubts[1].changed() {
			return err
		}
		if !s.anyPaired() {
			err = nil
		}
		s.forgetState(doubts, err)
		return nil
	case 1:
		err := s.recoverUIDs(ctx, doubts[0])
		if errors.As(err, new(*tooFewError)) && doubts[0].changed() && s.Adopt != AdoptNo {
			s.forgetState(doubts, err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	if now == s.state.UIDValidity || s.DryRun {
		return nil
	}
	_, err := s.journal.log(syncstate.OpUIDValidity, nil, now[0], now[1])
	return err
}

// doubts returns the reason why the UIDs of side t may be invalid; nil: they are valid.
func (s *session) doubts(ctx context.Context, t syncstate.Side) (*doubt, error) {
	box := s.boxes[t]
	info := box.Info()
	d := &doubt{side: t, was: s.state.UIDValidity[t], now: info.UIDValidity, top: s.topUID(t), next: info.UIDNext}
	if d.was == 0 && !s.anyRecord() && !s.begun() {
		// It is unknown. Otherwise it was 0, or there is only the journal of a state that
		// is lost: the journal of a first run begins with the UIDVALIDITYs.
		d.was = d.now
	}
	// After the highest possible UID there is no UIDNEXT.
	d.back = d.next <= d.top && d.next < mail.MaxUID
	// The UIDNEXT of a local mailbox is exact. It must not be listed here: listing gives
	// UIDs to new messages, and UIDNEXT may then be above all UIDs in the state.
	if _, local := store.As[store.Local](s.Store[t]); d.back && !d.changed() && !local {
		// UIDNEXT may be outdated or guessed.
		if r, ok := store.As[store.Renewer](box); ok {
			if err := r.Renew(ctx); err != nil {
				return nil, s.where(t, "asking for UIDNEXT again", err)
			}
		}
		list, err := box.Scan(ctx, store.Need{UIDs: everything})
		if err != nil {
			return nil, s.where(t, "listing messages after UIDNEXT went back", err)
		}
		info = box.Info()
		d.next = info.UIDNext
		if n := len(list.Messages); n > 0 {
			d.next = max(d.next, min(list.Messages[n-1].UID, mail.MaxUID-1)+1)
		}
		d.back = d.next <= d.top && d.next < mail.MaxUID
	}
	if info.UIDNextGuessed {
		d.back = false
	}
	if !d.back && !d.changed() {
		return nil, nil
	}
	return d, nil
}

// topUID returns the highest UID of side t that was assigned according to the
// state.
func (s *session) topUID(t syncstate.Side) mail.UID {
	st := s.state
	top := max(st.MaxUID[t], st.NewMaxUID[t])
	if next := st.UIDNext[t]; next > 0 {
		top = max(top, next-1)
	}
	for r := range st.Live() {
		if u := r.UID[t]; u != mail.MaxUID { // which stands for none in old states
			top = max(top, u)
		}
	}
	return top
}

// recoverUIDs checks by Message-ID whether the messages of a side still have their
// UIDs. If they do, it updates the state accordingly.
func (s *session) recoverUIDs(ctx context.Context, d *doubt) error {
	r := &recovery{session: s, doubt: d, anew: !s.anyPaired()}
	return joinErrors(r.recover(ctx), r.close(ctx))
}

// recover does the work of recoverUIDs.
func (r *recovery) recover(ctx context.Context) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	// A mailbox that was created again is filled again if the user asks for it.
	refill := r.deletions == plan.Restored && len(r.lists[r.side].Messages) == 0
	if err := r.judge(); err != nil && !r.anew && !refill {
		return err
	}
	if r.back && !r.changed() && !r.anew && r.last >= r.next {
		if err := r.close(ctx); err != nil {
			return err
		}
		return r.raiseUIDs(ctx, r.doubt)
	}
	if !r.back && !r.anew && !refill {
		r.tell(event.Notice, event.UIDsRecovered{UIDDoubt: r.fact()})
		return nil
	}
	return r.rebuild(ctx)
}

// raiseUIDs corrects the highest UID of a local mailbox that has messages with higher
// ones, which are the same as before: a backup was copied over the mailbox, and only the
// file with that number went back. So messages that are missing were deleted.
func (s *session) raiseUIDs(ctx context.Context, d *doubt) error {
	if r, ok := store.As[store.Raiser](s.boxes[d.side]); ok {
		if err := r.RaiseUIDs(ctx, d.top); err != nil {
			return s.where(d.side, "correcting the highest UID", err)
		}
	}
	s.tell(event.Notice, event.HighestUIDCorrected{UIDDoubt: d.fact()})
	return nil
}

// anyPaired reports whether the state has a message on both sides.
func (s *session) anyPaired() bool {
	for r := range s.state.Live() {
		if r.Paired() {
			return true
		}
	}
	return false
}

// anyRecord reports whether the state has a record.
func (s *session) anyRecord() bool {
	for range s.state.Live() {
		return true
	}
	return false
}

// note journals an entry, or in a dry run only applies it.
func (s *session) note(op syncstate.Op, rec *syncstate.Record, args ...uint32) error {
	if !s.DryRun {
		_, err := s.journal.log(op, rec, args...)
		return err
	}
	e := syncstate.Entry{Op: op}
	n := e.N[:0]
	if rec != nil {
		n = append(n, uint32(rec.UID[0]), uint32(rec.UID[1]))
	}
	copy(e.N[:], append(n, args...))
	s.state.Apply(rec, e)
	return nil
}

// addRecord is note for a new record.
func (s *session) addRecord(far, near mail.UID) (*syncstate.Record, error) {
	rec := &syncstate.Record{}
	if s.DryRun {
		return s.state.Apply(rec, syncstate.Entry{Op: syncstate.OpAdd, N: [4]uint32{uint32(far), uint32(near)}}), nil
	}
	return rec, s.journal.add(rec, []uint32{uint32(far), uint32(near)})
}
