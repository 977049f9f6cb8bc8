package engine

import (
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// A pair with Claim is opened in a pipeline (store.Pipelined): it holds no sessions until
// they are needed, so many pairs can be prepared at the same time. Each of them takes its
// lock and reads its state before its mailboxes are opened, as every pair does.

// planPipeline determines from the locked state what the mailboxes are going to list.
func (s *session) planPipeline(state func() (loaded, error)) {
	if s.Claim == nil || state == nil {
		return
	}
	l, err := state()
	if err != nil || l.lost || l.torn != nil || s.Deletions == plan.Restored {
		return
	}
	loads := plan.Loads(l.state, s.Rules)
	for _, t := range syncstate.Sides {
		p := &store.Pipelined{New: l.state.MaxUID[t] + 1, Last: l.state.MaxUID[t]}
		for r := range l.state.Live() {
			if u := r.UID[t]; u > 0 {
				p.Messages++
				p.Last = max(p.Last, u)
			}
		}
		if load := loads[t]; !load.UIDs.Empty() {
			p.Scan = &store.Need{UIDs: load.UIDs, Flags: load.Flags, SizesFrom: load.SizesFrom}
		}
		s.pipelined[t] = p
	}
}

// pipelinedOpen returns how the mailbox of side t is opened; nil: in the usual way.
func (s *session) pipelinedOpen(t syncstate.Side) *store.Pipelined {
	if s.Claim == nil {
		return nil
	}
	p := s.pipelined[t]
	if p == nil {
		p = new(store.Pipelined)
	}
	p.Claim = s.Claim
	return p
}
