package memo

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"isync/internal/vfs"
)

// MaxPairAge is the maximum time for which a pair that seems unchanged is not opened. After it
// the pair is opened, in case a server or file system does not report all changes.
const MaxPairAge = 7 * 24 * time.Hour

// PairID identifies a pair within a file: a hash of its names.
type PairID [8]byte

// PairSum is a hash of everything that determines whether a pair needs work.
type PairSum [16]byte

// Pairs stores which pairs of a channel needed no work in the last run, with a hash of the
// conditions. It is safe for concurrent use. The zero value is empty.
type Pairs struct {
	fs   vfs.FS
	path string // "": nothing is stored

	mu      sync.Mutex
	entries map[PairID]pairEntry
	listed  [2]uint32
	changed bool
}

// pairEntry is the entry of a pair.
type pairEntry struct {
	sum  PairSum
	seen int64 // when the pair was opened, in seconds since 1970
}

// counts reports whether the entry is not older than MaxPairAge.
func (e pairEntry) counts(now time.Time) bool {
	age := now.Sub(time.Unix(e.seen, 0))
	return age >= 0 && age <= MaxPairAge
}

const (
	pairsMagic  = "isync quiet pairs 1\n"
	pairsHeader = 2 * 4
	pairSize    = len(PairID{}) + len(PairSum{}) + 8
)

// LoadPairs reads the file at path. It leaves out entries that are too old at the time now.
func LoadPairs(fsys vfs.FS, path string, now time.Time) *Pairs {
	p := &Pairs{fs: fsys, path: path, entries: make(map[PairID]pairEntry)}
	if data, err := vfs.ReadFile(fsys, path); err == nil {
		p.decode(data)
	}
	maps.DeleteFunc(p.entries, func(_ PairID, e pairEntry) bool { return !e.counts(now) })
	return p
}

// decode parses the contents of a file. If they are invalid, p stays empty.
func (p *Pairs) decode(data []byte) {
	rest, ok := bytes.CutPrefix(data, []byte(pairsMagic))
	if !ok || len(rest) < pairsHeader+sha256.Size || (len(rest)-pairsHeader-sha256.Size)%pairSize != 0 {
		return
	}
	body := rest[:len(rest)-sha256.Size]
	if sha256.Sum256(body) != [sha256.Size]byte(rest[len(body):]) {
		return
	}
	for t := range p.listed {
		p.listed[t] = binary.BigEndian.Uint32(body[4*t:])
	}
	for body = body[pairsHeader:]; len(body) > 0; body = body[pairSize:] {
		var id PairID
		var e pairEntry
		n := copy(id[:], body)
		n += copy(e.sum[:], body[n:])
		e.seen = int64(binary.BigEndian.Uint64(body[n:]))
		p.entries[id] = e
	}
}

func (p *Pairs) encode() []byte {
	b := make([]byte, 0, len(pairsMagic)+pairsHeader+len(p.entries)*pairSize+sha256.Size)
	b = append(b, pairsMagic...)
	for _, n := range p.listed {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for id, e := range p.entries {
		b = append(append(b, id[:]...), e.sum[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(e.seen))
	}
	sum := sha256.Sum256(b[len(pairsMagic):])
	return append(b, sum[:]...)
}

// Save writes the file if it has changed since it was read or saved.
func (p *Pairs) Save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" || !p.changed {
		return nil
	}
	p.changed = false
	if err := vfs.MkdirAll(p.fs, filepath.Dir(p.path), 0o700, false); err != nil {
		return err
	}
	return vfs.Replace(p.fs, p.path, p.encode(), 0o600)
}

// Knows reports whether there is an entry for a pair.
func (p *Pairs) Knows(id PairID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.entries[id]
	return ok && e.counts(now)
}

// Unchanged reports whether the pair needed no work when it had this sum.
func (p *Pairs) Unchanged(id PairID, sum PairSum, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.entries[id]
	return ok && e.counts(now) && e.sum == sum
}

// Note records that a pair needed no work.
func (p *Pairs) Note(id PairID, sum PairSum, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		p.entries[id] = pairEntry{sum, now.Unix()}
		p.changed = true
	}
}

// Forget removes the entry of a pair.
func (p *Pairs) Forget(id PairID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.entries[id]; ok {
		delete(p.entries, id)
		p.changed = true
	}
}

// NoteListed records the number of mailboxes of the two stores.
func (p *Pairs) NoteListed(listed [2]uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listed != listed && p.path != "" {
		p.listed, p.changed = listed, true
	}
}

// Most reports whether there are entries for at least one pair and for at least half of the
// mailboxes of store t. Then it is worthwhile to request the marks of all mailboxes together with
// their names.
func (p *Pairs) Most(t int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries) > 0 && 2*len(p.entries) >= int(p.listed[t])
}
