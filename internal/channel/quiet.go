package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/vfs"
)

// quiet remembers, from one run to the next, which pairs of a channel had
// nothing to do, and when they were as they were then (engine.Fingerprint). It
// is a cache and nothing more: whatever is missing or damaged in its file is not
// remembered. Of a pair it keeps two hashes only, of its name and of everything
// its synchronization depends on.
type quiet struct {
	fs   vfs.FS
	path string // "": nothing is remembered
	dry  bool   // nothing is written
	// stores tells where the stores are and how they are read.
	stores string

	mu      sync.Mutex
	entries map[pairID]quietEntry
	listed  [2]uint32 // how many mailboxes each store has
	changed bool
}

// pairID is a hash of the names of a pair.
type pairID [8]byte

// quietEntry is what is remembered of a pair.
type quietEntry struct {
	sum  [16]byte // of fingerprint and conditions
	seen int64    // when it was looked at, in seconds
}

// maxQuiet is for how long a pair is not looked at as long as it seems to be
// unchanged. Then it is, in case a server or file system tells only what it
// likes.
const maxQuiet = 7 * 24 * time.Hour

const quietMagic = "isync quiet pairs 1\n"

const quietHeader = 2 * 4

const quietSize = len(pairID{}) + len(quietEntry{}.sum) + 8

// quietOf reads what is remembered of a channel.
func (r *runner) quietOf(c *config.Channel) *quiet {
	q := &quiet{fs: r.FS, dry: r.DryRun, stores: storeTerms(c), entries: map[pairID]quietEntry{}}
	if r.Memory == "" || r.Controls != nil {
		return q
	}
	name := sha256.Sum256([]byte(r.MemoryKey + "\x00" + c.Name))
	q.path = filepath.Join(r.Memory, "pairs", hex.EncodeToString(name[:16]))
	data, err := vfs.ReadFile(q.fs, q.path)
	if err == nil {
		q.decode(data)
	}
	now := r.now()
	maps.DeleteFunc(q.entries, func(_ pairID, e quietEntry) bool { return !e.counts(now) })
	return q
}

// storeTerms returns everything in the sections of a channel's stores on which
// it depends what a mailbox of a certain name is, and which messages and flags
// are seen in it: elsewhere another mailbox may have the same mark.
func storeTerms(c *config.Channel) string {
	var b strings.Builder
	for _, e := range ends(c) {
		s := e.Store
		fmt.Fprintf(&b, "%q %v %q %q ", s.Path, s.HasPath, s.MapInbox, s.Flatten)
		if s.IMAP != nil {
			fmt.Fprintf(&b, "%q %v %d\n", accountKey(s.IMAP.Account), s.IMAP.UseNamespace, s.IMAP.PathDelimiter)
			continue
		}
		m := s.Maildir
		fmt.Fprintf(&b, "%q %d %v %d\n", m.Inbox, m.InfoDelimiter, m.AltMap, m.SubFolders)
	}
	return b.String()
}

// counts reports whether the entry is not too old.
func (e quietEntry) counts(now time.Time) bool {
	age := now.Sub(time.Unix(e.seen, 0))
	return age >= 0 && age <= maxQuiet
}

// decode reads the contents of a file.
func (q *quiet) decode(data []byte) {
	rest, ok := bytes.CutPrefix(data, []byte(quietMagic))
	if !ok || len(rest) < quietHeader+sha256.Size || (len(rest)-quietHeader-sha256.Size)%quietSize != 0 {
		return
	}
	body := rest[:len(rest)-sha256.Size]
	if sha256.Sum256(body) != [sha256.Size]byte(rest[len(body):]) {
		return
	}
	for t := range q.listed {
		q.listed[t] = binary.BigEndian.Uint32(body[4*t:])
	}
	for body = body[quietHeader:]; len(body) > 0; body = body[quietSize:] {
		var id pairID
		var e quietEntry
		n := copy(id[:], body)
		n += copy(e.sum[:], body[n:])
		e.seen = int64(binary.BigEndian.Uint64(body[n:]))
		q.entries[id] = e
	}
}

