package plan

import (
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// With Restored, a record whose message one side has lost is replaced by the record of
// a copy to that side. The new record is journaled before the old one is dropped, so that
// the journal never lacks a record of the message. If the run is interrupted in between,
// the next one drops one of them (settleClashes).

// clash is two records that have the same message; b is the later one.
type clash struct{ a, b int32 }

// settleClashes drops one of two records that have the same message, if an interrupted
// run was about to replace one by the other. The later record stays, unless the
// counterpart in the earlier one exists again and nothing was copied yet.
func (p *planner) settleClashes() {
	for _, t := range syncstate.Sides {
		for _, c := range p.clashes[t] {
			p.settle(t, c)
		}
	}
}

func (p *planner) settle(t syncstate.Side, c clash) {
	s := t.Other()
	b, wb := p.recs[c.b], &p.works[c.b]
	if b.Purge || b.Upgrading || wb.bits&bitDropped != 0 {
		return
	}
	unsent := b.Has(syncstate.Pending) && b.UID[s] == 0 && b.TUID.IsZero()
	if c.a == resting {
		if unsent {
			p.drop(int(c.b), "the counterpart exists again")
			wb.msg[t] = -1
		}
		return
	}
	a, wa := p.recs[c.a], &p.works[c.a]
	if !a.Paired() || a.Purge || a.Upgrading || a.Has(syncstate.Pending) || a.UID == b.UID || wa.bits&bitDropped != 0 {
		return
	}
	switch {
	case p.missing(a, wa, s) && (unsent || b.Paired()):
		p.drop(int(c.a), "replaced by another record")
		p.owner[t][wb.msg[t]] = c.b
	case unsent:
		p.drop(int(c.b), "the counterpart exists again")
		wb.msg[t] = -1
	}
}

// restorable reports whether the message of side t can be copied again to the other side,
// which has lost it.
func (p *planner) restorable(t syncstate.Side, r *syncstate.Record, w *work) bool {
	m := p.meta(w, t)
	return m != nil && !m.Flags.Has(mail.FlagDeleted) && !r.Has(syncstate.PlaceholderOn(t))
}

// restore replaces the record of a message that side s has lost.
func (p *planner) restore(s syncstate.Side, i int) {
	t := s.Other()
	r := p.recs[i]
	if !p.restorable(t, r, &p.works[i]) {
		if p.Explain {
			p.explain(r.UID, "gone from the %s side; not restored, since it is a placeholder on the %s side, or marked as deleted there", s, t)
		}
		return
	}
	p.restores = append(p.restores, restoring{s, i})
}

// restoring is a record whose message is to be copied again to a side.
type restoring struct {
	to  syncstate.Side
	rec int
}

// makeRestores makes the records of the copies.
func (p *planner) makeRestores() {
	for _, q := range p.restores {
		s, t := q.to, q.to.Other()
		old, wold := p.recs[q.rec], &p.works[q.rec]
		j := wold.msg[t]
		r := &syncstate.Record{Status: syncstate.Pending}
		r.UID[t] = old.UID[t]
		w := work{msg: [2]int32{-1, -1}, status: syncstate.Pending, bits: bitCopy, to: s}
		w.msg[t] = j
		if back := p.Returned[s][old.UID[t]]; back.UID != 0 {
			p.pairReturned(s, r, &w, back, old)
		} else {
			p.log(syncstate.OpAdd, r, "")
			if p.Explain {
				p.explain(old.UID, "gone from the %s side: to be copied again", s)
			}
			if old.Has(syncstate.PlaceholderOn(s)) {
				w.status |= syncstate.PlaceholderOn(s)
				p.log(syncstate.OpPlaceholder, r, "it was a placeholder there")
			}
		}
		p.drop(q.rec, "replaced by another record")
		p.recs, p.works = append(p.recs, r), append(p.works, w)
		p.owner[t][j] = int32(len(p.recs) - 1)
		if k := w.msg[s]; k >= 0 {
			p.owner[s][k] = int32(len(p.recs) - 1)
		}
	}
}

// pairReturned makes a record for a message that is on side s again, with another UID.
func (p *planner) pairReturned(s syncstate.Side, r *syncstate.Record, w *work, back Returned, old *syncstate.Record) {
	r.UID[s] = back.UID
	w.msg[s], w.bits = int32(mail.FindMeta(p.Box[s].Messages, back.UID)), 0
	p.log(syncstate.OpAdd, r, "")
	if p.Explain {
		p.explain(r.UID, "the %s side has lost UID %d, but has the same message again", s, old.UID[s])
	}
	w.status |= back.Placeholder
	p.completePair(r, w)
}

// completePair completes the record of two messages that are the same. Flags that differ
// are propagated by the next run, as if they had been set since then; but a mark of
// deletion is not.
func (p *planner) completePair(r *syncstate.Record, w *work) {
	far, near := p.meta(w, syncstate.Far), p.meta(w, syncstate.Near)
	if far == nil || near == nil {
		return
	}
	p.log(syncstate.OpFlags, r, "paired", uint32(far.Flags&near.Flags|(far.Flags|near.Flags)&mail.FlagDeleted))
	w.status &^= syncstate.Pending
	p.log(syncstate.OpStatus, r, "paired", uint32(w.status))
}

// unmark removes marks of deletion from a message that has one on one side only, since
// the last run.
func (p *planner) unmark(r *syncstate.Record, w *work) {
	if r.Flags.Has(mail.FlagDeleted) || w.msg[0] < 0 || w.msg[1] < 0 || p.isMarked(w, syncstate.Far) == p.isMarked(w, syncstate.Near) {
		return
	}
	s := syncstate.Far
	if p.isMarked(w, syncstate.Near) {
		s = syncstate.Near
	}
	if s == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired) {
		return // our mark, not the user's
	}
	w.del[s] |= mail.FlagDeleted
}

// Lost returns the paired messages of each side whose counterparts the other side has lost, and
// the new messages of each side. A message that was moved away and back is in both sets: the
// engine pairs it (Input.Returned).
func Lost(in Input) (lost, fresh [2]mail.UIDSet) {
	p := &planner{Input: in}
	p.match(expirationRuns(in.State, in.Rules))
	for i, r := range p.recs {
		w := &p.works[i]
		if !r.Paired() || r.Purge || r.Upgrading || r.Has(syncstate.Pending) {
			continue
		}
		for _, s := range syncstate.Sides {
			expired := s == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired)
			if p.missing(r, w, s) && !expired && p.restorable(s.Other(), r, w) {
				lost[s.Other()].Add(r.UID[s.Other()])
			}
		}
	}
	for _, s := range syncstate.Sides {
		for j, m := range p.Box[s].Messages {
			if p.owner[s][j] == unowned && m.UID > p.State.MaxUID[s] && !m.Flags.Has(mail.FlagDeleted) {
				fresh[s].Add(m.UID)
			}
		}
	}
	return lost, fresh
}

// LoadAll returns the listing that is needed of each side if deletions are undone.
func LoadAll(r Rules) (out [2]Load) {
	for _, t := range syncstate.Sides {
		out[t] = Load{UIDs: mail.UIDsFrom(1), Flags: true}
		if r.MaxSize[t.Other()] > 0 {
			out[t].SizesFrom = 1
		}
	}
	return out
}
