// Package engine synchronizes one pair of mailboxes: it opens them, lists what
// the plan needs, carries the plan out and commits the new state.
//
// It owns the state file, its lock and its journal (docs/format.md). It journals
// each change of the state before or right after it is made, in an order that
// lets the next run continue after an interruption at any point:
//
//   - the temporary id of a copy is journaled, and flushed to disk, before the
//     copy is made; the UID of the copy only after the store has confirmed it;
//   - flags are journaled after they were set, since setting them again does
//     no harm;
//   - messages are expunged only after everything else is done, and the new
//     state is written after that.
//
// During execution, session.mu is held for all access to the state, the journal and the
// listings, since both directions run at the same time.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// Presence says whether a mailbox is known to exist before it is opened.
type Presence int8

// The values of Presence.
const (
	Unknown Presence = iota // to be found out by opening it
	Present                 // it was listed
	Absent                  // it was not listed
)

// Peek says for which pairs a dry run ends without listing messages.
type Peek int8

// The values of Peek.
const (
	PeekNone Peek = iota
	PeekNew       // those that were never synchronized
	PeekAll
)

// Pair is a pair of mailboxes, and how to synchronize it. Index 0 is the far side, index 1
// the near side.
type Pair struct {
	Channel string
	// Name is that of the pair, as event.Pair has it.
	Name  string
	Store [2]store.Store
	Box   [2]string // canonical names
	Known [2]Presence
	// Create and Remove say whether a mailbox may be created, or deleted, on
	// the side.
	Create, Remove [2]bool
	Rules          plan.Rules
	// Deletions says how deletions are propagated (plan.Deletions).
	Deletions  plan.Deletions
	ExpireSide syncstate.Side
	TrashBox   [2]string
	// Adopt says what to do with messages that both sides have, if there is no state.
	Adopt Adopt
	// Use is the special use by which the mailbox of a side was found, such as Sent; "": it
	// was found by its name. Exists reports whether the server has a mailbox of a name; it is
	// needed for sides with Use.
	Use    [2]string
	Exists [2]func(box string) bool
	// KeepBoxes: no mailbox is removed unless deletions are allowed, because so many
	// mailboxes of the channel are gone that it may be a mistake.
	KeepBoxes bool
	// CopyArrivalDate: copies keep the date of arrival.
	CopyArrivalDate bool

	// StatePath is the path of the state file.
	StatePath string
	FS        vfs.FS
	// FSync: state and journal are flushed to disk where it matters.
	FSync bool
	// LogImplied: journal also what the commit implies (a test control).
	LogImplied bool
	// Controls are for tests; nil: none.
	Controls *Controls
	// DryRun: decide, but change nothing.
	DryRun bool
	// Peek says for which pairs a dry run ends as soon as it is known that both mailboxes
	// can be synchronized: no messages are listed then.
	Peek Peek
	// Preview: describe in a dry run what would be done to each message.
	Preview bool
	// Explain: the reasons of all changes are reported as event.Trace.
	Explain bool
	// Details: what happens to each message is reported as event.MessageChanged.
	Details bool
	// BufferLimit bounds the bytes of message bodies held in memory where they
	// cannot be streamed; 0: a default.
	BufferLimit int64
	// LateWait is the pause before a server is searched again for copies that an
	// interrupted run has sent; 0: it is searched once.
	LateWait time.Duration
	// TUIDs yields the random bits of temporary ids.
	TUIDs io.Reader
	// Unchanged, if not nil, reports whether an earlier run with the same fingerprint had
	// nothing to do. If so, this run does nothing. It is called before anything is read. See
	// Fingerprint.
	Unchanged func(fingerprint string) bool
	// MayBeUnchanged: Unchanged will probably return true. Otherwise, work that takes time
	// begins before Unchanged can be called, while the stores are connecting.
	MayBeUnchanged bool
	// Claim, if not nil, says that the pair has no sessions yet (store.Pipelined). It waits
	// until it has, and may be called more than once, from any goroutine.
	Claim func(ctx context.Context) error
	// Attempts, if not nil, is common to all calls for the pair in a run.
	Attempts *Attempts
	// Events, if not nil, receives the events of the pair. It may be called from
	// several goroutines, but never concurrently.
	Events event.Sink
}

