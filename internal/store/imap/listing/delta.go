package listing

import (
	"cmp"
	"slices"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
)

// A Delta gathers the changes that a server reports since a listing was made. It is
// filled on the reader goroutine.
type Delta struct {
	changed []changedMeta
	gone    []mail.UIDRange
	// flaw is why the changes cannot be used; "": they can.
	flaw string
}

// changedMeta is a message that has changed, or is new.
type changedMeta struct {
	uid   mail.UID
	seq   uint32
	flags mail.Flags
}

// maxDelta limits the number of changed messages and of vanished ones. With more, the
// whole mailbox is listed.
const maxDelta = 1 << 20

// Unreadable notes a response that cannot be read.
func (d *Delta) Unreadable() { d.flaw = "the server's list of changes cannot be read" }

// Reset drops all changes, because they were about another mailbox.
func (d *Delta) Reset() { *d = Delta{} }

// Changes returns the number of messages that are reported as changed or new.
func (d *Delta) Changes() int { return len(d.changed) }

// Fetched notes a message with its flags.
func (d *Delta) Fetched(f *imapwire.Fetch) {
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

// Vanished notes expunged messages. The server may report UIDs that never existed.
func (d *Delta) Vanished(uids mail.UIDSet) {
	if len(d.gone)+len(uids) > maxDelta {
		d.flaw = "there are too many changes"
		return
	}
	d.gone = append(d.gone, uids...)
}

// Sort sorts the changes. If a message was reported twice, the last report counts.
func (d *Delta) Sort() {
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

// Apply returns the listing after the changes. If there are none it is that of base,
// which is never modified. Sort must be called before. ok is false if the changes are
// impossible: a new message has a UID below UIDNEXT, or a message has both vanished and
// changed.
func (d *Delta) Apply(base *memo.Listing) (msgs []mail.Meta, ok bool) {
	if d.flaw != "" {
		return nil, false
	}
	if len(d.changed) == 0 && len(d.gone) == 0 {
		return base.Messages, true
	}
	out := make([]mail.Meta, 0, len(base.Messages)+len(d.changed))
	old, changed, gone := base.Messages, d.changed, Cursor{set: d.gone}
	for len(old) > 0 || len(changed) > 0 {
		switch {
		case len(changed) == 0 || len(old) > 0 && old[0].UID < changed[0].uid:
			if !gone.Has(old[0].UID) {
				out = append(out, old[0])
			}
			old = old[1:]
			continue
		case gone.Has(changed[0].uid):
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

// Placed reports whether the sequence numbers of the changes agree with the listing. If
// the number of messages is right, too, this detects most errors.
func (d *Delta) Placed(msgs []mail.Meta) bool {
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

// Explained reports whether each UID from first until before next is either listed or
// reported as vanished.
func (d *Delta) Explained(msgs []mail.Meta, first, next mail.UID) bool {
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
