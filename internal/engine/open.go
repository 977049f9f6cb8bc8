package engine

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/store"
	"isync/internal/syncstate"
)

// open opens both mailboxes, creating or removing one where that is called
// for, locks the state and loads it. done is true if nothing else is to be
// done.
func (s *session) open(ctx context.Context) (done bool, err error) {
	files := &stateFiles{fs: s.FS, path: s.StatePath, sync: s.FSync}
	hasState, err := files.exists()
	if err != nil {
		return false, err
	}
	defer func() {
		if s.journal == nil { // which would do it
			err = joinErrors(err, files.release())
		}
	}()
	var state func() (loaded, error)
	if hasState && s.ahead() {
		wait := files.loadAside(s.ExpireSide, !s.DryRun)
		defer func() { _, _ = wait() }()
		state = wait
	}
	if err := s.openBoxes(ctx); err != nil {
		return false, err
	}
	missing := [2]bool{s.boxes[0] == nil, s.boxes[1] == nil}
	if state != nil && (missing[0] || missing[1]) {
		_, _ = state() // whose error does not matter unless the state is needed
	}
	switch {
	case missing[0] && missing[1]:
		return true, s.bothMissing(files, hasState)
	case (missing[0] || missing[1]) && hasState:
		gone := syncstate.Far
		if missing[syncstate.Near] {
			gone = syncstate.Near
		}
		return true, s.removeOther(ctx, files, gone)
	}
	if s.isUnchanged() {
		return true, nil
	}
	for _, t := range syncstate.Sides {
		if missing[t] {
			if err := s.create(ctx, t); err != nil {
				return false, err
			}
		}
	}
	return false, s.loadState(files, state)
}

// ahead reports whether to begin with what will have to be done unless nothing
// has changed, while the stores are being waited for.
func (s *session) ahead() bool { return s.Controls == nil && !s.MayBeUnchanged }

// openBoxes opens the mailboxes at the same time; one that does not exist is
// left nil.
func (s *session) openBoxes(ctx context.Context) error {
	return both(func(t syncstate.Side) (err error) {
		if s.Known[t] != Absent {
			// First, since the store may do it along with what Caps needs.
			s.boxes[t], err = s.Store[t].Open(ctx, s.Box[t], store.OpenRequest{ReadOnly: s.DryRun})
			if err != nil {
				s.boxes[t] = nil
			}
			if _, all := errors.AsType[*store.StoreError](err); all {
				return err // which is not about this mailbox
			}
			if err != nil && !errors.Is(err, store.ErrNoBox) {
				return s.where(t, fmt.Sprintf("opening %s side", t), err)
			}
		}
		if s.caps[t], err = s.Store[t].Caps(ctx); err != nil {
			return err
		}
		if s.Rules.Ops[t].ExpungeSolo && !s.caps[t].SelectiveExpunge {
			return s.where(t, "expunging", errNoUIDPlus)
		}
		b := s.boxes[t]
		if b == nil {
			return nil
		}
		if p, ok := b.(store.Preparer); ok && s.ahead() {
			p.Prepare(ctx)
		}
		s.control(int(t))
		return nil
	})
}

// bothMissing ends a run over a pair that does not exist (any more).
func (s *session) bothMissing(files *stateFiles, hasState bool) error {
	if !hasState {
		return fmt.Errorf("%w: neither far side mailbox '%s' nor near side mailbox '%s' can be opened", ErrBoxMissing, s.Box[0], s.Box[1])
	}
	if s.DryRun {
		s.emit(Event{Kind: Notice, Text: "both mailboxes are gone; their sync state would be removed"})
		return nil
	}
	// An interrupted deletion: what is left is the state.
	if err := files.acquire(); err != nil {
		return err
	}
	return joinErrors(files.remove(), files.release())
}

// create creates and opens the mailbox of a side.
func (s *session) create(ctx context.Context, t syncstate.Side) error {
	if !s.Create[t] {
		return fmt.Errorf("%w: %s side mailbox '%s' cannot be opened", ErrBoxMissing, t, s.Box[t])
	}
	if s.DryRun {
		s.emit(Event{Kind: Notice, Side: t, Text: fmt.Sprintf("%s side mailbox '%s' would be created", t, s.Box[t])})
		return nil
	}
	if err := s.Store[t].Create(ctx, s.Box[t]); err != nil {
		return s.where(t, fmt.Sprintf("creating %s side", t), err)
	}
	s.steps().operation()
	b, err := s.Store[t].Open(ctx, s.Box[t], store.OpenRequest{})
	if err != nil {
		return s.where(t, fmt.Sprintf("opening %s side after creating it", t), err)
	}
	s.boxes[t] = b
	s.control(int(t))
	return nil
}

// removeOther propagates the deletion of the mailbox on side gone.
func (s *session) removeOther(ctx context.Context, files *stateFiles, gone syncstate.Side) error {
	t := gone.Other()
	if !s.Remove[t] {
		return fmt.Errorf("%w: %s side mailbox '%s' cannot be opened any more", ErrBoxMissing, gone, s.Box[gone])
	}
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: everything})
	if err != nil {
		return s.where(t, "looking for messages", err)
	}
	if len(list.Messages) > 0 {
		s.emit(Event{Kind: Warning, Side: t, Text: fmt.Sprintf(
			"%s side mailbox '%s' is gone, but %s side mailbox '%s' is not empty; it is not removed", gone, s.Box[gone], t, s.Box[t])})
		return nil
	}
	if s.DryRun {
		s.emit(Event{Kind: Notice, Side: t, Text: fmt.Sprintf("%s side mailbox '%s' would be removed", t, s.Box[t])})
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

// loadState locks and loads the state and replays the journal of an
// interrupted run. begun, if not nil, waits for what has been begun of that.
func (s *session) loadState(files *stateFiles, begun func() (loaded, error)) error {
	if begun == nil {
		begun = func() (loaded, error) { return files.acquireAndLoad(s.ExpireSide, !s.DryRun) }
	}
	l, err := begun()
	s.journal = &journal{files: files, implied: s.LogImplied, steps: s.steps()}
	if err != nil {
		return err
	}
	if l.torn != nil {
		s.result.Problems++
		s.emit(Event{Kind: Problem, Err: fmt.Errorf("%w; it is dropped and the interrupted run continued", l.torn)})
	}
	s.state = l.state
	s.journal.state, s.journal.end = l.state, l.journalEnd
	return nil
}
