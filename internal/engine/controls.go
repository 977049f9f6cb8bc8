package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"isync/internal/mail"
	"isync/internal/store"
)

// Controls make interruptions and late completions reproducible in tests. With Controls,
// concurrent operations are done one after the other in a fixed order, so that the same
// input results in the same steps.
type Controls struct {
	// Steps counts, and may end the program.
	Steps *Steps
	// Async makes a side's stores complete their operations late.
	Async [2]bool
	// NoExpunge leaves out the final expunge.
	NoExpunge bool
	// KeepJournal: write the new state beside the old one, and leave that and
	// the journal in place for the next run to replay.
	KeepJournal bool
	// Report is called at the end of each pair, before what the commit implies is
	// journaled.
	Report func(steps, entries int)
}

// Steps counts the steps of a run: journal entries and, with Operations,
// completed operations of the stores.
type Steps struct {
	// Operations of the stores count, too.
	Operations bool
	// Limit is the step after which Exit is called; 0: none.
	Limit int
	// Exit ends the program.
	Exit func()

	mu      sync.Mutex
	steps   int
	entries int
}

func (s *Steps) count(entry bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps++
	if entry {
		s.entries++
	}
	if s.steps == s.Limit {
		s.Exit()
	}
}

// entry counts a journal entry. s may be nil.
func (s *Steps) entry() {
	if s != nil {
		s.count(true)
	}
}

// operation counts a completed operation of a store. s may be nil.
func (s *Steps) operation() {
	if s != nil && s.Operations {
		s.count(false)
	}
}

// Total returns the numbers of steps and of journal entries so far.
func (s *Steps) Total() (steps, entries int) {
	if s == nil {
		return 0, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps, s.entries
}

// steps returns the step counter, which may be nil.
func (p *Pair) steps() *Steps {
	if p.Controls == nil {
		return nil
	}
	return p.Controls.Steps
}

// control puts the controls around an open mailbox.
func (s *session) control(t int) {
	if s.Controls != nil && s.boxes[t] != nil {
		s.boxes[t] = &controlled{Mailbox: s.boxes[t], steps: s.steps(), async: s.Controls.Async[t]}
	}
}

// lateBy is how many later operations a completion waits for.
const lateBy = 2

// controlled counts the completed operations of a mailbox and, if async, reports them late.
type controlled struct {
	store.Mailbox
	steps *Steps
	async bool
}

// Unwrap implements store.Wrapper.
func (c *controlled) Unwrap() any { return c.Mailbox }

func (c *controlled) SetFlags(ctx context.Context, changes []store.FlagChange, done func(int, error)) error {
	var late []func()
	err := c.Mailbox.SetFlags(ctx, changes, func(i int, err error) {
		c.steps.operation()
		if !c.async {
			done(i, err)
			return
		}
		late = append(late, func() { done(i, err) })
	})
	for _, f := range late {
		f()
	}
	return err
}

func (c *controlled) Remove(ctx context.Context, req store.RemoveRequest) error {
	err := c.Mailbox.Remove(ctx, req)
	if err == nil {
		c.steps.operation()
	}
	return err
}

// Trash implements store.Trasher for mailboxes that are one.
func (c *controlled) Trash(ctx context.Context, uids []mail.UID, trash string, done func(int, error)) error {
	tr, ok := store.As[store.Trasher](c.Mailbox)
	if !ok {
		return errNoTrash
	}
	return tr.Trash(ctx, uids, trash, func(i int, err error) {
		c.steps.operation()
		done(i, err)
	})
}

func (c *controlled) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	a := &lateAppender{done: done}
	var err error
	a.Appender, err = c.Mailbox.Append(ctx, func(r store.AppendResult) {
		c.steps.operation()
		if !c.async {
			done(r)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.late = append(a.late, r)
	})
	return a, err
}

// lateAppender reports completions late.
type lateAppender struct {
	store.Appender
	done func(store.AppendResult)

	mu   sync.Mutex
	late []store.AppendResult
}

// tell reports all completions except the last keep ones.
func (a *lateAppender) tell(keep int) {
	a.mu.Lock()
	n := max(0, len(a.late)-keep)
	now := a.late[:n:n]
	a.late = a.late[n:]
	a.mu.Unlock()
	for _, r := range now {
		a.done(r)
	}
}

func (a *lateAppender) Put(ctx context.Context, m *store.Outgoing) error {
	err := a.Appender.Put(ctx, m)
	a.tell(lateBy)
	return err
}

func (a *lateAppender) Finish(ctx context.Context) error {
	err := a.Appender.Finish(ctx)
	a.tell(0)
	return err
}

var errNoTrash = errors.New("this store has no trash")

// keep writes the new state beside the old one instead of committing it.
func (j *journal) keep() error {
	if err := j.flush(); err != nil || j.file == nil && j.end == 0 {
		return err
	}
	if err := j.files.writeNew(j.state); err != nil {
		return fmt.Errorf("keeping the journal: %w", err)
	}
	return nil
}
