package plan

import (
	"cmp"
	"slices"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// If the sync state is older than both mailboxes, because it was restored from a backup,
// messages that were synchronized since then count as new on both sides. If each of them
// was copied, it would be duplicated. So if both sides have new messages in the same run,
// those that are the same are paired (Matcher).
//
// Often both sides have new messages, but rarely the same ones. So the engine compares sizes first
// (Extents), and compares Message-IDs and contents only if sizes coincide.

// Fresh returns the messages of each side that are new, if both sides have some and they
// may be copied in at least one direction; otherwise nothing. A message of one side may be
// the same as one of the other.
func Fresh(in Input) [2]mail.UIDSet {
	var fresh [2]mail.UIDSet
	if !in.Rules.Ops[0].New && !in.Rules.Ops[1].New {
		return fresh
	}
	for t, box := range in.Box {
		top := in.State.MaxUID[t]
		n := len(box.Messages)
		if n == 0 || box.Messages[n-1].UID <= top || !box.Loaded.ContainsRange(top+1, mail.MaxUID) {
			return fresh
		}
	}
	var known [2]map[mail.UID]bool
	for t := range known {
		known[t] = make(map[mail.UID]bool)
	}
	for r := range in.State.Live() {
		for t, u := range r.UID {
			if u > in.State.MaxUID[t] {
				known[t][u] = true
			}
		}
	}
	for t, box := range in.Box {
		from, _ := slices.BinarySearchFunc(box.Messages, in.State.MaxUID[t]+1, func(m mail.Meta, u mail.UID) int { return cmp.Compare(m.UID, u) })
		for _, m := range box.Messages[from:] {
			if !known[t][m.UID] && !in.Held[t].Contains(m.UID) && !in.Retry[t].Contains(m.UID) && !in.Skipped[t].Contains(m.UID) {
				fresh[t].Add(m.UID)
			}
		}
		if fresh[t].Empty() {
			return [2]mail.UIDSet{}
		}
	}
	return fresh
}

// KeepOrder removes pairs that would raise a watermark above a new message of which it is
// not decided whether it is copied, because New is off for that direction. fresh are the
// messages that were matched.
func (m *Matches) KeepOrder(fresh [2]mail.UIDSet, r Rules) {
	for _, t := range syncstate.Sides {
		if r.Ops[t.Other()].New {
			continue
		}
		var paired mail.UIDSet
		for _, p := range m.Pairs {
			paired.Add(p.UID[t])
		}
		limit := mail.UID(0)
		for u := range fresh[t].All() {
			if !paired.Contains(u) && !m.Ambiguous[t].Contains(u) {
				limit = u
				break
			}
		}
		if limit == 0 {
			continue
		}
		m.Pairs = slices.DeleteFunc(m.Pairs, func(p Match) bool {
			if p.UID[t] < limit {
				return false
			}
			m.Only[0].Add(p.UID[0])
			m.Only[1].Add(p.UID[1])
			return true
		})
		kept := m.Ambiguous[t].Without(mail.UIDsFrom(limit))
		m.Only[t].AddSet(m.Ambiguous[t].Without(kept))
		m.Ambiguous[t] = kept
	}
}

// Extent is a range in which the size of a message is, in bytes, in terms of a
// mail.Digest. A message may have several.
type Extent struct {
	UID      mail.UID
	Min, Max int64
}

// Coinciding returns the messages of each side whose size may be that of a message of the
// other side.
func Coinciding(extents [2][]Extent) (uids [2]mail.UIDSet) {
	for _, t := range syncstate.Sides {
		other := slices.Clone(extents[t.Other()])
		slices.SortFunc(other, func(a, b Extent) int { return cmp.Compare(a.Min, b.Min) })
		for i := range other {
			if i > 0 {
				other[i].Max = max(other[i].Max, other[i-1].Max) // the highest so far
			}
		}
		var found []mail.UID
		for _, e := range extents[t] {
			n, _ := slices.BinarySearchFunc(other, e.Max+1, func(o Extent, size int64) int { return cmp.Compare(o.Min, size) })
			if n > 0 && other[n-1].Max >= e.Min {
				found = append(found, e.UID)
			}
		}
		uids[t] = mail.NewUIDSet(found...)
	}
	return uids
}

// Likely reports whether a message of one side has the Message-ID and size of one of the
// other side; without Message-ID, its size.
func Likely(msgs [2][]Candidate) bool {
	type key struct {
		id   string
		size int64
	}
	far := make(map[key]bool)
	for _, c := range msgs[syncstate.Far] {
		far[key{c.ID, c.Size}] = true
	}
	return slices.ContainsFunc(msgs[syncstate.Near], func(c Candidate) bool { return far[key{c.ID, c.Size}] })
}
