package engine

import (
	"context"
	"fmt"

	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// TooManyDeletionsError says that deletions are not propagated, since there are more
// than the limit. Everything else is done.
type TooManyDeletionsError struct {
	// Pair names the pair; its stores are not set.
	Pair event.Pair
	// Side has the messages that would be deleted.
	Side syncstate.Side
	plan.Excess
	// Limit is that of the pair.
	Limit plan.Limit
}

func (e *TooManyDeletionsError) Error() string {
	return fmt.Sprintf("%d of %d message(s) would be deleted on the %s side, since they no longer exist on the %s side or are marked as deleted there; MaxDelete allows %s, so none of them is deleted",
		e.Deletions, e.Known, e.Side, e.Side.Other(), e.Limit)
}

// beginRestoring notes that deletions are being undone, before the first deletion is undone. If
// the run is interrupted, the remaining deletions may no longer exceed the limit. The next run
// must not propagate them, so it continues to undo.
func (s *session) beginRestoring() error {
	switch {
	case s.deletions == plan.Limited && s.notes.Restoring:
		s.deletions = plan.Restored
		return nil
	case s.deletions == plan.Allowed && s.notes.Restoring:
		s.notes.Restoring = false
	case s.deletions == plan.Restored && s.anyRecord():
		s.notes.Restoring = true
	default:
		return nil
	}
	return s.saveNotes()
}

// endRestoring notes that all deletions are undone.
func (s *session) endRestoring() error {
	if !s.notes.Restoring {
		return nil
	}
	s.notes.Restoring = false
	return s.saveNotes()
}

// makePlan makes the plan. There is no limit on the deletions in a mailbox for trash or junk
// mail; the stores are asked whether it is one only if the limit is exceeded. If deletions are not
// propagated, messages that were moved away and back are paired again.
func (s *session) makePlan(ctx context.Context) error {
	p := plan.Make(s.input())
	if p.Excess != [2]plan.Excess{} && p.Halt == nil {
		var err error
		if s.unlimited, err = s.isTrashOrJunk(ctx); err != nil {
			return err
		}
		if s.unlimited {
			p = plan.Make(s.input())
		}
	}
	if p.Keep != [2]bool{} && p.Halt == nil {
		var err error
		if s.returned, err = s.findReturned(ctx); err != nil {
			return err
		}
		if s.returned[0] != nil || s.returned[1] != nil {
			p = plan.Make(s.input())
		}
	}
	s.plan = p
	return nil
}

// isTrashOrJunk reports whether a store says that its mailbox is for trash or junk mail.
func (s *session) isTrashOrJunk(ctx context.Context) (bool, error) {
	for _, t := range syncstate.Sides {
		b, ok := store.As[store.SpecialUser](s.boxes[t])
		if !ok {
			continue
		}
		yes, err := b.IsTrashOrJunk(ctx)
		if err != nil {
			return false, s.where(t, "checking whether the mailbox is for trash or junk mail", err)
		}
		if yes {
			s.debug(fmt.Sprintf("mailbox '%s' of the %s side is for trash or junk mail, so MaxDelete does not apply", s.Box[t], t))
			return true, nil
		}
	}
	return false, nil
}

// tellExcess reports deletions that the plan leaves out, and notes them, before new messages
// are copied.
func (s *session) tellExcess() error {
	for _, t := range syncstate.Sides {
		switch ops := s.Rules.Ops[t]; {
		case s.plan.Excess[t].Deletions > 0:
			s.notes.HeldOf[t] = s.plan.Excess[t].Known
		case s.deletions != plan.Limited || ops.Gone && ops.Flags: // otherwise not all were counted
			s.notes.HeldOf[t] = 0
		}
		if x := s.plan.Excess[t]; x.Deletions > 0 {
			s.result.Problems++
			s.result.Held += x.Deletions
			pair := s.pairName()
			pair.Name = s.Name
			s.emit(event.Message{Severity: event.Error, Pair: s.pairName(), Err: &TooManyDeletionsError{pair, t, x, s.Rules.MaxDelete}}, true)
		}
	}
	return s.saveNotes()
}
