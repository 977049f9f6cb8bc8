package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/memo"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// quiet stores which pairs of a channel had nothing to do in the last run, with their fingerprints
// (engine.Fingerprint).
type quiet struct {
	*memo.Pairs
	on     bool // anything is remembered
	dry    bool // nothing is saved
	stores [2]storeTerms
}

// quietOf reads the stored data of a channel.
func (r *run) quietOf(c *config.Channel, stores [2]store.Store) *quiet {
	q := &quiet{Pairs: new(memo.Pairs), dry: r.DryRun, on: r.Memory != "" && r.Controls == nil}
	for t, e := range ends(c) {
		s := e.Store
		q.stores[t] = storeTerms{s.Path, s.HasPath, s.MapInbox, s.Flatten, stores[t].Terms()}
	}
	if q.on {
		name := sha256.Sum256([]byte(r.MemoryKey + "\x00" + c.Name))
		q.Pairs = memo.LoadPairs(r.FS, filepath.Join(r.Memory, "pairs", hex.EncodeToString(name[:16])), r.now())
	}
	return q
}

// pairTerms contains everything that determines whether a pair has something to do. It is hashed as a
// whole, so its fields must be plain values.
type pairTerms struct {
	Rules           plan.Rules
	ExpireSide      syncstate.Side
	Adopt           engine.Adopt
	CopyArrivalDate bool
	Create, Remove  [2]bool
	TrashBox        [2]string
	Stores          [2]storeTerms
	Fingerprint     string // see engine.Fingerprint
}

// storeTerms contains everything about a store that determines which mailbox a name refers to, and
// which messages and flags it has. With other terms, the same mark may be that of another mailbox.
type storeTerms struct {
	Path     string
	HasPath  bool
	MapInbox string
	Flatten  string
	Terms    string // see store.Place
}

func (t *pairTerms) sum() memo.PairSum {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", *t))
	return memo.PairSum(sum[:16])
}

// sumOf returns the hash of everything that determines whether a pair with this fingerprint has
// something to do.
func (q *quiet) sumOf(p *engine.Pair, fingerprint string) memo.PairSum {
	t := pairTerms{p.Rules, p.ExpireSide, p.Adopt, p.CopyArrivalDate, p.Create, p.Remove, p.TrashBox, q.stores, fingerprint}
	return t.sum()
}

// idOf is the identity of a pair.
func idOf(p *engine.Pair) memo.PairID {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", p.Store[0].Name(), p.Box[0], p.Store[1].Name(), p.Box[1], p.StatePath))
	return memo.PairID(h[:8])
}

// knows reports whether there is stored data about the pair.
func (q *quiet) knows(p *engine.Pair, now time.Time) bool { return q.Knows(idOf(p), now) }

// unchanged reports whether the pair had nothing to do when it was like this.
func (q *quiet) unchanged(p *engine.Pair, fingerprint string, now time.Time) bool {
	return fingerprint != "" && q.Unchanged(idOf(p), q.sumOf(p, fingerprint), now)
}

// note stores the result of a pair.
func (q *quiet) note(p *engine.Pair, res engine.Result, err error, now time.Time) {
	switch {
	case !q.on || res.Unchanged:
	case err != nil || res.Fingerprint == "":
		q.Forget(idOf(p))
	default:
		q.Note(idOf(p), q.sumOf(p, res.Fingerprint), now)
	}
}

// save writes the data if it has changed. A failure does no harm.
func (q *quiet) save() error {
	if q.dry {
		return nil
	}
	return q.Save()
}

// lookAround determines which pairs have nothing to do, without opening them. A single pair is opened
// instead, which returns the same data, unless the marks of its mailboxes are known or were requested.
func (r *run) lookAround(ctx context.Context, q *quiet, jobs []job) error {
	var asked []*job
	var boxes [2][]string
	now := r.now()
	for i := range jobs {
		j := &jobs[i]
		if len(jobs) == 1 && q.on && j.pair != nil {
			needMarks(j)
		}
		if j.pair == nil || j.pair.Unchanged == nil || !q.knows(j.pair, now) {
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
		ask, ok := asker(st, len(jobs) == 1)
		marks[t] = make([]string, len(asked))
		known := true
		for i, j := range asked {
			marks[t][i] = j.marks[t]
			known = known && j.marks[t] != ""
		}
		if known {
			continue
		}
		if !ok {
			return nil
		}
		var err error
		if marks[t], err = ask(ctx, boxes[t]); err != nil {
			return fmt.Errorf("looking for changes: %w", err)
		}
		if len(jobs) == 1 && marks[t][0] == "" {
			return nil
		}
	}
	for i, j := range asked {
		fingerprint := engine.Fingerprint(j.pair, marks[0][i], marks[1][i])
		j.unchanged = q.unchanged(j.pair, fingerprint, now)
		// If it is known to have changed, work can begin at once.
		j.pair.MayBeUnchanged = j.unchanged || fingerprint == ""
	}
	return nil
}

// needMarks makes the next run request the marks of a single pair of mailboxes together with
// those of other channels.
func needMarks(j *job) {
	for t, st := range j.stores {
		if a, ok := store.As[store.AheadMarker](st); ok && j.marks[t] == "" {
			a.NeedMarks([]string{j.Box[t]})
		}
	}
}

// asker returns how to get the marks of mailboxes of a store. single: it must not take
// longer than opening a mailbox.
func asker(st store.Store, single bool) (ask func(context.Context, []string) ([]string, error), ok bool) {
	m, ok := store.As[store.Marker](st)
	if !ok {
		return nil, false
	}
	if !single {
		return m.Marks, true
	}
	if a, ok := store.As[store.AheadMarker](st); ok {
		return a.MarksAhead, true
	}
	_, local := store.As[store.Local](st)
	return m.Marks, local
}

func (r *run) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
