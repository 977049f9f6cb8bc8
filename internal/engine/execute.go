package engine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// execute carries out the plan, except for trashing and expunging. It first makes the changes
// that only concern the state, and then the flag changes and copies in both directions at the
// same time.
func (s *session) execute(ctx context.Context) error {
	if err := s.logPlan(); err != nil {
		return err
	}
	if err := s.prepareCopies(); err != nil {
		return err
	}
	for _, t := range syncstate.Sides {
		s.plannedCopies(t)
	}
	var tasks []func() error
	for _, t := range syncstate.Sides {
		tasks = append(tasks, func() error { return s.changeFlags(ctx, t) }, func() error { return s.copyTo(ctx, t) })
	}
	if err := s.together(tasks...); err != nil {
		return err
	}
	if s.full != [2]error{} {
		return nil // once the others are copied, too
	}
	return s.findCopies(ctx)
}

// together runs tasks at the same time, or one after the other if the steps are
// counted, and joins their errors.
func (s *session) together(tasks ...func() error) error {
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		if s.Controls != nil {
			errs[i] = task()
			continue
		}
		wg.Go(func() { errs[i] = task() })
	}
	wg.Wait()
	return joinErrors(errs...)
}

// logPlan journals and applies the changes of the state that do not depend on changes of
// messages.
func (s *session) logPlan() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.held = true
	splits := make(map[*syncstate.Record]*syncstate.Record)
	for _, l := range s.plan.Log {
		args := l.Arg[:argCount(l.Op)]
		rec := l.Rec
		if l.Op == syncstate.OpAdd {
			args = []uint32{uint32(rec.UID[0]), uint32(rec.UID[1])}
			if err := s.journal.add(rec, args); err != nil {
				return err
			}
			continue
		}
		got, err := s.journal.log(l.Op, rec, args...)
		if err != nil {
			return err
		}
		if l.Op == syncstate.OpUpgrade {
			splits[s.plan.Splits[l.Rec]] = got
		}
	}
	s.adoptSplits(splits)
	if len(s.plan.Log) > 0 {
		s.acted = true
		s.plan.Log = nil // a first run copies a million messages while it is kept
	}
	for _, t := range syncstate.Sides {
		s.state.NewMaxUID[t] = max(s.state.NewMaxUID[t], s.plan.MaxUID[t])
	}
	return nil
}

// adoptSplits replaces the provisional records of the plan by the records that were split
// off.
func (s *session) adoptSplits(splits map[*syncstate.Record]*syncstate.Record) {
	if len(splits) == 0 {
		return
	}
	for t := range s.plan.Flags {
		for i := range s.plan.Flags[t] {
			c := &s.plan.Flags[t][i]
			if real := splits[c.Rec]; real != nil {
				c.Rec = real
			}
		}
	}
}

// argCount returns the number of arguments after the UIDs in a journal entry of a plan.
func argCount(op syncstate.Op) int {
	switch op {
	case syncstate.OpFarUID, syncstate.OpNearUID, syncstate.OpFlags, syncstate.OpStatus, syncstate.OpUpgrade:
		return 1
	case syncstate.OpUpgradeFlags:
		return 2
	}
	return 0
}

// prepareCopies gives every message to be copied its temporary id. It makes everything durable
// that the next run needs if this one is interrupted: the ids, where to look for them, and why
// messages were marked as deleted.
func (s *session) prepareCopies() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	copies := 0
	for _, t := range syncstate.Sides {
		if len(s.plan.Copies[t]) == 0 {
			continue
		}
		copies += len(s.plan.Copies[t])
		if next := s.boxes[t].Info().UIDNext; next != s.state.UIDNext[t] {
			if _, err := s.journal.log(syncstate.OpUIDNext, nil, uint32(t), uint32(next)); err != nil {
				return err
			}
		}
		for _, c := range s.plan.Copies[t] {
			id, err := newTUID(s.TUIDs)
			if err != nil {
				return err
			}
			if err := s.journal.logTUID(c.Rec, id); err != nil {
				return err
			}
		}
	}
	s.journal.held = false
	if copies == 0 && !s.marksSilently() {
		return s.journal.flush()
	}
	return s.journal.sync()
}

