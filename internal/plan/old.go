package plan

import (
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// oldRecords decides about the existing records.
func (p *planner) oldRecords() {
	p.settleClashes()
	for i := range p.recs {
		r, w := p.recs[i], &p.works[i]
		if w.bits&bitDropped != 0 {
			continue
		}
		p.oldRecord(i, r, w)
	}
	p.makeRestores()
}

func (p *planner) oldRecord(i int, r *syncstate.Record, w *work) {
	miss := [2]bool{p.missing(r, w, syncstate.Far), p.missing(r, w, syncstate.Near)}
	switch {
	case miss[syncstate.Far] && miss[syncstate.Near]:
		p.drop(i, "neither side has it any more")
		return
	case r.Purge:
		for _, t := range syncstate.Sides {
			if w.msg[t] >= 0 {
				p.purges = append(p.purges, purge{r, t, w.msg[t]})
				w.msg[t] = -1
			}
		}
		return
	case r.Upgrading:
		p.flagsOfUpgrade(r, w)
		return
	case r.Has(syncstate.Pending) && r.Paired():
		p.completePair(r, w) // an interrupted run was about to
		return
	case r.Has(syncstate.Pending) || !r.Paired():
		return // newMessages decides
	}
	for _, s := range syncstate.Sides {
		if miss[s] {
			p.goneOn(s, i, r, w)
			return
		}
	}
	if w.msg[syncstate.Far] < 0 && w.msg[syncstate.Near] < 0 {
		return // not loaded
	}
	for _, t := range syncstate.Sides {
		p.flagsTo(t, r, w)
	}
	if p.Deletions == Restored {
		p.unmark(r, w)
	}
	for _, t := range syncstate.Sides {
		if p.upgradable(t, r, w) {
			p.upgrade(t, r, w)
			return
		}
	}
}

// goneOn handles a message that was paired and is missing on side s.
func (p *planner) goneOn(s syncstate.Side, i int, r *syncstate.Record, w *work) {
	t := s.Other()
	if s == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired) {
		if r.Status&(syncstate.ExpireBegun|syncstate.Expired) != syncstate.ExpireBegun|syncstate.Expired {
			w.status |= syncstate.ExpireBegun | syncstate.Expired
			p.log(syncstate.OpStatus, r, "expiration is final", uint32(w.status))
		}
		p.log(syncstate.OpUID(s), r, "expired message is gone", 0)
		return
	}
	if p.Deletions == Restored || p.Returned[s][r.UID[t]].UID != 0 {
		p.restore(s, i)
		return
	}
	if p.lossDeletes(t, w) && p.deletes(t, r, "gone") {
		return
	}
	if !p.Rules.Ops[t].Gone {
		if p.Explain {
			p.explain(r.UID, "gone from the %s side; not propagated, since Gone is not %sed", s, verb(t))
		}
		// If it is undeleted later, it must not look like a message whose counterpart was just
		// deleted.
		if m := p.meta(w, t); m != nil && m.Flags.Has(mail.FlagDeleted) {
			p.log(syncstate.OpUID(s), r, "gone, and the counterpart is marked deleted", 0)
		}
		return
	}
	if m := p.meta(w, t); m != nil {
		if m.Flags&^mail.FlagDeleted != r.Flags&^mail.FlagDeleted && !r.Has(syncstate.PlaceholderOn(t)) || r.Flags&^m.Flags&mail.FlagDeleted != 0 {
			p.notice(event.DeletionWins{Side: t, UID: r.UID[t]})
		}
	}
	w.add[t] = mail.FlagDeleted
	w.bits |= bitOrphan
}

// flagsTo decides which flag changes of the source are to be made on side t.
func (p *planner) flagsTo(t syncstate.Side, r *syncstate.Record, w *work) {
	s := t.Other()
	m := p.meta(w, s)
	if m == nil {
		return
	}
	if !p.Rules.Ops[t].Flags {
		if p.Explain && m.Flags != r.Flags {
			p.explain(r.UID, "flags of the %s side changed from %s to %s, which is not %sed (no Flags in Sync)", s, flagNames(r.Flags), flagNames(m.Flags), verb(t))
		}
		return
	}
	flags := m.Flags
	keep := func(f mail.Flags) { flags = flags&^f | r.Flags&f }
	if s == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired) {
		keep(mail.FlagDeleted) // marked by us, not by the user
	}
	if r.Has(syncstate.PlaceholderOn(s)) {
		keep(mail.FlagFlagged)             // asks for an upgrade
		flags &^= mail.FlagSeen &^ r.Flags // looking at a placeholder is not reading
	}
	if r.Has(syncstate.PlaceholderOn(t)) {
		keep(mail.FlagFlagged)
	}
	w.add[t] = p.holdable(flags&^r.Flags, t)
	w.del[t] = r.Flags &^ flags
	p.keepUnmarked(t, r, w)
}

