package engine

import (
	"context"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// Sync synchronizes the pair: it calls Prepare and Execute. The result is valid even if
// there is an error: it contains what was done before. Errors are *store.StoreError if
// a store cannot be used any more; others concern this pair only. If it is interrupted
// by ctx, or the program is killed, the next run completes the work.
func Sync(ctx context.Context, p *Pair) (Result, error) {
	prepared, err := Prepare(ctx, p)
	if err != nil {
		return prepared.Result(), err
	}
	return prepared.Execute(ctx)
}

// Prepared is a pair with its plan. It holds the lock of the state and a session of
// each store until Execute or Release is called. One of these must be called. It must
// be used by one goroutine at a time.
type Prepared struct {
	pair *Pair
	s    *session // nil after Release
	// done: nothing is left to do, without a plan.
	done bool
	// result is what was done before s.
	result Result
}

// Prepare opens both mailboxes, completes an interrupted run, lists the messages and
// makes the plan. If the pair allows it, it creates a missing mailbox, or removes the
// other one. It changes no message.
//
// In a dry run, the result also contains what Execute would do.
//
// If there is an error, only Result may be called, and nothing is held.
func Prepare(ctx context.Context, p *Pair) (*Prepared, error) {
	prepared := &Prepared{pair: p}
	err := prepared.prepare(ctx)
	return prepared, err
}

func (p *Prepared) prepare(ctx context.Context) error {
	p.s = newSession(p.pair)
	var err error
	if p.done, err = p.s.prepare(ctx); err != nil {
		_ = p.Release(ctx)
	}
	return err
}

// Plan returns the plan; nil if there is none because nothing is to be done, for
// example because the pair is known to be unchanged.
func (p *Prepared) Plan() *plan.Plan {
	if p.s == nil {
		return nil
	}
	return p.s.plan
}

// Result returns what was done so far, and in a dry run what would be done.
func (p *Prepared) Result() Result {
	if p.s == nil {
		return p.result
	}
	r := p.s.result
	if !p.pair.DryRun {
		for t := range r.Counts {
			r.Counts[t].Add(p.result.Counts[t])
			r.Bytes[t] += p.result.Bytes[t]
		}
		r.Failed += p.result.Failed
		r.Again += p.result.Again
		r.Problems += p.result.Problems
	}
	return r
}

// Execute carries out the plan, saves the state and closes the pair. After Release, it
// prepares the pair again, so that the plan never depends on something that was
// observed before the lock was taken.
func (p *Prepared) Execute(ctx context.Context) (Result, error) {
	if p.s == nil {
		if err := p.prepare(ctx); err != nil {
			return p.Result(), err
		}
	}
	var err error
	if !p.done && !p.pair.DryRun {
		err = p.s.carryOut(ctx)
	}
	if err == nil && !p.pair.DryRun {
		p.s.noteMarks()
	}
	if cerr := p.Release(ctx); err == nil {
		err = cerr
	}
	return p.Result(), err
}

// noteMarks notes the marks of the mailboxes at the end of a run.
func (s *session) noteMarks() {
	for t, b := range s.boxes {
		if b == nil {
			continue
		}
		if b, ok := store.As[store.Settler](b); ok {
			s.result.Marks[t] = b.SettledMark()
		}
	}
}

// Release gives back the sessions and the lock. It is for pairs that wait for other
// pairs or for a decision, or that are not to be executed. It changes nothing, and may
// be called more than once.
func (p *Prepared) Release(ctx context.Context) error {
	if p.s == nil {
		return nil
	}
	if p.pair.Attempts != nil {
		p.pair.Attempts.remember(p.s)
	}
	p.result = p.Result()
	// The mailboxes must be closed even if the context is canceled.
	err := p.s.close(context.WithoutCancel(ctx))
	p.s = nil
	return err
}

func newSession(p *Pair) *session {
	if p.Attempts != nil {
		p.Attempts.begin()
	}
	return &session{
		Pair: p, deletions: p.Deletions, sent: make(map[*syncstate.Record]bool),
		isRefused: make(map[*syncstate.Record]bool), isStored: make(map[*syncstate.Record]bool),
		about: [2]map[mail.UID]syncstate.About{{}, {}},
	}
}

// prepare does everything up to the plan. done: there is none, and nothing to do.
func (s *session) prepare(ctx context.Context) (done bool, err error) {
	done, err = s.open(ctx)
	if done || err != nil {
		return done, err
	}
	s.spareOwnTrash()
	if err := s.loadNotes(); err != nil {
		return false, err
	}
	if err := s.checkUses(ctx); err != nil {
		return false, err
	}
	if err := s.recall(ctx); err != nil {
		return false, err
	}
	if err := s.beginRestoring(); err != nil {
		return false, err
	}
	if err := s.checkUIDs(ctx); err != nil {
		return false, err
	}
	if s.DryRun && (s.Peek == PeekAll || s.Peek == PeekNew && !s.result.HasState) {
		return true, nil
	}
	if err := s.resume(ctx); err != nil {
		return false, err
	}
	if err := s.load(ctx); err != nil {
		return false, err
	}
	if err := s.adoptMail(ctx); err != nil {
		return false, err
	}
	if err := s.claimLate(ctx); err != nil {
		return false, err
	}
	s.forgetHeld()
	s.forgetAmbiguous()
	if err := s.copyAmbiguous(); err != nil {
		return false, err
	}
	if err := s.matchNew(ctx); err != nil {
		return false, err
	}
	if err := s.makePlan(ctx); err != nil {
		return false, err
	}
	for _, n := range s.plan.Notices {
		s.tell(event.Notice, n)
	}
	s.explain(s.plan.Reasons)
	if s.plan.Halt != nil {
		return false, s.plan.Halt
	}
	if err := s.tellExcess(); err != nil {
		return false, err
	}
	if !s.DryRun {
		return false, nil
	}
	s.foresee()
	if s.Preview {
		err = s.preview(ctx)
	}
	return false, err
}

// carryOut carries out the plan and saves the state.
func (s *session) carryOut(ctx context.Context) error {
	if err := s.execute(ctx); err != nil {
		return joinErrors(err, s.holdRefused())
	}
	if err := s.checkBoxes(ctx); err != nil {
		return err
	}
	expunged, err := s.finish(ctx)
	if err == nil && s.full != [2]error{} {
		err = s.copyAfterRoom(ctx, expunged)
	}
	if err != nil {
		return joinErrors(err, s.holdRefused())
	}
	if err := s.settleRefused(); err != nil {
		return err
	}
	if err := s.checkBoxes(ctx); err != nil {
		return err
	}
	if err := s.commit(expunged); err != nil {
		return err
	}
	if err := s.endRestoring(); err != nil {
		return err
	}
	if err := s.retry(ctx); err != nil {
		return joinErrors(err, s.saveNotes())
	}
	s.remember(ctx)
	s.result.Fingerprint = s.finalFingerprint()
	return nil
}