// Result is the result of a run.
type Result struct {
	event.Outcome
	// Again is the number of messages that were refused for a reason that may pass, and are
	// to be tried again in this run. They are not reported yet. AgainErr is one of the
	// reasons.
	Again    int
	AgainErr error
	// Learned: the next call will make progress, although nothing has changed: more messages
	// are listed, or a message was tried alone and the connection was lost.
	Learned bool
	// Fingerprint is not empty if there was nothing to do and nothing to report. A run over a
	// pair with the same fingerprint has nothing to do either.
	Fingerprint string
	// Gone is not nil if one mailbox does not exist any more, and the other one is kept. It
	// is also the error, unless the other mailbox would be removed if it was empty.
	Gone *GoneError
	// Plan is what would be done, and Closing what would be trashed and
	// expunged then; only in a dry run.
	Plan    *plan.Plan
	Closing *plan.Closing
}

// ErrBoxMissing says that a mailbox of the pair does not exist and may not be
// created (or the other one removed).
var ErrBoxMissing = errors.New("mailbox does not exist")

// session is a run over a pair.
type session struct {
	*Pair
	caps  [2]store.Caps
	boxes [2]store.Mailbox // nil: absent, in a dry run
	// oldValidity returns the UIDVALIDITYs in the state before the state is loaded.
	oldValidity func(t syncstate.Side) uint32
	// pipelined says how mailboxes are opened in a pipeline.
	pipelined [2]*store.Pipelined

	reporting sync.Mutex // held while an event is reported

	mu      sync.Mutex // guards what follows during execution
	state   *syncstate.State
	journal *journal
	found   [2]plan.Box // kept up to date while flags change
	plan    *plan.Plan
	// deletions says what is done about deletions: it is that of the pair, or of an
	// interrupted run that is continued.
	deletions plan.Deletions
	// unlimited: MaxDelete does not apply, since a store says that its mailbox is for trash
	// or junk mail.
	unlimited bool
	// recreate: a mailbox that was synchronized before is created again.
	recreate bool
	// returned are messages that were moved away and back (plan.Input.Returned).
	returned [2]map[mail.UID]plan.Returned
	result   Result
	// fingerprint is the fingerprint of the pair at the beginning. told: something was
	// reported, replayed or tried.
	fingerprint string
	told        bool
	// acted: the plan changed the state.
	acted bool
	// disowned, if not nil, is the state on the disk. It is not used.
	disowned *disowned
	// toAdopt are listings for adoptMail, if they were made instead of those for the plan.
	toAdopt *[2]*store.Listing
	// compared: there was no state, so this run has compared all messages of both sides.
	// adopted: some of them are the same, or may be the same.
	compared, adopted bool
	// notes are the notes of the pair; noted is the contents of their file.
	notes *syncstate.Notes
	noted []byte
	// before are the messages that were held before this run.
	before [2]mail.UIDSet
	// refused are messages that could not be copied in this run; suspected are those
	// that were being copied when a connection was lost; sent are records whose message
	// was passed to the target.
	refused   []refusal
	isRefused map[*syncstate.Record]bool
	suspected []mail.UID
	sent      map[*syncstate.Record]bool
	// isStored are records whose message the target reported as stored, without its UID.
	isStored map[*syncstate.Record]bool
	// about describes the messages that are being copied, by side and UID.
	about [2]map[mail.UID]syncstate.About
	// full is the reason why a side has no room for more messages.
	full [2]error
}

