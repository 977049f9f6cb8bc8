package engine

import (
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// foresee makes the result of a dry run: what the plan would change, and what would be
// trashed and expunged then. It changes only the state and the listings in memory.
func (s *session) foresee() {
	s.result.Plan = s.plan
	splits := make(map[*syncstate.Record]*syncstate.Record)
	for _, l := range s.plan.Log {
		e := syncstate.Entry{Op: l.Op, N: [4]uint32{uint32(l.Rec.UID[0]), uint32(l.Rec.UID[1])}}
		copy(e.N[2:], l.Arg[:])
		got := s.state.Apply(l.Rec, e)
		if l.Op == syncstate.OpUpgrade {
			splits[s.plan.Splits[l.Rec]] = got
		}
	}
	s.adoptSplits(splits)
	for _, t := range syncstate.Sides {
		counts := &s.result.Counts[t]
		counts.New = len(s.plan.Copies[t])
		for i := range s.plan.Flags[t] {
			c := &s.plan.Flags[t][i]
			if c.Add|c.Del != 0 {
				counts.Flags++
			}
			if m := mail.FindMeta(s.found[t].Messages, c.UID); m >= 0 {
				f := &s.found[t].Messages[m].Flags
				*f = (*f | c.Add) &^ c.Del
			}
			if c.Orphan {
				c.Rec.UID[t.Other()] = 0
			}
			if c.Expire {
				c.Rec.Status = c.Status
			}
		}
	}
	c := plan.Close(s.input())
	s.result.Closing = c
	s.explain(c.Reasons)
	for _, t := range syncstate.Sides {
		s.result.Counts[t].Trashed = len(c.Trash[t]) + len(c.RemoteTrash[t])
		s.result.Counts[t].Expunged = int(c.Expunge[t].Len())
	}
}
