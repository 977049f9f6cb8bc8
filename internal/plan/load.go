package plan

import (
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Load is the listing that is needed of one side.
type Load struct {
	// UIDs to list; a range that ends in mail.MaxUID means "to the end".
	UIDs mail.UIDSet
	// Flags are needed.
	Flags bool
	// SizesFrom: sizes of messages from this UID on are needed; 0: no sizes.
	SizesFrom mail.UID
}

// Loads returns the listing that Make needs of each side. It requests no more than the rules
// need.
func Loads(st *syncstate.State, r Rules) [2]Load {
	var out [2]Load
	expiring := expirationRuns(st, r)
	for _, t := range syncstate.Sides {
		l := &out[t]
		o := t.Other()
		src, tgt := r.Ops[o], r.Ops[t]
		switch {
		case src.Old || tgt.Expunges():
			l.UIDs = mail.UIDsFrom(1)
		default:
			from := mail.UID(1)
			if t == st.KeepSide() {
				from = st.MaxExpired + 1
			}
			// ExpungeSolo on the other side depends on which counterparts exist on this side.
			if src.Gone || src.Flags || src.ExpungeSolo || tgt.Gone || tgt.Flags || expiring {
				l.addPaired(st, t, from)
			}
			if src.New {
				l.UIDs.AddRange(st.MaxUID[t]+1, mail.MaxUID)
			} else if expiring && t == st.KeepSide() {
				l.addPending(st, t)
			}
			if src.Upgrade || tgt.Upgrade {
				l.addUpgradable(st, t)
			}
			l.addPending(st, t)
		}
		l.Flags = src.Flags || tgt.Flags || tgt.Gone || src.Gone || tgt.Upgrade || src.Upgrade || src.Old || tgt.Expunges() || expiring ||
			src.New && (src.Expunge || tgt.Expunge)
		if r.MaxSize[o] > 0 {
			l.SizesFrom = sizesFrom(st, src, t)
		}
	}
	return out
}

// addPaired adds the range of messages of side t with a record, from a UID on, and the single
// messages below it with a counterpart. The range includes messages without a counterpart, so that
// their records are dropped when the messages are gone. The range begins at the watermark if that
// is lower, so that a watermark that is too low is detected.
func (l *Load) addPaired(st *syncstate.State, t syncstate.Side, from mail.UID) {
	first, last := mail.MaxUID, mail.UID(0)
	for r := range st.Live() {
		u := r.UID[t]
		switch {
		case u == 0:
		case u >= from:
			first, last = min(first, u), max(last, u)
		case r.UID[t.Other()] != 0 || r.Purge:
			l.UIDs.Add(u)
		}
	}
	if last != 0 {
		l.UIDs.AddRange(min(first, max(from, st.MaxUID[t]+1)), last)
	}
}

// addPending adds the messages of side t that the interrupted run was copying, and the
// placeholders that it was replacing.
func (l *Load) addPending(st *syncstate.State, t syncstate.Side) {
	for _, r := range st.Records.Busy() {
		if !r.Dead && (r.Has(syncstate.Pending) || r.Purge || r.Upgrading) {
			if u := r.UID[t]; u != 0 {
				l.UIDs.Add(u)
			}
		}
	}
}

// addUpgradable adds the messages of side t that are placeholders or have one
// as their counterpart, or were skipped by an old version.
func (l *Load) addUpgradable(st *syncstate.State, t syncstate.Side) {
	for _, r := range st.Records.Busy() {
		if u := r.UID[t]; !r.Dead && u != 0 && r.Any(syncstate.FarPlaceholder|syncstate.NearPlaceholder|syncstate.Skipped) {
			l.UIDs.Add(u)
		}
	}
}

// sizesFrom returns the lowest UID of side t whose size may matter; src are the
// ops of the other side.
func sizesFrom(st *syncstate.State, src Ops, t syncstate.Side) mail.UID {
	var from mail.UID
	switch {
	case src.Old:
		return 1
	case src.New:
		from = st.MaxUID[t] + 1
	}
	for _, r := range st.Records.Busy() {
		if !r.Dead && r.Has(syncstate.Pending) && !r.Upgrading && r.UID[t] != 0 && (from == 0 || r.UID[t] < from) {
			from = r.UID[t]
		}
	}
	return from
}

// expirationRuns reports whether messages may expire in this run.
func expirationRuns(st *syncstate.State, r Rules) bool {
	o := r.Ops[st.ExpireSide]
	return r.MaxMessages > 0 && (o.Old || o.New || o.Flags || o.Upgrade && anyUpgradable(st)) || expirationInterrupted(st)
}

// anyUpgradable reports whether a placeholder on the expire side may be replaced by its message.
func anyUpgradable(st *syncstate.State) bool {
	for _, r := range st.Records.Busy() {
		if !r.Dead && (r.Any(syncstate.PlaceholderOn(st.ExpireSide)|syncstate.Skipped) || r.Upgrading) {
			return true
		}
	}
	return false
}

// expirationInterrupted reports whether a run was interrupted while a message expired, or while
// its expiration was taken back.
func expirationInterrupted(st *syncstate.State) bool {
	for _, r := range st.Records.Busy() {
		if !r.Dead && r.Has(syncstate.ExpireBegun) != r.Has(syncstate.Expired) {
			return true
		}
	}
	return false
}