func (q *quiet) encode() []byte {
	b := make([]byte, 0, len(quietMagic)+quietHeader+len(q.entries)*quietSize+sha256.Size)
	b = append(b, quietMagic...)
	for _, n := range q.listed {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for id, e := range q.entries {
		b = append(append(b, id[:]...), e.sum[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(e.seen))
	}
	sum := sha256.Sum256(b[len(quietMagic):])
	return append(b, sum[:]...)
}

// save writes what is remembered, if that has changed. Failing does no harm.
func (q *quiet) save() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.path == "" || q.dry || !q.changed {
		return nil
	}
	q.changed = false
	if err := vfs.MkdirAll(q.fs, filepath.Dir(q.path), 0o700, false); err != nil {
		return err
	}
	return vfs.Replace(q.fs, q.path, q.encode(), 0o600)
}

// idOf is the identity of a pair.
func idOf(p *engine.Pair) pairID {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", p.Store[0].Name(), p.Box[0], p.Store[1].Name(), p.Box[1], p.StatePath))
	return pairID(h[:8])
}

// sumOf hashes everything that decides whether there is something to do.
func (q *quiet) sumOf(p *engine.Pair, fingerprint string) [16]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", q.stores)
	fmt.Fprintf(h, "%+v %v %v %v %v %q\n%s", p.Rules, p.ExpireSide, p.CopyArrivalDate, p.Create, p.Remove, p.TrashBox, fingerprint)
	return [16]byte(h.Sum(nil))
}

// knows reports whether anything is remembered of the pair.
func (q *quiet) knows(p *engine.Pair, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.entries[idOf(p)]
	return ok && e.counts(now)
}

// unchanged reports whether the pair had nothing to do when it was like this.
func (q *quiet) unchanged(p *engine.Pair, fingerprint string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.entries[idOf(p)]
	return fingerprint != "" && ok && e.counts(now) && e.sum == q.sumOf(p, fingerprint)
}

// note remembers how a pair has come out.
func (q *quiet) note(p *engine.Pair, res engine.Result, err error, now time.Time) {
	if q.path == "" || res.Unchanged {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	id := idOf(p)
	if err != nil || res.Fingerprint == "" {
		if _, ok := q.entries[id]; ok {
			delete(q.entries, id)
			q.changed = true
		}
		return
	}
	q.entries[id] = quietEntry{q.sumOf(p, res.Fingerprint), now.Unix()}
	q.changed = true
}

// lookAround finds out which of the pairs have nothing to do, without opening
// them. A single one is opened anyway: that tells as much.
func (r *runner) lookAround(ctx context.Context, q *quiet, jobs []job) error {
	if len(jobs) < 2 {
		return nil
	}
	var asked []*job
	var boxes [2][]string
	now := r.now()
	for i := range jobs {
		j := &jobs[i]
		if j.pair == nil || !q.knows(j.pair, now) {
			continue
		}
		asked = append(asked, j)
		for t := range boxes {
			boxes[t] = append(boxes[t], j.Box[t])
		}
	}
	if len(asked) == 0 {
		return nil
	}
	var marks [2][]string
	for t, st := range asked[0].stores {
		m, ok := store.As[store.Marker](st)
		if !ok {
			return nil
		}
		marks[t] = make([]string, len(asked))
		known := true
		for i, j := range asked {
			marks[t][i] = j.marks[t]
			known = known && j.marks[t] != ""
		}
		if known {
			continue
		}
		var err error
		if marks[t], err = m.Marks(ctx, boxes[t]); err != nil {
			return fmt.Errorf("looking for changes: %w", err)
		}
	}
	for i, j := range asked {
		fingerprint := engine.Fingerprint(j.pair, marks[0][i], marks[1][i])
		j.unchanged = q.unchanged(j.pair, fingerprint, now)
		// If it is known to have changed, nothing need wait for that to turn out.
		j.pair.MayBeUnchanged = j.unchanged || fingerprint == ""
	}
	return nil
}

// mostKnown reports whether so much is remembered of the channel that it is
// worth while to have the marks of all mailboxes of a side told along with their
// names.
func (q *quiet) mostKnown(t int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries) > 1 && 2*len(q.entries) >= int(q.listed[t])
}

// noteListed remembers how many mailboxes there are.
func (q *quiet) noteListed(listed [2]uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.listed != listed && q.path != "" {
		q.listed, q.changed = listed, true
	}
}

func (r *runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
