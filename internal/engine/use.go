package engine

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/event"
	"isync/internal/syncstate"
)

// UseMovedError says that the special use of a channel now belongs to another mailbox than
// in the last run. The sync state is about that one, so nothing was done.
type UseMovedError struct {
	Side syncstate.Side
	Use  string
	// Was is the mailbox of the last run; "": unknown, but its messages were others.
	Was, Now string
	// StatePath is the path of the sync state.
	StatePath string
}

func (e *UseMovedError) Error() string {
	if e.Was == "" {
		return fmt.Sprintf("the mailbox with the special use %s on the %s side, '%s', is another one than in the last run",
			e.Use, e.Side, e.Now)
	}
	return fmt.Sprintf("the special use %s on the %s side belonged to mailbox '%s' in the last run, and belongs to '%s' now",
		e.Use, e.Side, e.Was, e.Now)
}

// checkUses makes sure that mailboxes that were found by their special uses are those of the
// state, and notes their names. A mailbox with another name must be the same mailbox: its
// UIDVALIDITY is the same, all known UIDs are below UIDNEXT, the old name does not exist any
// more, and the messages are the same. Some servers derive UIDVALIDITY from the time, and create
// all mailboxes with special uses at the first login, in the same second. So an equal UIDVALIDITY
// is not enough. The notes must be loaded, and the state must have the UIDVALIDITYs of the last
// run.
func (s *session) checkUses(ctx context.Context) error {
	for _, t := range syncstate.Sides {
		was, now := s.notes.Box[t], s.Box[t]
		same := false
		if s.Use[t] != "" && was != now && s.mayBeSame(t) {
			var err error
			if same, err = s.hasSameMessages(ctx, t); err != nil {
				return err
			}
		}
		switch {
		case s.Use[t] == "":
			s.notes.Box[t] = ""
			continue
		case !s.result.HasState && !s.begun(), was == now, was == "" && same:
		case was != "" && same && !s.Exists[t](was):
			s.tell(event.Notice, event.BoxOfUseRenamed{Use: s.Use[t], Side: t, Was: was, Now: now})
		default:
			return &UseMovedError{Side: t, Use: s.Use[t], Was: was, Now: now, StatePath: s.StatePath}
		}
		s.notes.Box[t] = now
	}
	return s.saveBoxes()
}

// saveBoxes writes the names of the mailboxes, and nothing else that has changed in the
// notes: that is written with the state. If this run is interrupted, the next one must know
// the names.
func (s *session) saveBoxes() error {
	if s.DryRun {
		return nil
	}
	files := s.journal.files
	before, err := files.readNotes()
	if err != nil && !errors.Is(err, syncstate.ErrNotes) {
		return err
	}
	if before.Box == s.notes.Box {
		return nil
	}
	before.Box = s.notes.Box
	if err := files.writeNotes(before); err != nil {
		return err
	}
	s.noted = before.Encode()
	return nil
}

// mayBeSame reports whether the mailbox of side t may be the one that the state is about.
func (s *session) mayBeSame(t syncstate.Side) bool {
	if s.boxes[t] == nil {
		return false
	}
	info := s.boxes[t].Info()
	return info.UIDValidity != 0 && info.UIDValidity == s.state.UIDValidity[t] && (info.UIDNextGuessed || info.UIDNext > s.topUID(t))
}

// hasSameMessages reports whether the mailbox of side t has the messages that the state is
// about. The condition is that for a changed UIDVALIDITY.
func (s *session) hasSameMessages(ctx context.Context, t syncstate.Side) (bool, error) {
	r := &recovery{session: s, doubt: &doubt{side: t, now: s.state.UIDValidity[t]}}
	if err := joinErrors(r.list(ctx), r.close(ctx)); err != nil {
		return false, err
	}
	return r.judge() == nil, nil
}