// checkBoxes fails if a mailbox or the state was removed or replaced: the results of
// the run must then not be saved. It is not called if there is nothing to save.
func (s *session) checkBoxes(ctx context.Context) error {
	s.mu.Lock()
	dirty := s.journal.dirty || s.journal.end != 0
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	for _, t := range syncstate.Sides {
		if c, ok := store.As[store.Checker](s.boxes[t]); ok {
			if err := c.Check(ctx); err != nil {
				return s.where(t, "checking whether the mailbox still exists", err)
			}
		}
	}
	return s.journal.files.stillLocked()
}

// recall passes the UIDs that the state still pairs to mailboxes that keep the UIDs
// of missing messages.
func (s *session) recall(ctx context.Context) error {
	for _, t := range syncstate.Sides {
		if err := s.recallPairs(ctx, t, s.boxes[t]); err != nil {
			return s.where(t, "checking missing messages", err)
		}
	}
	return nil
}

// recallPairs is recall for side t.
func (s *session) recallPairs(ctx context.Context, t syncstate.Side, box store.Mailbox) error {
	r, ok := store.As[store.Recaller](box)
	if !ok {
		return nil
	}
	return r.Recall(ctx, func() store.Paired {
		var uids, recorded []mail.UID
		paired := store.Paired{Upto: s.state.MaxUID[t]}
		// Messages that have expired for good have no records.
		if t == s.state.ExpireSide {
			paired.Expired = s.Rules.MaxMessages > 0 || s.state.MaxExpired > 0
		}
		for rec := range s.state.Live() {
			u := rec.UID[t]
			if u == 0 {
				paired.Expired = paired.Expired || rec.Has(syncstate.Expired)
				continue
			}
			recorded = append(recorded, u)
			if rec.Paired() || rec.Has(syncstate.Pending) {
				uids = append(uids, u)
			}
		}
		paired.UIDs, paired.Recorded = mail.NewUIDSet(uids...), mail.NewUIDSet(recorded...)
		paired.Recorded.AddSet(s.held()[t])
		paired.Recorded.AddSet(s.skipped()[t])
		if t == s.state.KeepSide() && s.state.MaxExpired > 0 {
			paired.Recorded.AddRange(1, s.state.MaxExpired)
		}
		if s.journal != nil {
			paired.At = s.journal.files.writtenAt()
		}
		return paired
	})
}

// remember lets the stores save their data about the mailboxes, now that all changes that
// were found are processed.
func (s *session) remember(ctx context.Context) {
	for _, b := range s.boxes {
		if r, ok := store.As[store.Rememberer](b); ok {
			r.Remember(ctx)
		}
	}
}

func (s *session) input() plan.Input {
	in := plan.Input{State: s.state, Rules: s.Rules, Box: s.found, Deletions: s.deletions, Explain: s.Explain}
	if s.unlimited {
		in.Rules.MaxDelete = plan.Limit{}
	}
	if s.notes != nil {
		in.HeldOf = s.notes.HeldOf
	}
	if s.plan != nil {
		in.Keep = s.plan.Keep
	}
	if s.DryRun || s.Controls != nil {
		in.Retry = s.held() // so that the preview includes them
	} else {
		in.Held = s.held()
	}
	in.Skipped = s.skipped()
	s.addAmbiguous(&in.Retry)
	in.Whole = s.whole()
	in.Returned = s.returned
	return in
}

// explain reports the reasons of decisions.
func (s *session) explain(reasons []plan.Reason) {
	for _, r := range reasons {
		s.debug(r.String())
	}
}

// close closes the mailboxes and releases the state.
func (s *session) close(ctx context.Context) error {
	var errs []error
	for _, b := range s.boxes {
		if b != nil {
			errs = append(errs, b.Close(ctx))
		}
	}
	if s.journal != nil {
		errs = append(errs, s.journal.close())
	}
	return errors.Join(errs...)
}

