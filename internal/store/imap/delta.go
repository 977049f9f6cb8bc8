package imap

import (
	"cmp"
	"slices"

	"isync/internal/imapwire"
	"isync/internal/listcache"
	"isync/internal/mail"
)

// delta gathers what a server tells of the changes since a listing was made. It
// is filled on the reader goroutine.
type delta struct {
	changed []changedMeta
	gone    []mail.UIDRange
	// flaw is why nothing of it can be trusted.
	flaw string
}

// changedMeta is a message that has changed, or is new.
type changedMeta struct {
	uid   mail.UID
	seq   uint32
	flags mail.Flags
}

// maxDelta bounds how much of either kind is kept. Who has that many changes
// lists everything.
const maxDelta = 1 << 20

// unreadable notes a response that cannot be read.
func (d *delta) unreadable() { d.flaw = "the server's list of changes cannot be read" }

// fetched takes notice of a message with its flags.
func (d *delta) fetched(f *imapwire.Fetch) {
	const need = imapwire.ItemUID | imapwire.ItemFlags
	switch {
	case f.Has&need != need || f.UID == 0:
		d.flaw = "a changed message has no UID, or no flags"
	case len(d.changed) == maxDelta:
		d.flaw = "there are too many changes"
	default:
		d.changed = append(d.changed, changedMeta{f.UID, f.Seq, f.Flags})
	}
}

// vanished takes notice of messages that are gone, and of others that have
// never been there.
func (d *delta) vanished(uids mail.UIDSet) {
	if len(d.gone)+len(uids) > maxDelta {
		d.flaw = "there are too many changes"
		return
	}
	d.gone = append(d.gone, uids...)
}

// settle puts everything in order. What came twice counts as it came last.
func (d *delta) settle() {
	byUID := func(a, b changedMeta) int { return cmp.Compare(a.uid, b.uid) }
	if !slices.IsSortedFunc(d.changed, byUID) {
		slices.SortStableFunc(d.changed, byUID)
	}
	kept := d.changed[:0]
	for i, c := range d.changed {
		if i+1 == len(d.changed) || d.changed[i+1].uid != c.uid {
			kept = append(kept, c)
		}
	}
	d.changed = kept
	byFirst := func(a, b mail.UIDRange) int { return cmp.Compare(a.First, b.First) }
	if !slices.IsSortedFunc(d.gone, byFirst) {
		slices.SortFunc(d.gone, byFirst)
	}
	var set mail.UIDSet
	for _, r := range d.gone {
		set.AddRange(r.First, r.Last)
	}
	d.gone = set
}

// apply returns what has become of a listing. It is the one of the base, which
// it leaves alone, if nothing has changed. settle comes first. ok is false if
// this cannot be what has happened: a UID is below UIDNEXT and yet new, or
// a message is gone and has changed.
func (d *delta) apply(base *listcache.Listing) (msgs []mail.Meta, ok bool) {
	if d.flaw != "" {
		return nil, false
	}
	if len(d.changed) == 0 && len(d.gone) == 0 {
		return base.Messages, true
	}
	out := make([]mail.Meta, 0, len(base.Messages)+len(d.changed))
	old, changed, gone := base.Messages, d.changed, cursor{set: d.gone}
	for len(old) > 0 || len(changed) > 0 {
		switch {
		case len(changed) == 0 || len(old) > 0 && old[0].UID < changed[0].uid:
			if !gone.has(old[0].UID) {
				out = append(out, old[0])
			}
			old = old[1:]
			continue
		case gone.has(changed[0].uid):
			return nil, false
		case len(old) > 0 && old[0].UID == changed[0].uid:
			m := old[0]
			m.Flags = changed[0].flags
			out = append(out, m)
			old = old[1:]
		case changed[0].uid < base.UIDNext:
			return nil, false
		default:
			out = append(out, mail.Meta{UID: changed[0].uid, Flags: changed[0].flags})
		}
		changed = changed[1:]
	}
	return out, true
}

// placed reports whether the sequence numbers that came with the changes are
// the places of these messages in the listing. If there are as many messages
// as there should be, this finds most that are wrong.
func (d *delta) placed(msgs []mail.Meta) bool {
	i := 0
	for _, c := range d.changed {
		for i < len(msgs) && msgs[i].UID < c.uid {
			i++
		}
		if i < len(msgs) && msgs[i].UID == c.uid && uint64(c.seq) != uint64(i)+1 {
			return false
		}
	}
	return true
}

// explained reports whether it is known of each UID from first until before
// next what has become of it: it is listed, or it is gone.
func (d *delta) explained(msgs []mail.Meta, first, next mail.UID) bool {
	i, _ := slices.BinarySearchFunc(msgs, first, func(m mail.Meta, u mail.UID) int { return cmp.Compare(m.UID, u) })
	var known mail.UIDSet
	for _, r := range d.gone {
		known.AddRange(r.First, r.Last)
	}
	for _, m := range msgs[i:] {
		known.Add(m.UID)
	}
	return next <= first || known.ContainsRange(first, next-1)
}

// cursor looks up ascending UIDs in a set.
type cursor struct{ set []mail.UIDRange }

func (c *cursor) has(u mail.UID) bool {
	for len(c.set) > 0 && c.set[0].Last < u {
		c.set = c.set[1:]
	}
	return len(c.set) > 0 && c.set[0].First <= u
}

// keepOnly returns those messages that are in the set, which is a new slice
// unless all of them are.
func keepOnly(msgs []mail.Meta, set mail.UIDSet) []mail.Meta {
	in := cursor{set: set}
	for i := range msgs {
		if in.has(msgs[i].UID) {
			continue
		}
		out := append(make([]mail.Meta, 0, len(msgs)), msgs[:i]...)
		for _, m := range msgs[i+1:] {
			if in.has(m.UID) {
				out = append(out, m)
			}
		}
		return out
	}
	return msgs
}