// flagsOfUpgrade continues an upgrade that was interrupted: flag changes of the placeholder are
// propagated to the source (CopyFlags has the old flags), and flag changes of the source to the
// copy.
func (p *planner) flagsOfUpgrade(r *syncstate.Record, w *work) {
	t := r.Target()
	s := t.Other()
	m := p.meta(w, s)
	if m == nil {
		return
	}
	if p.Rules.Ops[s].Flags {
		flags := r.CopyFlags | r.Flags&mail.FlagFlagged
		w.add[s] = p.holdable(flags&^r.Flags, s)
		w.del[s] = r.Flags &^ flags
		p.keepUnmarked(s, r, w)
	}
	p.upgradeFlags(t, r, m)
}

// upgradeFlags journals the flag changes of the source for the copy of an upgrade.
func (p *planner) upgradeFlags(t syncstate.Side, r *syncstate.Record, src *mail.Meta) {
	if !p.Rules.Ops[t].Flags {
		return
	}
	add, del := p.holdable(src.Flags&^r.Flags, t), r.Flags&^src.Flags
	if add != r.Add || del != r.Del {
		p.log(syncstate.OpUpgradeFlags, r, "changed on the other side", uint32(add), uint32(del))
	}
}

// onlyDeletion drops other flag changes of a message that is going to be expunged. This depends
// on which messages expire, so it comes after expire.
func (p *planner) onlyDeletion(t syncstate.Side, w *work) {
	if !p.Rules.Ops[t].Expunge {
		return
	}
	if fills, onlyNew := p.Rules.fillsTrash(t); fills && !onlyNew {
		return // the trash gets the flags
	}
	m := p.meta(w, t)
	if m == nil {
		return
	}
	if (m.Flags|w.add[t])&^w.del[t]&mail.FlagDeleted != 0 {
		w.add[t] &= mail.FlagDeleted
		w.del[t] = 0
	}
}

// upgradable reports whether the record's message on side t is a placeholder
// whose real message the user asked for by flagging it.
func (p *planner) upgradable(t syncstate.Side, r *syncstate.Record, w *work) bool {
	if !p.Rules.Ops[t].Upgrade || !r.Has(syncstate.PlaceholderOn(t)) || w.bits&bitKept != 0 {
		return false
	}
	o := t.Other()
	m, src := p.meta(w, t), p.meta(w, o)
	if m == nil || src == nil || !m.Flags.Has(mail.FlagFlagged) {
		return false
	}
	if p.doomed((src.Flags | w.add[o]) &^ w.del[o]) {
		return false
	}
	// A placeholder that is only marked as deleted is replaced all the same: nothing
	// removes the copy.
	return !p.Rules.Ops[t].Expunge || !((m.Flags | w.add[t]) &^ w.del[t]).Has(mail.FlagDeleted)
}

// upgrade splits the record: it becomes pending for the real message, and a new
// one holds the placeholder, which is to be removed.
func (p *planner) upgrade(t syncstate.Side, r *syncstate.Record, w *work) {
	m := p.meta(w, t)
	// The user flagged the placeholder to request the message, and reading a placeholder does
	// not mean that the message was read. So both flags count only if the message has them.
	flags := m.Flags &^ ((mail.FlagFlagged | mail.FlagSeen) &^ r.Flags)
	expired := t == p.State.ExpireSide && r.Any(syncstate.ExpireBegun|syncstate.Expired)
	if expired {
		flags &^= mail.FlagDeleted // our mark, not the user's
	}
	old := &syncstate.Record{}
	p.out.Log = append(p.out.Log, Logged{Op: syncstate.OpUpgrade, Rec: r, Arg: [2]uint32{uint32(flags)}})
	if p.out.Splits == nil {
		p.out.Splits = make(map[*syncstate.Record]*syncstate.Record)
	}
	p.out.Splits[r] = old
	p.upgradeFlags(t, r, p.meta(w, t.Other()))
	p.purges = append(p.purges, purge{old, t, w.msg[t]})
	w.add[t], w.del[t] = 0, 0
	w.msg[t] = -1
	w.status = w.status&^(syncstate.FarPlaceholder|syncstate.NearPlaceholder) | syncstate.Pending
	if expired { // whoever asks for a message wants to keep it
		w.status &^= syncstate.ExpireBegun | syncstate.Expired
		p.log(syncstate.OpStatus, r, "asked for", uint32(w.status))
	}
	w.bits |= bitCopy
	w.to = t
}
