package maildir

import (
	"bytes"
	"cmp"
	"slices"

	"isync/internal/mail"
)

// item is an entry without its name. There may be millions of items, so they are small, and have no
// pointers that the garbage collector would follow.
type item struct {
	at    spot
	uid   mail.UID
	sum   uint32 // nameSum of the name; 0: not computed yet
	size  uint16 // of the name
	flags mail.Flags
	dir   uint8
}

// entryList is a list of messages.
type entryList struct {
	items []item
	names nameStore
}

// entry returns the i-th message.
func (r *entryList) entry(i int) entry { return r.entryOf(r.items[i]) }

func (r *entryList) entryOf(it item) entry {
	return entry{name: string(r.name(it)), uid: it.uid, flags: it.flags, dir: it.dir}
}

// name returns a name. The caller must not change or keep it.
func (r *entryList) name(it item) []byte { return r.names.get(it.at, it.size) }

// all yields the messages in order.
func (r *entryList) all() func(yield func(int, entry) bool) {
	return func(yield func(int, entry) bool) {
		for i := range r.items {
			if !yield(i, r.entry(i)) {
				return
			}
		}
	}
}

// item makes an item of e, whose name is stored.
func (r *entryList) item(e entry) item {
	return item{at: r.names.add(e.name), size: uint16(len(e.name)), uid: e.uid, flags: e.flags, dir: e.dir}
}

// add adds a message at the end.
func (r *entryList) add(e entry) { r.items = append(r.items, r.item(e)) }

// insert adds a message before the i-th.
func (r *entryList) insert(i int, e entry) { r.items = slices.Insert(r.items, i, r.item(e)) }

// set replaces the i-th message.
func (r *entryList) set(i int, e entry) {
	if e.name == string(r.name(r.items[i])) {
		r.items[i].uid, r.items[i].flags, r.items[i].dir = e.uid, e.flags, e.dir
		return
	}
	r.items[i] = r.item(e)
}

// remove removes the messages from..to-1.
func (r *entryList) remove(from, to int) { r.items = slices.Delete(r.items, from, to) }

// removeIf removes the messages for which del returns true.
func (r *entryList) removeIf(del func(item) bool) { r.items = slices.DeleteFunc(r.items, del) }

// search returns the index of a UID, or the index where it would be inserted.
func (r *entryList) search(u mail.UID) (int, bool) {
	return slices.BinarySearchFunc(r.items, u, func(it item, u mail.UID) int { return cmp.Compare(it.uid, u) })
}

// compare orders by UID. It orders messages with the same UID, or without one, by name.
func (r *entryList) compare(a, b item) int {
	if a.uid != b.uid {
		return cmp.Compare(a.uid, b.uid)
	}
	return cmp.Or(bytes.Compare(r.name(a), r.name(b)), cmp.Compare(a.dir, b.dir))
}

// sort sorts by compare.
func (r *entryList) sort() {
	// Usually they are sorted already.
	if !slices.IsSortedFunc(r.items, r.compare) {
		slices.SortFunc(r.items, r.compare)
	}
}

// merge adds the messages of the pile, whose names are in r.names. r is sorted before and after.
func (r *entryList) merge(p *pile) {
	a, b := r.items, p.sorted(r.compare)
	switch {
	case len(a) == 0:
		r.items = b
		return
	case len(b) == 0:
		return
	}
	out := make([]item, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if r.compare(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	r.items = append(append(out, a...), b...)
}

// tidy drops the names of messages that are not in the list any more, if they take more memory than
// the others.
func (r *entryList) tidy() {
	used := 0
	for _, it := range r.items {
		used += int(it.size)
	}
	if r.names.size <= 2*used+nameChunk {
		return
	}
	var names nameStore
	for i, it := range r.items {
		r.items[i].at = names.add(string(r.name(it)))
	}
	r.names = names
}

// spot is where a name is in a nameStore: the chunk, and the offset there.
type spot uint32

// nameChunk is the size of a chunk, in bytes.
const (
	nameChunkBits = 16
	nameChunk     = 1 << nameChunkBits
	// maxNameChunks is the maximum number of chunks that a spot can address: 4 GB.
	maxNameChunks = 1 << (32 - nameChunkBits)
)

// nameStore holds names.
type nameStore struct {
	chunks [][]byte
	size   int // of all names
}

// add stores the name of a message. The store must not be full.
func (s *nameStore) add(name string) spot {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1])+len(name) > nameChunk {
		if n == maxNameChunks {
			panic("the names of messages take more than 4 GB")
		}
		// The first chunk grows, because most mailboxes are small.
		var chunk []byte
		if n > 0 {
			chunk = make([]byte, 0, nameChunk)
		}
		s.chunks = append(s.chunks, chunk)
		n++
	}
	c := &s.chunks[n-1]
	at := spot((n-1)<<nameChunkBits | len(*c))
	*c = append(*c, name...)
	s.size += len(name)
	return at
}

// full reports whether the store is nearly full.
func (s *nameStore) full() bool { return len(s.chunks) > maxNameChunks*9/10 }

// get returns a name that was stored.
func (s *nameStore) get(at spot, size uint16) []byte {
	off := int(at & (nameChunk - 1))
	return s.chunks[at>>nameChunkBits][off : off+int(size)]
}

// pile is a list of items. When it grows, it does not copy items.
type pile struct{ chunks [][]item }

// chunkSize is the number of items in a chunk. The first chunk may be smaller.
const chunkSize = 1 << 12

func (p *pile) add(it item) {
	n := len(p.chunks)
	switch {
	case n == 0:
		p.chunks = append(p.chunks, nil)
		n++
	case len(p.chunks[n-1]) == chunkSize:
		p.chunks = append(p.chunks, make([]item, 0, chunkSize))
		n++
	}
	p.chunks[n-1] = append(p.chunks[n-1], it)
}

// sorted returns the items sorted by compare, which orders by UIDs first, and empties the pile.
//
// Directories list names in no useful order, and there may be a million names. Since UIDs are
// numbers, they can be sorted without comparing names.
func (p *pile) sorted(compare func(a, b item) int) []item {
	out := slices.Concat(p.chunks...)
	p.chunks = nil
	out = sortByUID(out)
	// Sort messages with the same UID. Usually there are none, or many messages without a UID.
	for i, n := 0, len(out); i < n; {
		j := i + 1
		for j < n && out[j].uid == out[i].uid {
			j++
		}
		if j > i+1 {
			slices.SortFunc(out[i:j], compare)
		}
		i = j
	}
	return out
}

// sortByUID sorts by UID, 11 bits at a time, beginning with the lowest (radix sort). It may overwrite
// items.
func sortByUID(items []item) []item {
	byUID := func(a, b item) int { return cmp.Compare(a.uid, b.uid) }
	if slices.IsSortedFunc(items, byUID) {
		return items
	}
	if len(items) < 1000 { // not worth while
		slices.SortFunc(items, byUID)
		return items
	}
	const bits, mask = 11, 1<<11 - 1
	all := mail.UID(0)
	for _, it := range items {
		all |= it.uid
	}
	from, to := items, make([]item, len(items))
	for shift := 0; shift < 32 && all>>shift != 0; shift += bits {
		var starts [mask + 1]uint32
		for i := range from {
			starts[from[i].uid>>shift&mask]++
		}
		sum := uint32(0)
		for i, c := range starts {
			starts[i] = sum
			sum += c
		}
		for _, it := range from {
			s := &starts[it.uid>>shift&mask]
			to[*s] = it
			*s++
		}
		from, to = to, from
	}
	return from
}
