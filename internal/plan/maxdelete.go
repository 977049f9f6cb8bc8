package plan

import (
	"strconv"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Deletions says what to do with messages that one side has lost or marked as deleted, while the
// other side still has them.
type Deletions int8

// The values of Deletions.
const (
	// Limited: deletions are propagated unless there are more than MaxDelete.
	Limited Deletions = iota
	// Allowed: deletions are propagated, however many there are.
	Allowed
	// Restored: deletions are undone. A lost message is copied again from the side that
	// has it, and a mark is removed if the other side does not have it. This does not
	// depend on Ops.
	Restored
)

// Limit is the largest number of deletions that are propagated to a side in one run.
// The zero value is no limit.
type Limit struct {
	Set bool
	// Percent: Value is a percentage of the messages that were known on the side. It
	// concerns only sides with enoughForPercent messages or more.
	Percent bool
	Value   int
}

// String returns the limit as the configuration has it.
func (l Limit) String() string {
	switch {
	case !l.Set:
		return "100%"
	case l.Percent:
		return strconv.Itoa(l.Value) + "%"
	}
	return strconv.Itoa(l.Value)
}

// enoughForPercent is the number of messages from which on a percentage counts. People
// delete or archive all of a few dozen messages at once.
const enoughForPercent = 100

// Excess describes deletions that exceed the limit; Deletions is 0 if there are none.
type Excess struct {
	// Deletions are the messages of the side that the other side has lost or marked as
	// deleted, and Known those of the side that were synchronized before and still exist
	// (but see Input.HeldOf).
	Deletions, Known int
}

// exceeds reports whether these deletions exceed the limit.
func (l Limit) exceeds(e Excess) bool {
	switch {
	case !l.Set || e.Deletions == 0:
		return false
	case !l.Percent:
		return e.Deletions > l.Value
	}
	return e.Known >= enoughForPercent && int64(e.Deletions)*100 > int64(e.Known)*int64(l.Value)
}

// excess returns the deletions on each side that exceed the limit.
func (p *planner) excess() (out [2]Excess, any bool) {
	if p.Deletions != Limited || p.deletions == [2]int{} || !p.Rules.MaxDelete.Set {
		return out, false
	}
	for _, t := range syncstate.Sides {
		if p.deletions[t] == 0 {
			continue
		}
		e := Excess{p.deletions[t], p.knownOn(t)}
		if n := p.HeldOf[t]; n > 0 {
			e.Known = min(e.Known, n)
		}
		if p.Rules.MaxDelete.exceeds(e) {
			out[t], any = e, true
		}
	}
	return out, any
}

// knownOn counts the messages of side t that are paired and still exist.
func (p *planner) knownOn(t syncstate.Side) (n int) {
	for r := range p.State.Live() {
		if r.Paired() && !r.Purge {
			n++
		}
	}
	for i, r := range p.recs[:p.old] {
		if r.Paired() && !r.Purge && p.missing(r, &p.works[i], t) {
			n--
		}
	}
	return n
}

// isMarked reports whether the record's message on side t is marked as deleted.
func (p *planner) isMarked(w *work, t syncstate.Side) bool {
	m := p.meta(w, t)
	return m != nil && m.Flags.Has(mail.FlagDeleted)
}

// lossDeletes reports whether a message of side t is marked as deleted, or expunged, because its
// counterpart is lost.
func (p *planner) lossDeletes(t syncstate.Side, w *work) bool {
	ops := p.Rules.Ops[t]
	if p.isMarked(w, t) {
		return ops.ExpungeSolo && !ops.Expunge
	}
	return ops.Gone
}

// deletes counts a deletion that is to be propagated to side t. It reports whether the
// message is to be kept instead.
func (p *planner) deletes(t syncstate.Side, r *syncstate.Record, why string) (keep bool) {
	p.deletions[t]++
	if p.Keep[t] && p.Explain {
		p.explain(r.UID, "%s on the %s side; kept on the %s side", why, t.Other(), t)
	}
	return p.Keep[t]
}

// keepUnmarked counts the mark of a deletion that is to be set on side t, or takes it
// out of the changes there if the message is to be kept.
func (p *planner) keepUnmarked(t syncstate.Side, r *syncstate.Record, w *work) {
	if w.add[t].Has(mail.FlagDeleted) && !p.isMarked(w, t) && p.deletes(t, r, "marked as deleted") {
		w.add[t] &^= mail.FlagDeleted
		w.bits |= bitKept
	}
}

// keptBy reports whether a message of side t that is marked as deleted must not be
// expunged: its counterpart, or the message itself, is kept although it was deleted on
// the other side.
func (p *planner) keptBy(t syncstate.Side, r *syncstate.Record, w *work) bool {
	if r == nil || !r.Paired() || r.Purge || r.Has(syncstate.Pending) {
		return false
	}
	o := t.Other()
	if p.gone(r, w, o) {
		return p.Keep[t] && p.Rules.Ops[t].ExpungeSolo && !p.Rules.Ops[t].Expunge
	}
	return p.Keep[o] && !r.Flags.Has(mail.FlagDeleted) && p.meta(w, o) != nil && !p.isMarked(w, o) &&
		(p.Rules.Ops[o].Flags || p.Deletions == Restored) &&
		!(t == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired))
}
