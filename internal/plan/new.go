package plan

import (
	"slices"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// newMessages decides about the messages of side s that have no counterpart
// and raises the highest propagated UID of s.
func (p *planner) newMessages(s syncstate.Side) {
	p.expectNew(s)
	top := max(p.State.NewMaxUID[s], p.State.MaxUID[s])
	topping := true
	for j := range p.Box[s].Messages {
		m := &p.Box[s].Messages[j]
		i := p.owner[s][j]
		if i != unowned {
			switch {
			case i >= 0 && p.recs[i].Assigned[s]:
				// It is a copy of the interrupted run, which counted it when it was confirmed.
				if m.UID == top+1 {
					top = m.UID
				}
			case topping && m.UID > top:
				if topping = p.loadedUpTo(s, top, m.UID); topping {
					top = m.UID
				}
			}
			if i >= 0 {
				p.known(s, int(i), m)
			}
			continue
		}
		made := p.unknown(s, int32(j), m)
		switch {
		case made:
			top = max(top, m.UID)
		case s == p.State.KeepSide() && m.UID <= p.State.MaxExpired:
		default:
			topping = false
		}
	}
	p.out.MaxUID[s] = top
}

// expectNew allocates room for the messages of side s that may be new. In a first run, all
// messages are new, and growing slices would take twice the memory.
func (p *planner) expectNew(s syncstate.Side) {
	ops := p.Rules.Ops[s.Other()]
	n := 0
	for j, i := range p.owner[s] {
		known := p.Box[s].Messages[j].UID <= p.State.MaxUID[s] && !p.Retry[s].Contains(p.Box[s].Messages[j].UID)
		if i == unowned && (known && ops.Old || !known && ops.New) {
			n++
		}
	}
	p.recs, p.works = slices.Grow(p.recs, n), slices.Grow(p.works, n)
	p.out.Log = slices.Grow(p.out.Log, n)
}

// loadedUpTo reports whether no unknown message of side s can hide between two
// UIDs because it was not listed. Those that have expired do not matter.
func (p *planner) loadedUpTo(s syncstate.Side, from, to mail.UID) bool {
	if s == p.State.KeepSide() {
		from = max(from, p.State.MaxExpired)
	}
	if to <= from+1 {
		return true
	}
	return p.Box[s].Loaded.ContainsRange(from+1, to-1)
}

// unknown decides about a message without a record. It reports whether it has made a record.
func (p *planner) unknown(s syncstate.Side, j int32, m *mail.Meta) bool {
	ops := p.Rules.Ops[s.Other()]
	held, skipped := p.Held[s].Contains(m.UID), p.Skipped[s].Contains(m.UID)
	if held || skipped {
		why := "could not be %sed earlier: tried after all other messages"
		if skipped {
			why = "is skipped (--skip-failed): not %sed"
		}
		p.passOver(s, m, why)
		// Without New, the messages before it are not propagated either.
		return ops.New || m.UID <= p.State.MaxUID[s]
	}
	if m.UID <= p.State.MaxUID[s] && !p.Retry[s].Contains(m.UID) {
		if !ops.Old {
			p.passOver(s, m, "was not copied by earlier runs, and Old is not %sed")
			return false
		}
		if p.Rules.MaxMessages > 0 && s == p.State.KeepSide() && m.UID <= p.State.MaxExpired && !p.important(m.Flags) {
			p.passOver(s, m, "has expired on the other side: not %sed, since it is neither flagged nor unread")
			return false // it has expired, and nothing about it has changed
		}
	} else if !ops.New {
		p.passOver(s, m, "new, but not %sed (no New in Sync)")
		return false
	}
	r := &syncstate.Record{Status: syncstate.Pending}
	r.UID[s] = m.UID
	if p.doomed(m.Flags) {
		// It is journaled nevertheless: once the message is expunged, only the journal
		// contains its UID.
		p.log(syncstate.OpAdd, r, "new")
		p.log(syncstate.OpDrop, r, "new, but marked as deleted, and to be expunged anyway")
		return true
	}
	p.recs = append(p.recs, r)
	w := work{msg: [2]int32{-1, -1}, status: syncstate.Pending, bits: bitCopy, to: s.Other()}
	w.msg[s] = j
	p.owner[s][j] = int32(len(p.recs) - 1)
	p.log(syncstate.OpAdd, r, "new")
	p.limitSize(s, r, &w, m)
	p.works = append(p.works, w)
	return true
}

// known decides about a message with a record whose counterpart does not exist (yet).
func (p *planner) known(s syncstate.Side, i int, m *mail.Meta) {
	t := s.Other()
	r, w := p.recs[i], &p.works[i]
	if w.bits&(bitDropped|bitCopy) != 0 || r.UID[t] != 0 || r.Purge || r.Orphaned {
		return
	}
	ops := p.Rules.Ops[t]
	switch {
	case r.Upgrading && p.Skipped[s].Contains(m.UID):
		p.passOver(s, m, "was asked for, but is skipped (--skip-failed): not %sed")
		p.out.Postponed = append(p.out.Postponed, Copy{Rec: r, UID: m.UID})
		return
	case r.Has(syncstate.Pending) && p.Skipped[s].Contains(m.UID):
		p.drop(i, "was being copied when the user skipped it")
		return
	case r.Upgrading && p.Held[s].Contains(m.UID):
		p.passOver(s, m, "was asked for, but could not be %sed earlier: tried after all other messages")
		p.out.Postponed = append(p.out.Postponed, Copy{Rec: r, UID: m.UID})
		return
	case r.Has(syncstate.Pending) && p.Held[s].Contains(m.UID):
		p.drop(i, "was being copied when a connection was lost: tried after all other messages")
		return
	case r.Has(syncstate.Pending):
		if p.doomed(m.Flags) {
			p.abandon(s, i, r, w)
			return
		}
		p.passOver(s, m, "an earlier run did not complete it, so it is still to be %sed")
	case r.Has(syncstate.Skipped):
		if !ops.Upgrade || p.doomed(m.Flags) {
			p.passOver(s, m, "too big for an old version, and still not %sed (no Upgrade in Sync, or it is to be expunged)")
			return
		}
		w.status = syncstate.Pending | syncstate.PlaceholderOn(t)
		p.log(syncstate.OpPlaceholder, r, "skipped by an old version")
		w.bits |= bitCopy
		w.to = t
		return
	case ops.Old && t == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired) && p.important(m.Flags):
		if p.doomed(m.Flags) {
			return
		}
		w.status = w.status&^(syncstate.ExpireBegun|syncstate.Expired) | syncstate.Pending
		p.log(syncstate.OpStatus, r, "expired message is now flagged or unread", uint32(w.status))
	default:
		p.passOver(s, m, "has no counterpart any more, or could not be stored: not %sed again")
		return // it was there and is gone, or could not be stored
	}
	w.bits |= bitCopy
	w.to = t
	p.limitSize(s, r, w, m)
}

