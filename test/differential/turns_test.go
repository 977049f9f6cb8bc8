package differential

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// turns is the life of one world on which the programs take turns.
type turns struct {
	w       *programWorld
	deleted map[string]bool // messages that a user removed or marked so
	limited [2]bool         // a round had MaxMessages that concern the side
}

// errEnded ends a history early: a run was refused or crashed, and its journal
// is of no use to the other program.
var errEnded = errors.New("ended early")

// takeTurns lets the programs take turns on the same files: in each round the
// one that is not first in the one before, and then both until nothing changes
// any more. Nothing may be lost, doubled, or changed back and forth.
func takeTurns(dir string, h history, newWorlds pairOfWorlds, t *tally) error {
	worlds, err := newWorlds(dir)
	if err != nil {
		return err
	}
	defer func() {
		for _, w := range worlds {
			w.close()
		}
		_ = os.RemoveAll(dir)
	}()
	tt := &turns{w: worlds[0], deleted: map[string]bool{}}
	for i, r := range h {
		err := tt.round(i, r, t)
		if errors.Is(err, errEnded) {
			break
		}
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.rounds++
		t.mu.Unlock()
	}
	t.mu.Lock()
	t.histories++
	t.mu.Unlock()
	return nil
}

// runsToSettle is how many runs after the first one may still change something.
const runsToSettle = 5

func (tt *turns) round(i int, r round, t *tally) error {
	for _, c := range r.changes {
		if c.kind == '-' || c.kind == '+' && strings.Contains(c.flags, "T") || c.kind == 'f' && c.flags == "T" {
			tt.deleted[c.name] = true
		}
		if err := tt.w.apply(c); err != nil {
			return err
		}
	}
	if r.number("max") > 0 {
		tt.limited[r.expireSide()] = true
	}
	start, err := tt.w.look()
	if err != nil {
		return err
	}
	story := start.String()
	last := start
	for n := range 1 + runsToSettle {
		p := []mbsync{theirs, ours}[(i+n)%2]
		out, err := tt.w.run(p, r)
		if err != nil {
			return err
		}
		if out.crashed || out.code != 0 {
			t.explain(p.name + " failed")
			return errEnded
		}
		now, err := tt.w.look()
		if err != nil {
			return err
		}
		if now.String() == last.String() && n > 0 {
			return nil
		}
		story += fmt.Sprintf("%s:\n%s%s", p.name, out.text, now)
		if p == theirs {
			for _, name := range lostByTheirs(r, last) {
				tt.deleted[name] = true
			}
		}
		if err := tt.kept(last, now); err != nil {
			return &difference{i, fmt.Sprintf("%s: %v\n%s", p.name, err, story)}
		}
		last = now
	}
	if e := swinging(r, last); e != "" {
		t.explain(e)
		return nil
	}
	return &difference{i, fmt.Sprintf("still changing after %d runs:\n%s", 1+runsToSettle, story)}
}

// kept checks that nothing was lost that nobody deleted, and nothing doubled.
func (tt *turns) kept(before, after *shot) error {
	for s, side := range sides {
		is, elsewhere := after.boxes[s].names(), after.boxes[1-s].names()
		for name, n := range is {
			if n > 1 {
				return fmt.Errorf("%s is doubled on the %s side", name, side)
			}
		}
		for name := range before.boxes[s].names() {
			expired := tt.limited[s] && elsewhere[name] > 0
			if is[name] == 0 && !tt.deleted[name] && !expired {
				return fmt.Errorf("%s is lost from the %s side", name, side)
			}
		}
	}
	return nil
}

// names counts the real messages.
func (b *box) names() map[string]int {
	out := map[string]int{}
	for _, m := range b.msgs {
		if !strings.HasSuffix(m.name, "?") && m.name != "" {
			out[m.name]++
		}
	}
	return out
}

// lostByTheirs returns messages that they may delete although nobody wanted it.
func lostByTheirs(r round, before *shot) []string {
	// They take their own mark for a user's.
	names := concerned("expirations are forgotten without MaxMessages", r, before, nil, nil)
	for p := range before.pairs() {
		if r.number("max") > 0 && p.placeholderOn(0) && p.msg[1] != nil {
			names = append(names, p.msg[1].name) // they expire the only copy
		}
	}
	return names
}

// swinging returns the name of the known difference that makes the programs
// change the same thing back and forth, "" if there is none.
func swinging(r round, before *shot) string {
	const placeholders, unlisted = "MaxMessages and placeholders", "MaxMessages and missing originals"
	switch {
	case len(concerned(placeholders, r, before, before, before)) > 0:
		return placeholders
	case r.number("max") > 0 && !r.has("sync") && !r.has("pull-flags"):
		return unlisted
	}
	return ""
}

func TestTakingTurns(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) {
		liveAll(t, ref, takeTurns, always(maildirs), sample, 4*time.Second)
	})
}

func TestSweepTakingTurns(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) {
		liveAll(t, ref, takeTurns, always(maildirs), math.MaxUint32, sweep(t))
	})
}
