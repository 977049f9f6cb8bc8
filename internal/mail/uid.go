package mail

import (
	"slices"
	"strconv"
)

// UID is an IMAP unique identifier (RFC 9051 §2.3.1.1), or its Maildir
// equivalent. 0 means "no message".
type UID uint32

// MaxUID is the highest UID there can be. It also stands for "to the end" in a
// range.
const MaxUID UID = 1<<32 - 1

// ModSeq is a mod-sequence value (RFC 7162). 0 means "unknown".
type ModSeq uint64

// UIDRange is the inclusive range of UIDs First..Last, First ≤ Last, First > 0.
type UIDRange struct{ First, Last UID }

// Len returns the number of UIDs in the range.
func (r UIDRange) Len() uint64 { return uint64(r.Last) - uint64(r.First) + 1 }

// UIDSet is a set of UIDs: ranges in ascending order that neither overlap nor
// touch. The zero value is the empty set. Build one with Add and AddRange, or
// with NewUIDSet; a hand-made literal must keep the invariant.
type UIDSet []UIDRange

// NewUIDSet returns the set of the given UIDs, in any order; zeros are ignored.
func NewUIDSet(uids ...UID) UIDSet {
	if !slices.IsSorted(uids) {
		uids = slices.Sorted(slices.Values(uids))
	}
	var s UIDSet
	for _, u := range uids {
		s.Add(u)
	}
	return s
}

// UIDsFrom returns the set of all UIDs from u on. u = 0 is taken as 1.
func UIDsFrom(u UID) UIDSet { return UIDSet{{max(u, 1), MaxUID}} }

// Add adds u to the set; 0 is ignored. Adding in ascending order costs
// amortized constant time.
func (s *UIDSet) Add(u UID) { s.AddRange(u, u) }

// AddRange adds first..last; first = 0 is taken as 1 and an empty range is
// ignored.
func (s *UIDSet) AddRange(first, last UID) {
	first = max(first, 1)
	if last < first {
		return
	}
	t := *s
	// i: the first range that overlaps or touches the new one, or lies behind it.
	i := len(t)
	if i > 0 && (t[i-1].Last == MaxUID || t[i-1].Last+1 >= first) {
		i, _ = slices.BinarySearchFunc(t, first, func(r UIDRange, u UID) int {
			if r.Last != MaxUID && r.Last+1 < u {
				return -1
			}
			return 1
		})
	}
	j := i
	for j < len(t) && (last == MaxUID || t[j].First <= last+1) {
		first, last = min(first, t[j].First), max(last, t[j].Last)
		j++
	}
	if i == j {
		*s = slices.Insert(t, i, UIDRange{first, last})
		return
	}
	t[i] = UIDRange{first, last}
	*s = slices.Delete(t, i+1, j)
}

// AddSet adds every UID of o.
func (s *UIDSet) AddSet(o UIDSet) {
	for _, r := range o {
		s.AddRange(r.First, r.Last)
	}
}

// Without returns the set of the UIDs that are in s but not in o.
func (s UIDSet) Without(o UIDSet) UIDSet {
	var out UIDSet
	for _, r := range s {
		first := uint64(r.First)
		for len(o) > 0 && uint64(o[0].Last) < first {
			o = o[1:]
		}
		for _, x := range o {
			if x.First > r.Last {
				break
			}
			if uint64(x.First) > first {
				out = append(out, UIDRange{UID(first), x.First - 1})
			}
			first = uint64(x.Last) + 1
		}
		if first <= uint64(r.Last) {
			out = append(out, UIDRange{UID(first), r.Last})
		}
	}
	return out
}

// Contains reports whether u is in the set.
func (s UIDSet) Contains(u UID) bool {
	i := s.search(u)
	return i < len(s) && s[i].First <= u
}

// search returns the index of the first range that does not end before u.
func (s UIDSet) search(u UID) int {
	i, _ := slices.BinarySearchFunc(s, u, func(r UIDRange, u UID) int {
		if r.Last < u {
			return -1
		}
		return 1
	})
	return i
}

// ContainsRange reports whether all of first..last are in the set; an empty
// range is in every set.
func (s UIDSet) ContainsRange(first, last UID) bool {
	if last < first {
		return true
	}
	i := s.search(first)
	return i < len(s) && s[i].First <= first && last <= s[i].Last
}

// Len returns the number of UIDs in the set.
func (s UIDSet) Len() uint64 {
	var n uint64
	for _, r := range s {
		n += r.Len()
	}
	return n
}

// Empty reports whether the set has no UIDs.
func (s UIDSet) Empty() bool { return len(s) == 0 }

// All yields every UID in ascending order.
func (s UIDSet) All() func(yield func(UID) bool) {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}

// String returns the set in IMAP syntax ("1:3,5,9:*"); MaxUID as the end of a
// range longer than one is written "*". The empty set is "".
func (s UIDSet) String() string { return string(s.AppendTo(nil)) }

// AppendTo appends the set in IMAP syntax to b.
func (s UIDSet) AppendTo(b []byte) []byte {
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last != r.First {
			b = append(b, ':')
			if r.Last == MaxUID {
				b = append(b, '*')
			} else {
				b = strconv.AppendUint(b, uint64(r.Last), 10)
			}
		}
	}
	return b
}

// Split cuts the set into sets whose IMAP syntax is at most maxBytes long
// (each holds at least one range) and which hold at most maxUIDs UIDs
// (0: no limit). A range is cut where maxUIDs asks for it.
func (s UIDSet) Split(maxBytes int, maxUIDs uint64) []UIDSet {
	var out []UIDSet
	for len(s) > 0 {
		var head UIDSet
		head, s = s.SplitOff(maxBytes, maxUIDs)
		out = append(out, head)
	}
	return out
}

// SplitOff cuts off the first of the sets that Split returns.
func (s UIDSet) SplitOff(maxBytes int, maxUIDs uint64) (head, rest UIDSet) {
	var bytes int
	var uids uint64
	for i, r := range s {
		piece := r
		if maxUIDs > 0 && piece.Len() > maxUIDs-uids {
			if uids == maxUIDs {
				return head, s[i:]
			}
			piece.Last = piece.First + UID(maxUIDs-uids) - 1
		}
		n := len(UIDSet{piece}.AppendTo(nil)) + 1
		if i > 0 && bytes+n > maxBytes {
			return head, s[i:]
		}
		head = append(head, piece)
		bytes += n
		uids += piece.Len()
		if piece.Last < r.Last {
			rest = append(UIDSet{{First: piece.Last + 1, Last: r.Last}}, s[i+1:]...)
			return head, rest
		}
	}
	return head, nil
}