// load lists both mailboxes at the same time.
func (s *session) load(ctx context.Context) error {
	if err := s.loadToAdopt(ctx); s.toAdopt != nil || err != nil {
		return err
	}
	loads := plan.Loads(s.state, s.Rules)
	if s.deletions == plan.Restored {
		loads = plan.LoadAll(s.Rules)
	}
	return both(func(t syncstate.Side) error {
		l := s.withHeld(loads[t], t)
		s.found[t].Loaded = l.UIDs
		if s.boxes[t] == nil { // it would be created
			s.found[t].Flags = mail.AllFlags
			return nil
		}
		s.found[t].Flags = s.boxes[t].Info().Flags
		if l.UIDs.Empty() {
			return nil
		}
		list, err := s.boxes[t].Scan(ctx, store.Need{
			UIDs: l.UIDs, Flags: l.Flags, SizesFrom: l.SizesFrom, Recorded: s.recorded(t),
		})
		if err != nil {
			return s.where(t, "listing messages", err)
		}
		s.found[t].Messages = list.Messages
		s.emit(event.Listed{Pair: s.pairName(), Side: t, Count: len(list.Messages)}, false)
		return nil
	})
}

// recorded yields the recorded messages of side t and the flags that were last synchronized.
func (s *session) recorded(t syncstate.Side) func(yield func(mail.UID, mail.Flags) bool) {
	return func(yield func(mail.UID, mail.Flags) bool) {
		for r := range s.state.Live() {
			if r.UID[t] != 0 && !yield(r.UID[t], r.Flags) {
				return
			}
		}
	}
}

// withHeld adds the held and the skipped messages to the listing.
func (s *session) withHeld(l plan.Load, t syncstate.Side) plan.Load {
	o := t.Other()
	held := s.held()[t]
	if skipped := s.skipped()[t]; !l.UIDs.Empty() && !skipped.Empty() {
		l.UIDs = slices.Clone(l.UIDs)
		l.UIDs.AddSet(skipped) // so that they are forgotten once they are gone
	}
	if ops := s.Rules.Ops[o]; !ops.New && !ops.Upgrade {
		return l
	} else if !ops.New {
		held = s.whole()[t]
	}
	if more := s.ambiguous()[t]; !more.Empty() {
		held = slices.Clone(held)
		held.AddSet(more)
	}
	if held.Empty() {
		return l
	}
	l.UIDs = slices.Clone(l.UIDs)
	l.UIDs.AddSet(held)
	l.Flags = true
	if first := held[0].First; s.Rules.MaxSize[o] > 0 && (l.SizesFrom == 0 || l.SizesFrom > first) {
		l.SizesFrom = first
	}
	return l
}

// both runs f for both sides at the same time and joins the errors.
func both(f func(t syncstate.Side) error) error {
	var errs [2]error
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		errs[syncstate.Far] = f(syncstate.Far)
	}()
	errs[syncstate.Near] = f(syncstate.Near)
	wg.Wait()
	return joinErrors(errs[:]...)
}

// joinErrors joins errors. A single error is returned as it is. If a store has failed, all
// operations in it fail, so only the first error of each store is kept.
func joinErrors(errs ...error) error {
	var kept []error
	var failed []string // stores
	add := func(e error) {
		var se *store.StoreError
		if errors.As(e, &se) {
			if slices.Contains(failed, se.Store) {
				return
			}
			failed = append(failed, se.Store)
		}
		kept = append(kept, e)
	}
	for _, e := range errs {
		if e == nil {
			continue
		}
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				add(e)
			}
			continue
		}
		add(e)
	}
	if len(kept) == 1 {
		return kept[0]
	}
	return errors.Join(kept...)
}

// where adds to an error of a store what was being done, unless the error itself contains
// the place.
func (s *session) where(t syncstate.Side, doing string, err error) error {
	var se *store.StoreError
	var be *store.BoxError
	if errors.As(err, &se) || errors.As(err, &be) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, &store.BoxError{Store: s.Store[t].Name(), Box: s.Box[t], Err: err})
}
