package vfstest

import (
	"math/rand/v2"
	"slices"
)

// CrashClone returns the file system as it would be after a power cut at this moment. It does not
// change m.
//
// Everything that was flushed survives. Each unflushed change of a directory survives with the
// given probability in percent, unless it depends on a change that does not survive. For each
// file, the unflushed bytes survive together, with the same probability. If percent is not 0, a
// file whose bytes do not survive may be torn: it has a prefix of the bytes since the last flush,
// and the rest may be zeros.
//
// With percent 0 nothing unflushed survives, and with 100 everything. The result depends only on
// rng (used between 0 and 100) and on the order of the operations so far. Locks are lost; times
// are kept.
func (m *Mem) CrashClone(percent int, rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	survives := func() bool {
		return percent >= 100 || percent > 0 && rng.IntN(100) < percent
	}
	// The order is that of creation, so that the result is reproducible.
	kept := make(map[*dirChange]bool)
	perDir := make(map[*memNode][]*dirChange)
	for _, c := range m.pending {
		if c.durable {
			continue
		}
		kept[c] = survives() && !slices.ContainsFunc(c.needs, func(n *dirChange) bool {
			return !n.durable && !kept[n]
		})
		if kept[c] {
			perDir[c.dir] = append(perDir[c.dir], c)
		}
	}

	clone := NewMem(m.clock)
	clone.inode = m.inode
	copies := make(map[*memNode]*memNode)
	var copyNode func(n *memNode) *memNode
	copyNode = func(n *memNode) *memNode {
		if c := copies[n]; c != nil {
			return c
		}
		c := &memNode{inode: n.inode, mode: n.mode, mtime: n.mtime, ctime: n.ctime}
		copies[n] = c
		if !n.mode.IsDir() {
			c.data = n.crashed(percent, survives, rng)
			c.durable = slices.Clone(c.data)
			return c
		}
		c.entries = make(map[string]*memNode)
		c.durableEntries = make(map[string]*memNode)
		entries := make(map[string]*memNode, len(n.durableEntries))
		for name, e := range n.durableEntries {
			entries[name] = e
		}
		for _, change := range perDir[n] {
			for name, e := range change.set {
				if e == nil {
					delete(entries, name)
				} else {
					entries[name] = e
				}
			}
		}
		for _, name := range sortedKeys(entries) {
			e := copyNode(entries[name])
			c.entries[name], c.durableEntries[name] = e, e
		}
		return c
	}
	clone.root = copyNode(m.root)
	return clone
}

// crashed returns the surviving bytes of a file.
func (n *memNode) crashed(percent int, survives func() bool, rng *rand.Rand) []byte {
	if len(n.writes) == 0 || survives() {
		return slices.Clone(n.data)
	}
	b := slices.Clone(n.durable)
	if percent <= 0 {
		return b
	}
	total := 0
	for _, w := range n.writes {
		total += max(len(w.data), 1)
	}
	left := rng.IntN(total)
	for _, w := range n.writes {
		cost := max(len(w.data), 1)
		if cost > left {
			w.data = w.data[:min(left, len(w.data))]
			if left == 0 || len(w.data) == 0 {
				break
			}
			b = w.apply(b)
			break
		}
		b = w.apply(b)
		left -= cost
	}
	if missing := len(n.data) - len(b); missing > 0 && rng.IntN(4) == 0 {
		b = append(b, make([]byte, missing)...)
	}
	return b
}

func sortedKeys(m map[string]*memNode) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
