package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// open locks and loads the state, and opens both mailboxes. If necessary, it creates or removes
// a mailbox. done is true if nothing else is to be done.
//
// The lock comes first. Another run may synchronize the pair while this one waits for a server.
// If a listing is older than the state, all messages that the other run has copied look deleted.
// So a listing from before the lock is never used together with the state.
func (s *session) open(ctx context.Context) (done bool, err error) {
	files := &stateFiles{fs: s.FS, path: s.StatePath, sync: s.FSync}
	defer func() {
		if s.journal == nil { // which would do it
			err = joinErrors(err, files.release())
		}
	}()
	if err := s.lockFirst(files); err != nil {
		return false, err
	}
	for {
		done, err := s.openLocked(ctx, files)
		if !errors.Is(err, errOutdated) {
			return done, err
		}
		// At most once: now there is a lock.
		if err := s.leaveBoxes(ctx); err != nil {
			return false, err
		}
	}
}

// errOutdated says that a mailbox was opened or listed before the lock was taken,
// and that another run has changed the state in between.
var errOutdated = errors.New("another run has synchronized the mailboxes in the meantime")

// lockFirst locks the state, unless it is within a near mailbox that does not
// exist yet. A dry run locks nothing.
func (s *session) lockFirst(files *stateFiles) error {
	if s.DryRun {
		return nil
	}
	if l, ok := store.As[store.Local](s.Store[syncstate.Near]); ok {
		dir := filepath.Dir(s.StatePath)
		if box, err := l.BoxPath(s.Box[syncstate.Near]); err == nil && filepath.Clean(box) == dir {
			// Creating the directory would create half a mailbox.
			if _, err := s.FS.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return nil
			}
		}
	}
	return files.acquire()
}