// abandon ends a pending copy of a message that would be expunged anyway.
func (p *planner) abandon(s syncstate.Side, i int, r *syncstate.Record, w *work) {
	if !r.Upgrading {
		p.drop(i, "not propagated yet, and now marked as deleted: to be expunged anyway")
		return
	}
	t := s.Other()
	w.status = w.status&^syncstate.Pending | syncstate.PlaceholderOn(t)
	p.log(syncstate.OpStatus, r, "upgrade of a message to be expunged is cancelled", uint32(w.status))
}

// limitSize turns the copy of a message that is too big into a placeholder.
func (p *planner) limitSize(s syncstate.Side, r *syncstate.Record, w *work, m *mail.Meta) {
	t := s.Other()
	limit := p.Rules.MaxSize[t]
	if limit <= 0 || m.Size <= limit || r.Upgrading || p.Whole[s].Contains(m.UID) || w.status&(syncstate.PlaceholderOn(t)|syncstate.PlaceholderOn(s)) != 0 {
		return
	}
	w.status |= syncstate.PlaceholderOn(t)
	p.log(syncstate.OpPlaceholder, r, "exceeds MaxSize")
}

// doomed reports whether a message would be removed at the end of the run, so
// that copying it makes no sense. ExpungeSolo does not remove what is copied.
func (p *planner) doomed(f mail.Flags) bool {
	ops := p.Rules.Ops
	return f.Has(mail.FlagDeleted) && (ops[0].Expunge || ops[1].Expunge)
}

// important reports whether a message is exempt from expiration.
func (p *planner) important(f mail.Flags) bool {
	return f.Has(mail.FlagFlagged) || !f.Has(mail.FlagSeen) && p.Rules.ExpireUnread != Yes
}
