package maildir

import (
	"cmp"
	"slices"
)

// compareEntries orders by UID; messages with the same one, or none, by name.
func compareEntries(a, b entry) int {
	if a.uid != b.uid {
		return cmp.Compare(a.uid, b.uid)
	}
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.dir, b.dir))
}

// sortEntries sorts by compareEntries.
func sortEntries(entries []entry) {
	// Mostly they are sorted already.
	if !slices.IsSortedFunc(entries, compareEntries) {
		slices.SortFunc(entries, compareEntries)
	}
}

// sortParts returns the entries of all parts, sorted by compareEntries.
//
// Directories tell their names in an order of their own, and there may be a million
// of them. As UIDs are numbers, these can be sorted without comparing them, and
// each entry is moved only once.
func sortParts(parts [][]entry) []entry {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	keys := make([]key, 0, n)
	for i, p := range parts {
		for j := range p {
			keys = append(keys, key{uid: uint32(p[j].uid), part: uint32(i), at: uint32(j)})
		}
	}
	keys = sortKeys(keys)
	out := make([]entry, n)
	for i, k := range keys {
		out[i] = parts[k.part][k.at]
	}
	// Those with the same UID, of which there are none, or many that have none.
	for i := 0; i < n; {
		j := i + 1
		for j < n && out[j].uid == out[i].uid {
			j++
		}
		if j > i+1 {
			slices.SortFunc(out[i:j], compareEntries)
		}
		i = j
	}
	return out
}

// key is where an entry with some UID is.
type key struct{ uid, part, at uint32 }

// sortKeys sorts by UID, 11 bits at a time from the lowest on. It may use keys for
// something else.
func sortKeys(keys []key) []key {
	if slices.IsSortedFunc(keys, func(a, b key) int { return cmp.Compare(a.uid, b.uid) }) {
		return keys
	}
	const bits, mask = 11, 1<<11 - 1
	all := uint32(0)
	for _, k := range keys {
		all |= k.uid
	}
	from, to := keys, make([]key, len(keys))
	for shift := 0; shift < 32 && all>>shift != 0; shift += bits {
		var starts [mask + 1]uint32
		for _, k := range from {
			starts[k.uid>>shift&mask]++
		}
		sum := uint32(0)
		for i, c := range starts {
			starts[i] = sum
			sum += c
		}
		for _, k := range from {
			s := &starts[k.uid>>shift&mask]
			to[*s] = k
			*s++
		}
		from, to = to, from
	}
	return from
}

// mergeEntries returns the entries of both, which are sorted, sorted.
func mergeEntries(a, b []entry) []entry {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compareEntries(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