// openLocked does the work of open. It fails with errOutdated if the lock could only be taken
// after a mailbox was opened, and there is a state then.
func (s *session) openLocked(ctx context.Context, files *stateFiles) (done bool, err error) {
	hasState, err := files.exists()
	if err != nil {
		return false, err
	}
	var state func() (loaded, error)
	if hasState && (s.DryRun || s.ahead() || s.Claim != nil) {
		wait := files.loadAside(s.ExpireSide)
		defer func() { _, _ = wait() }()
		state = wait
	}
	if s.DryRun && state != nil {
		_, _ = state() // without a lock, the state must not be newer than the listings
	}
	if s.DryRun || files.lock != nil {
		s.planPipeline(state)
	}
	s.oldValidity = func(t syncstate.Side) uint32 { return stateValidity(files, state, s.ExpireSide, t) }
	if err := s.openBoxes(ctx); err != nil {
		return false, err
	}
	missing := [2]bool{s.boxes[0] == nil, s.boxes[1] == nil}
	s.result.Absent, s.result.HasState = missing, hasState
	if state != nil && (missing[0] || missing[1]) {
		_, _ = state() // whose error does not matter unless the state is needed
	}
	switch {
	case missing[0] && missing[1]:
		return s.bothMissing(ctx, files, hasState)
	case (missing[0] || missing[1]) && hasState:
		gone := syncstate.Far
		if missing[syncstate.Near] {
			gone = syncstate.Near
		}
		if s.deletions != plan.Restored {
			return true, s.removeOther(ctx, files, state, gone)
		}
		if err := s.confirmGone(ctx, gone); err != nil {
			return false, err
		}
		s.recreate = true
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
	if !s.DryRun && files.lock == nil {
		if err := files.acquire(); err != nil {
			return false, err
		}
		if hasState, err = files.exists(); err != nil {
			return false, err
		}
		if hasState {
			return false, errOutdated
		}
	}
	return false, s.loadState(files, state)
}

// stateValidity returns the UIDVALIDITY of side t in the state. begun, if not nil,
// waits for a load of the state that has begun. The result is 0 if the state cannot
// be read; the run fails later for that reason.
func stateValidity(files *stateFiles, begun func() (loaded, error), expireSide, t syncstate.Side) uint32 {
	if begun == nil {
		begun = func() (loaded, error) { return files.load(expireSide) }
	}
	l, err := begun()
	if err != nil || l.state == nil {
		return 0
	}
	return l.state.UIDValidity[t]
}

// openRequest returns the request to open the mailbox of side t.
func (s *session) openRequest(t syncstate.Side) store.OpenRequest {
	return store.OpenRequest{
		ReadOnly: s.DryRun, Prefetch: s.prefetch(t), Pipelined: s.pipelinedOpen(t),
		OldValidity: func() uint32 { return s.oldValidity(t) },
	}
}

// prefetch returns the maximum size of new messages of side t that are copied unchanged, in
// bytes; 0: none are.
func (s *session) prefetch(t syncstate.Side) int64 {
	o := t.Other()
	switch {
	case s.DryRun || s.Controls != nil || !s.Rules.Ops[o].New:
		return 0
	case s.Rules.MaxSize[o] > 0:
		return s.Rules.MaxSize[o]
	}
	return math.MaxInt64
}

// leaveBoxes closes the open mailboxes.
func (s *session) leaveBoxes(ctx context.Context) error {
	var errs []error
	for t, b := range s.boxes {
		if b != nil {
			errs = append(errs, b.Close(ctx))
			s.boxes[t] = nil
		}
	}
	s.Known = [2]Presence{}
	return errors.Join(errs...)
}

// ahead reports whether to begin work that is only needed if something has changed, while
// the stores are connecting.
func (s *session) ahead() bool { return s.Controls == nil && !s.MayBeUnchanged }

// openBoxes opens both mailboxes at the same time. A mailbox that does not exist stays nil.
func (s *session) openBoxes(ctx context.Context) error {
	return both(func(t syncstate.Side) (err error) {
		if s.Known[t] != Absent {
			// First, since the store may do it along with what Caps needs.
			s.boxes[t], err = s.Store[t].Open(ctx, s.Box[t], s.openRequest(t))
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
		if p, ok := store.As[store.Preparer](b); ok && s.ahead() {
			p.Prepare(ctx)
		}
		s.control(int(t))
		return nil
	})
}

// bothMissing ends a run over a pair that does not exist (any more).
func (s *session) bothMissing(ctx context.Context, files *stateFiles, hasState bool) (done bool, err error) {
	if !hasState {
		return true, fmt.Errorf("%w: neither far side mailbox '%s' nor near side mailbox '%s' can be opened", ErrBoxMissing, s.Box[0], s.Box[1])
	}
	if s.DryRun {
		s.tell(event.Notice, event.BothMailboxesGone{DryRun: true})
		return true, nil
	}
	// Another run may have created one of them, and the other one was removed since.
	for _, t := range syncstate.Sides {
		if err := s.confirmGone(ctx, t); err != nil {
			return false, err
		}
	}
	// Perhaps a deletion was interrupted, and only the state is left.
	if err := files.acquire(); err != nil {
		return true, err
	}
	s.tell(event.Notice, event.BothMailboxesGone{})
	return true, joinErrors(files.remove(), files.release())
}

// create creates and opens the mailbox of a side.
func (s *session) create(ctx context.Context, t syncstate.Side) error {
	if !s.Create[t] && !s.recreate {
		return fmt.Errorf("%w: %s side mailbox '%s' cannot be opened", ErrBoxMissing, t, s.Box[t])
	}
	if s.DryRun {
		s.tell(event.Notice, event.MailboxWouldBeCreated{Side: t, Box: s.Box[t]})
		return nil
	}
	s.pipelined[t] = nil
	if err := s.Store[t].Create(ctx, s.Box[t]); err != nil {
		return s.where(t, fmt.Sprintf("creating %s side", t), err)
	}
	s.steps().operation()
	b, err := s.Store[t].Open(ctx, s.Box[t], s.openRequest(t))
	if err != nil {
		return s.where(t, fmt.Sprintf("opening %s side after creating it", t), err)
	}
	s.boxes[t] = b
	s.control(int(t))
	return nil
}

// loadState loads the state, which is locked, and replays the journal of an
// interrupted run. begun, if not nil, waits for a load that was begun before.
func (s *session) loadState(files *stateFiles, begun func() (loaded, error)) error {
	if begun == nil {
		begun = func() (loaded, error) { return files.load(s.ExpireSide) }
	}
	l, err := begun()
	s.journal = &journal{files: files, implied: s.LogImplied, steps: s.steps()}
	if err != nil {
		return err
	}
	if l.lost && s.Adopt == AdoptNo {
		return fmt.Errorf("%w: '%s' does not exist, but the journal of an interrupted run does", ErrStateLost, files.path)
	}
	if l.lost {
		// It says what was done with a few messages only. All of them are compared.
		s.tell(event.Notice, event.JournalIgnored{})
	}
	if l.torn != nil {
		s.result.Problems++
		s.tell(event.Error, event.JournalIncomplete{Err: l.torn})
	}
	s.state = l.state
	s.journal.state, s.journal.end = l.state, l.journalEnd
	return nil
}