// marksSilently reports whether a message is to be marked as deleted in a way that must not
// be propagated. If only the mark survived a power cut, the next run would propagate it as a
// deletion by the user.
func (s *session) marksSilently() bool {
	for _, list := range s.plan.Flags {
		if slices.ContainsFunc(list, func(c plan.FlagChange) bool { return c.Expire || c.Purge }) {
			return true
		}
	}
	return false
}

// changeFlags makes the flag changes on side t.
func (s *session) changeFlags(ctx context.Context, t syncstate.Side) error {
	all := s.plan.Flags[t]
	var changes []store.FlagChange
	var index []int // into all
	s.mu.Lock()
	for i := range all {
		c := &all[i]
		if c.Add|c.Del == 0 {
			if err := s.flagsChanged(t, c); err != nil {
				s.mu.Unlock()
				return err
			}
			continue
		}
		changes = append(changes, store.FlagChange{UID: c.UID, Add: c.Add, Remove: c.Del})
		index = append(index, i)
	}
	s.mu.Unlock()
	if len(changes) == 0 {
		return nil
	}
	s.planned(event.Flags, t, len(changes))
	var failed error  // of the journal
	var changed []int // indices into all, if somebody wants to know
	err := s.boxes[t].SetFlags(ctx, changes, func(i int, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := &all[index[i]]
		switch {
		case failed != nil || errors.Is(err, store.ErrGone):
			return // the next run sees that it is gone
		case err != nil:
			if !fatal(err) && s.refusedFor(message{t, c.UID, event.Flags}, err) {
				s.result.Failed++
				s.failed(t, c.UID, err)
			}
			return
		}
		s.result.Counts[t].Flags++
		s.done(event.Flags, t, c.UID)
		if s.Details {
			changed = append(changed, index[i])
		}
		failed = s.flagsChanged(t, c)
	})
	s.tellFlags(t, all, changed)
	if err != nil {
		err = s.where(t, "changing flags", err)
	}
	return joinErrors(err, failed)
}

// tellFlags reports the flag changes with these indices in all.
func (s *session) tellFlags(t syncstate.Side, all []plan.FlagChange, indices []int) {
	for _, i := range indices {
		c := &all[i]
		path := s.pathOf(t, c.UID)
		s.mu.Lock()
		flags := s.flagsOf(t, c.UID)
		s.mu.Unlock()
		s.detail(event.MessageChanged{Side: t, Change: event.Flags, UID: c.UID, Path: path, Flags: flags, Add: c.Add, Del: c.Del})
	}
}

// flagsChanged journals the effects of a flag change that was made. The caller holds mu.
func (s *session) flagsChanged(t syncstate.Side, c *plan.FlagChange) error {
	if i := mail.FindMeta(s.found[t].Messages, c.UID); i >= 0 {
		m := &s.found[t].Messages[i]
		m.Flags = (m.Flags | c.Add) &^ c.Del
	}
	var err error
	switch {
	case c.Purge:
		if !c.Rec.Purged {
			_, err = s.journal.log(syncstate.OpPurged, c.Rec)
		}
		return err
	case c.Orphan:
		_, err = s.journal.log(syncstate.OpUID(t.Other()), c.Rec, 0)
		return err
	}
	if f := (c.Rec.Flags | c.RecAdd) &^ c.RecDel; f != c.Rec.Flags {
		if _, err := s.journal.log(syncstate.OpFlags, c.Rec, uint32(f)); err != nil {
			return err
		}
	}
	if c.Expire && c.Rec.Status != c.Status {
		_, err = s.journal.log(syncstate.OpStatus, c.Rec, uint32(c.Status))
	}
	return err
}

// fatal reports whether an error means that a whole mailbox or store is
// unusable, rather than one message.
func fatal(err error) bool {
	var se *store.StoreError
	var be *store.BoxError
	return errors.As(err, &se) || errors.As(err, &be) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
