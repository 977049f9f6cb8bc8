package plan

import (
	"slices"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Closing says what is to be removed at the end of a run.
type Closing struct {
	// Trash are the messages of each side to be copied to the trash of the same store
	// first.
	Trash [2][]mail.UID
	// RemoteTrash are the messages of each side to be copied to the trash of the other store
	// first.
	RemoteTrash [2][]mail.UID
	// Expunge are the messages to be removed from each side.
	Expunge [2]mail.UIDSet
	// Keep are messages of each side that are marked as deleted and must not be removed.
	Keep [2]mail.UIDSet
	// Reasons are the reasons of the decisions, as in a Plan.
	Reasons []Reason
}

// Close decides which messages to trash and expunge. It takes the input of Make after the plan
// was carried out: the records of the state and the flags in the listings are up to date. No new
// listings are needed.
func Close(in Input) *Closing {
	p := &planner{Input: in}
	var c Closing
	if !p.anyDoomed() {
		return &c
	}
	p.match(false)
	for _, t := range syncstate.Sides {
		ops := in.Rules.Ops[t]
		if !ops.Expunges() {
			continue
		}
		for j, m := range in.Box[t].Messages {
			if !m.Flags.Has(mail.FlagDeleted) {
				continue
			}
			var r *syncstate.Record
			var w *work
			if i := p.owner[t][j]; i >= 0 {
				r, w = p.recs[i], &p.works[i]
			}
			if p.keptBy(t, r, w) {
				c.Keep[t].Add(m.UID)
				p.closing(t, m.UID, "marked as deleted, but not expunged, since the deletion is not propagated")
				continue
			}
			if !ops.Expunge && !p.solo(t, r, w) {
				p.closing(t, m.UID, "marked as deleted, but not expunged: it has a counterpart (ExpungeSolo)")
				continue
			}
			c.Expunge[t].Add(m.UID)
			if in.State.Trashed[t].Contains(m.UID) {
				p.closing(t, m.UID, "marked as deleted: expunged, being in the trash already")
				continue
			}
			if p.untrashable(t, r, w) {
				p.closing(t, m.UID, "marked as deleted: expunged, without trash, since the other side has it")
				continue
			}
			switch tr := in.Rules.Trash; {
			case tr[t].Enabled && (!tr[t].OnlyNew || neverPropagated(t, r)):
				c.Trash[t] = append(c.Trash[t], m.UID)
				p.closing(t, m.UID, "marked as deleted: put into the trash, then expunged")
			case !tr[t].Enabled && tr[t.Other()].Enabled && tr[t.Other()].RemoteNew && neverPropagated(t, r):
				c.RemoteTrash[t] = append(c.RemoteTrash[t], m.UID)
				p.closing(t, m.UID, "marked as deleted: copied to the trash of the other side, which never had it, then expunged")
			default:
				p.closing(t, m.UID, "marked as deleted: expunged")
			}
		}
	}
	c.Reasons = p.out.Reasons
	return &c
}

// anyDoomed reports whether a message is marked as deleted on a side that expunges.
func (p *planner) anyDoomed() bool {
	for _, t := range syncstate.Sides {
		if p.Rules.Ops[t].Expunges() && slices.ContainsFunc(p.Box[t].Messages, func(m mail.Meta) bool { return m.Flags.Has(mail.FlagDeleted) }) {
			return true
		}
	}
	return false
}

// solo reports whether a message on side t that is marked deleted has no
// counterpart. r and w are nil if it has no record.
func (p *planner) solo(t syncstate.Side, r *syncstate.Record, w *work) bool {
	if r == nil {
		return true
	}
	o := t.Other()
	switch {
	case r.Has(syncstate.Pending):
		return false
	case r.Purge:
		return true
	case t == p.State.ExpireSide && r.Has(syncstate.Expired):
		return true
	case p.gone(r, w, o):
		return true
	}
	m := p.meta(w, o)
	return m != nil && m.Flags.Has(mail.FlagDeleted) && p.Rules.Ops[o].Expunge
}

// untrashable reports whether a message on side t is not copied to a trash: it still exists on
// the other side, or is a placeholder.
func (p *planner) untrashable(t syncstate.Side, r *syncstate.Record, w *work) bool {
	if r == nil {
		return false
	}
	return r.Purge || r.Has(syncstate.PlaceholderOn(t)) ||
		t == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired) && !p.gone(r, w, t.Other())
}

// gone is like missing, but for the end of a run: a copy of this run is not in the listing, and
// is not gone.
func (p *planner) gone(r *syncstate.Record, w *work, t syncstate.Side) bool {
	return !r.Assigned[t] && p.missing(r, w, t)
}

// neverPropagated reports whether the contents of a message on side t exist
// nowhere else.
func neverPropagated(t syncstate.Side, r *syncstate.Record) bool {
	return r == nil || r.Any(syncstate.PlaceholderOn(t.Other())|syncstate.Skipped|syncstate.Pending)
}

// Prune returns the changes of the records at the commit, after the messages in expunged were
// expunged on each side, and the reasons, as in a Plan. in is the input of Close, with the final
// MaxUIDs in the state.
func Prune(in Input, expunged [2]mail.UIDSet) ([]Logged, []Reason) {
	p := &planner{Input: in}
	st := in.State
	xt, ot := st.ExpireSide, st.KeepSide()
	none := expunged[0].Empty() && expunged[1].Empty()
	for i, r := range st.Records.All() {
		if r.Dead || none && r.Paired() {
			continue
		}
		gone := [2]bool{}
		for _, t := range syncstate.Sides {
			gone[t] = r.UID[t] == 0 || expunged[t].Contains(r.UID[t])
		}
		if !gone[0] && !gone[1] {
			continue
		}
		r := st.Records.Get(i)
		switch {
		case gone[0] && gone[1]:
			p.log(syncstate.OpDrop, r, "neither side has it any more")
		case gone[xt] && r.Has(syncstate.Expired) && r.UID[ot] <= st.MaxUID[ot] && r.UID[ot] <= st.MaxExpired:
			p.log(syncstate.OpDrop, r, "expired for good")
		default:
			s := syncstate.Far // the side that is gone
			if gone[syncstate.Near] {
				s = syncstate.Near
			}
			if r.UID[s] == 0 {
				continue
			}
			if s == xt && r.Has(syncstate.Expired) {
				p.log(syncstate.OpUID(s), r, "expired message was expunged", 0)
				continue
			}
			o := s.Other()
			if j := mail.FindMeta(in.Box[o].Messages, r.UID[o]); j >= 0 && in.Box[o].Messages[j].Flags.Has(mail.FlagDeleted) {
				p.log(syncstate.OpUID(s), r, "expunged, the counterpart is only marked deleted", 0)
			}
		}
	}
	return p.out.Log, p.out.Reasons
}
