package plan

import (
	"cmp"
	"fmt"
	"slices"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// expire decides which messages are removed from the expire side because there are more
// than MaxMessages, and which ones are copied to it again (MaxMessages in mbsync(1)).
func (p *planner) expire() error {
	if !expirationRuns(p.State, p.Rules) {
		return nil
	}
	xt := p.State.ExpireSide
	limit := p.Rules.MaxMessages
	if o := p.Rules.Ops[xt]; !o.Old && !o.New && !o.Flags && !p.upgrades(xt) {
		limit = 0
	}
	if limit <= 0 && !expirationInterrupted(p.State) {
		return nil
	}
	alive := p.alive()
	excess := len(alive) - limit
	if limit <= 0 {
		excess = 0 // only an interrupted expiration is brought to its end
	}
	unseen := 0
	expire := make(map[int]bool)
	for _, i := range alive {
		w := &p.works[i]
		flags := p.expireFlags(i)
		const begun, expired = syncstate.ExpireBegun, syncstate.Expired
		switch {
		case flags.Has(mail.FlagFlagged),
			// The other side does not have its contents.
			w.status&syncstate.PlaceholderOn(p.State.KeepSide()) != 0,
			// It was undeleted on this side, and that must be propagated first. Otherwise
			// the mark could not be distinguished from that of the expiration.
			w.del[p.State.KeepSide()].Has(mail.FlagDeleted):
			p.staysBeyond(i, excess, "flagged, or a placeholder there, or just undeleted")
			excess--
		case !flags.Has(mail.FlagSeen) && p.Rules.ExpireUnread != Yes:
			if excess > 0 {
				unseen++
			}
			p.staysBeyond(i, excess, "unread")
			excess--
		case excess > 0,
			w.status&(begun|expired) == begun|expired,
			w.status&(begun|expired) != 0 && p.meta(w, xt) != nil && p.meta(w, xt).Flags.Has(mail.FlagDeleted):
			expire[i] = true
			excess--
		}
	}
	if p.Rules.ExpireUnread == Unset && unseen*2 > limit && limit > 0 {
		return fmt.Errorf("%d unread messages in excess of MaxMessages (%d); set ExpireUnread to decide what becomes of them", unseen, p.Rules.MaxMessages)
	}
	for i := range p.recs {
		if p.works[i].bits&bitDropped == 0 {
			p.applyExpiry(i, expire[i])
		}
	}
	return nil
}

// upgrades reports whether side t is given a message in place of a placeholder.
func (p *planner) upgrades(t syncstate.Side) bool {
	return slices.ContainsFunc(p.works, func(w work) bool {
		return w.bits&(bitCopy|bitDropped) == bitCopy && w.to == t
	})
}

// staysBeyond reports why a message in excess of MaxMessages does not expire.
func (p *planner) staysBeyond(i, excess int, why string) {
	if p.Explain && excess > 0 {
		p.explain(p.recs[i].UID, "in excess of MaxMessages, but stays: it is %s", why)
	}
}

// alive returns the records that count, ordered by the time for which the messages have been in
// the store that keeps them, longest first.
func (p *planner) alive() []int {
	xt, ot := p.State.ExpireSide, p.State.KeepSide()
	var out []int
	for i, r := range p.recs {
		w := &p.works[i]
		if r.Assigned[ot] {
			continue // a copy of the run that is being continued: counts from the next one on
		}
		if w.bits&bitDropped != 0 || r.Purge || p.missing(r, w, ot) {
			continue
		}
		pending := w.status&syncstate.Pending != 0 && w.bits&bitCopy != 0 && w.to == xt
		if !pending && w.msg[xt] < 0 {
			continue
		}
		if p.expireFlags(i).Has(mail.FlagDeleted) && w.status&(syncstate.ExpireBegun|syncstate.Expired) == 0 {
			continue
		}
		out = append(out, i)
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(p.recs[a].UID[ot], p.recs[b].UID[ot]) })
	return out
}

// expireFlags returns the flags by which a record's message is judged: those
// it has on the expire side, or will have there.
func (p *planner) expireFlags(i int) mail.Flags {
	xt, ot := p.State.ExpireSide, p.State.KeepSide()
	w := &p.works[i]
	real := p.meta(w, ot)
	m := p.meta(w, xt)
	if m == nil {
		if real == nil {
			return 0
		}
		return real.Flags
	}
	flags := (m.Flags | w.add[xt]) &^ w.del[xt]
	if w.status&syncstate.PlaceholderOn(xt) != 0 && real != nil {
		const judged = mail.FlagSeen | mail.FlagFlagged
		flags = flags&^judged | ((real.Flags|w.add[ot])&^w.del[ot])&judged
	}
	return flags
}

// applyExpiry begins, ends or takes back the expiration of a record.
func (p *planner) applyExpiry(i int, want bool) {
	xt := p.State.ExpireSide
	r, w := p.recs[i], &p.works[i]
	const begun, expired = syncstate.ExpireBegun, syncstate.Expired
	if w.status&syncstate.Pending != 0 {
		if want {
			w.status = w.status&^syncstate.Pending | begun | expired
			w.bits &^= bitCopy
			p.log(syncstate.OpStatus, r, "expires before it was copied", uint32(w.status))
		}
		return
	}
	if w.msg[xt] < 0 || p.missing(r, w, p.State.KeepSide()) || w.bits&bitOrphan != 0 {
		return
	}
	was := w.status & (begun | expired)
	switch {
	case want && was != begun|expired:
		if was&begun == 0 {
			w.status |= begun
			p.log(syncstate.OpStatus, r, "expires", uint32(w.status))
		}
		if w.del[xt].Has(mail.FlagDeleted) {
			w.bits |= bitUndeleted
		}
		w.add[xt] |= mail.FlagDeleted
		w.del[xt] &^= mail.FlagDeleted
		w.bits |= bitExpire
	case !want && was != 0 && w.add[xt].Has(mail.FlagDeleted):
		// The user has deleted it on the other side. From now on, the mark is the user's.
		w.status &^= begun | expired
		p.log(syncstate.OpStatus, r, "the deletion takes precedence over the expiration", uint32(w.status))
	case !want && was != 0:
		if was&begun != 0 {
			w.status &^= begun
			p.log(syncstate.OpStatus, r, "expiration is taken back", uint32(w.status))
		}
		w.add[xt] &^= mail.FlagDeleted
		w.del[xt] |= mail.FlagDeleted
		w.bits |= bitExpire
	}
}
