package listing

import (
	"cmp"
	"slices"

	"isync/internal/mail"
)

// Cursor looks up ascending UIDs in a set.
type Cursor struct{ set []mail.UIDRange }

// NewCursor returns a cursor at the beginning of a set.
func NewCursor(set mail.UIDSet) *Cursor { return &Cursor{set} }

// Has reports whether the set has u, which must not be below the UID of the call before.
func (c *Cursor) Has(u mail.UID) bool {
	for len(c.set) > 0 && c.set[0].Last < u {
		c.set = c.set[1:]
	}
	return len(c.set) > 0 && c.set[0].First <= u
}

// KeepOnly returns the messages in the set. If all messages are in the set, it returns msgs itself.
func KeepOnly(msgs []mail.Meta, set mail.UIDSet) []mail.Meta {
	in := Cursor{set: set}
	for i := range msgs {
		if in.Has(msgs[i].UID) {
			continue
		}
		out := append(make([]mail.Meta, 0, len(msgs)), msgs[:i]...)
		for _, m := range msgs[i+1:] {
			if in.Has(m.UID) {
				out = append(out, m)
			}
		}
		return out
	}
	return msgs
}

// Cut returns the part of the set that is in first..last.
func Cut(set mail.UIDSet, first, last mail.UID) mail.UIDSet {
	var out mail.UIDSet
	for _, r := range set {
		r.First, r.Last = max(r.First, first), min(r.Last, last)
		if r.First <= r.Last {
			out = append(out, r)
		}
	}
	return out
}

// Above returns the UID after the last message of a listing, or next if that is higher.
func Above(msgs []mail.Meta, next mail.UID) mail.UID {
	if n := len(msgs); n > 0 && msgs[n-1].UID >= next {
		next = min(msgs[n-1].UID, mail.MaxUID-1) + 1
	}
	return next
}

// InOrder sorts messages. If a message came twice, the last one counts.
func InOrder(msgs []mail.Meta) []mail.Meta {
	byUID := func(a, b mail.Meta) int { return cmp.Compare(a.UID, b.UID) }
	if !slices.IsSortedFunc(msgs, byUID) {
		slices.SortStableFunc(msgs, byUID)
	}
	kept := msgs[:0]
	for i, m := range msgs {
		if i+1 == len(msgs) || msgs[i+1].UID != m.UID {
			kept = append(kept, m)
		}
	}
	return kept
}
