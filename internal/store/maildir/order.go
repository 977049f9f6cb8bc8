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

// pile is a growing list of entries that are not copied when it grows.
type pile struct{ chunks [][]entry }

// The size of a chunk. The first one may be smaller.
const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

func (p *pile) add(e entry) {
	n := len(p.chunks)
	switch {
	case n == 0:
		p.chunks = append(p.chunks, nil)
		n++
	case len(p.chunks[n-1]) == chunkSize:
		p.chunks = append(p.chunks, make([]entry, 0, chunkSize))
		n++
	}
	p.chunks[n-1] = append(p.chunks[n-1], e)
}

func (p *pile) len() int {
	n := len(p.chunks)
	if n == 0 {
		return 0
	}
	return (n-1)<<chunkBits + len(p.chunks[n-1])
}

// sorted returns the entries sorted by compareEntries.
//
// Directories tell their names in an order of their own, and there may be a million
// of them. As UIDs are numbers, these can be sorted without comparing them, and
// each entry is moved only once.
func (p *pile) sorted() []entry {
	n := p.len()
	keys := make([]uint64, 0, n) // UID, place
	for i, c := range p.chunks {
		for j := range c {
			keys = append(keys, uint64(c[j].uid)<<32|uint64(i<<chunkBits|j))
		}
	}
	keys = sortKeys(keys)
	out := make([]entry, n)
	for i, k := range keys {
		at := uint32(k)
		out[i] = p.chunks[at>>chunkBits][at&(chunkSize-1)]
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

// sortKeys sorts by the upper half, 11 bits at a time from the lowest on. It may
// use keys for something else.
func sortKeys(keys []uint64) []uint64 {
	if slices.IsSorted(keys) {
		return keys
	}
	if len(keys) < 1000 { // not worth while
		slices.Sort(keys)
		return keys
	}
	const bits, mask = 11, 1<<11 - 1
	all := uint64(0)
	for _, k := range keys {
		all |= k
	}
	from, to := keys, make([]uint64, len(keys))
	for shift := 32; shift < 64 && all>>shift != 0; shift += bits {
		var starts [mask + 1]uint32
		for _, k := range from {
			starts[k>>shift&mask]++
		}
		sum := uint32(0)
		for i, c := range starts {
			starts[i] = sum
			sum += c
		}
		for _, k := range from {
			s := &starts[k>>shift&mask]
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
