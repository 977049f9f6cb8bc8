package engine

import (
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

// GoneError says that the mailbox of one side, which was synchronized before, does not
// exist any more, and that the other one is kept. Nothing was changed.
type GoneError struct {
	Side syncstate.Side // whose mailbox is gone
	Box  [2]string
	// Messages is the number of messages that the other mailbox holds; -1: unknown.
	Messages int
	// Removes: the other mailbox would be removed if it was empty.
	Removes bool
	// Held: the other mailbox is empty, but is not removed, because this looks like a mistake.
	Held bool
	// Whereabouts is what was found of the mailbox.
	Whereabouts store.Whereabouts
	// StatePath is the path of the state file.
	StatePath string
}

func (e *GoneError) Error() string {
	if e.Messages < 0 {
		return fmt.Sprintf("%s side mailbox '%s' does not exist any more; it was synchronized with %s side mailbox '%s'",
			e.Side, e.Box[e.Side], e.Side.Other(), e.Box[e.Side.Other()])
	}
	return fmt.Sprintf("%s side mailbox '%s' does not exist any more, but %s side mailbox '%s' holds %d message(s)",
		e.Side, e.Box[e.Side], e.Side.Other(), e.Box[e.Side.Other()], e.Messages)
}

func (e *GoneError) Unwrap() error { return ErrBoxMissing }

// removeOther propagates the deletion of the mailbox on side gone. begun, if not nil,
// waits for a load of the state that has begun.
func (s *session) removeOther(ctx context.Context, files *stateFiles, begun func() (loaded, error), gone syncstate.Side) error {
	t := gone.Other()
	if err := s.confirmGone(ctx, gone); err != nil {
		return err
	}
	n, err := s.messages(ctx, t)
	if err != nil {
		return err
	}
	e := &GoneError{Side: gone, Box: s.Box, Messages: n, Removes: s.Remove[t], StatePath: s.StatePath}
	if !s.Remove[t] || n != 0 || s.KeepBoxes && s.deletions != plan.Allowed {
		if e.Whereabouts, err = s.trace(ctx, files, begun, gone); err != nil {
			return err
		}
		e.Held = s.Remove[t] && n == 0
		s.result.Gone = e
		if !s.Remove[t] || e.Held {
			return e
		}
		return nil
	}
	if s.DryRun {
		s.tell(event.Notice, event.MailboxWouldBeRemoved{Side: t, Box: s.Box[t]})
		return nil
	}
	if err := files.acquire(); err != nil {
		return err
	}
	err = s.boxes[t].Close(ctx)
	s.boxes[t] = nil
	if err == nil {
		err = s.Store[t].Delete(ctx, s.Box[t])
	}
	if err != nil {
		return joinErrors(s.where(t, fmt.Sprintf("removing %s side", t), err), files.release())
	}
	s.steps().operation()
	return joinErrors(files.remove(), files.release())
}

// confirmGone fails with errOutdated if the mailbox of side gone exists after all.
func (s *session) confirmGone(ctx context.Context, gone syncstate.Side) error {
	if s.Known[gone] != Absent || s.DryRun {
		return nil
	}
	// That was found out before the lock was taken.
	there, err := s.exists(ctx, gone)
	if err == nil && there {
		err = errOutdated
	}
	return err
}

// messages counts the messages of the mailbox of side t. If it may be removed, they are
// listed; else what the store knows is enough.
func (s *session) messages(ctx context.Context, t syncstate.Side) (int, error) {
	if c, ok := store.As[store.Counter](s.boxes[t]); ok {
		if n := c.Count(); n < 0 || !s.Remove[t] {
			return n, nil
		}
	}
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: everything})
	if err != nil {
		return 0, s.where(t, "looking for messages", err)
	}
	return len(list.Messages), nil
}

// trace looks for the mailbox of side gone under other names. Errors are ignored, because the
// result is only shown to the user.
func (s *session) trace(ctx context.Context, files *stateFiles, begun func() (loaded, error), gone syncstate.Side) (store.Whereabouts, error) {
	finder, ok := store.As[store.RenameFinder](s.Store[gone])
	if !ok {
		return store.Whereabouts{Partial: true}, nil
	}
	if begun == nil {
		begun = func() (loaded, error) { return files.load(s.ExpireSide) }
	}
	var was store.LastKnown
	if l, err := begun(); err == nil && l.state != nil {
		was = lastKnown(l.state, gone)
	}
	found, err := finder.FindRenamed(ctx, s.Box[gone], was)
	if err != nil {
		s.debug(fmt.Sprintf("looking for the mailbox under other names: %v", err))
		found.Partial = true
	}
	return found, ctx.Err()
}

// lastKnown returns what the state says about the mailbox of side t.
func lastKnown(st *syncstate.State, t syncstate.Side) store.LastKnown {
	id := store.LastKnown{UIDValidity: st.UIDValidity[t], MaxUID: st.MaxUID[t]}
	for r := range st.Live() {
		id.MaxUID = max(id.MaxUID, r.UID[t])
	}
	return id
}

// exists asks the store of side t whether the mailbox exists now.
func (s *session) exists(ctx context.Context, t syncstate.Side) (bool, error) {
	// An answer that was requested before the lock was taken does not count.
	if a, ok := store.As[store.Anticipator](s.Store[t]); ok {
		a.Outdate()
	}
	inbox := mail.IsInbox(s.Box[t])
	boxes, err := s.Store[t].List(ctx, store.ListRequest{Inbox: inbox, Others: !inbox})
	if err != nil {
		return false, s.where(t, fmt.Sprintf("listing the mailboxes of the %s side", t), err)
	}
	if slices.ContainsFunc(boxes, func(b store.Box) bool { return b.Name == s.Box[t] }) {
		return true, nil
	}
	if _, local := store.As[store.Local](s.Store[t]); !local {
		return false, nil
	}
	// The listing of a file system leaves out directories that cannot be accessed.
	b, err := s.Store[t].Open(ctx, s.Box[t], store.OpenRequest{ReadOnly: true})
	switch {
	case errors.Is(err, store.ErrNoBox):
		return false, nil
	case err != nil:
		return false, s.where(t, fmt.Sprintf("opening %s side", t), err)
	}
	return true, b.Close(ctx)
}
