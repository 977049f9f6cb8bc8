package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"isync/internal/engine"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// TestPowerLoss cuts the power at every step of every scenario: what the
// program had not flushed is gone, wholly or in part. The next run must complete
// the work with the same messages on both sides. (The stores here lose nothing
// that they have confirmed; what a Maildir makes durable is its own test.)
func TestPowerLoss(t *testing.T) { cutPower(t, []int{0, 50, 50}) }

// TestSweepPowerLoss does it with more chances for what was not flushed.
func TestSweepPowerLoss(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	percents := []int{0}
	for i := range 40 {
		percents = append(percents, 10+2*i)
	}
	cutPower(t, percents)
}

func cutPower(t *testing.T, percents []int) {
	points := 0
	for _, list := range [][]scenario{basicScenarios, sizeScenarios, expireScenarios, closingScenarios, adoptions, disowned} {
		for _, sc := range list {
			if sc.wantErr != "" {
				continue
			}
			t.Run(sc.name, func(t *testing.T) {
				c := notation.ParseRules(t, sc.rules)
				start := sc.setup(t, c)
				done := start.clone()
				k := &killer{}
				if _, _, err := done.run(c, modes[0], k, 1); err != nil {
					t.Fatal(err)
				}
				for n := 1; n <= k.count && !t.Failed(); n++ {
					for i, percent := range percents {
						points++
						w := start.clone()
						_, _, _ = w.run(c, modes[0], &killer{n: n}, 1)
						w.fs = w.fs.CrashClone(percent, rand.New(rand.NewPCG(uint64(n), uint64(i))))
						at := w.text(c.ExpireSide)
						where := fmt.Sprintf("power cut at step %d of %d, %d %% survive (%d)", n, k.count, percent, i)
						if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
							t.Fatalf("%s: %v\nat the interruption:\n%s", where, err, at)
						}
						if got, want := w.messages(), done.messages(); got != want {
							t.Fatalf("%s:\n%swant:\n%sat the interruption:\n%s", where, got, want, at)
						}
						w.consistent(t, c.ExpireSide, where)
					}
				}
			})
		}
	}
	if !t.Failed() {
		t.Logf("%d power cuts, all resumed, 0 messages lost, 0 doubled", points)
	}
}

// TestEveryTornJournal cuts the power at every step of every scenario. Of the part of the journal that
// was not flushed, every number of entries survives, and every number with the beginning of the
// next one. Everything else survives.
func TestEveryTornJournal(t *testing.T) {
	path := statePath + engine.JournalSuffix
	points := 0
	for _, list := range [][]scenario{basicScenarios, sizeScenarios, expireScenarios, closingScenarios, adoptions, disowned} {
		for _, sc := range list {
			if sc.wantErr != "" {
				continue
			}
			t.Run(sc.name, func(t *testing.T) {
				c := notation.ParseRules(t, sc.rules)
				start := sc.setup(t, c)
				done := start.clone()
				k := &killer{}
				if _, _, err := done.run(c, modes[0], k, 1); err != nil {
					t.Fatal(err)
				}
				for n := 1; n <= k.count && !t.Failed(); n++ {
					w := start.clone()
					_, _, _ = w.run(c, modes[0], &killer{n: n}, 1)
					flushed, _ := readFile(w.fs.CrashClone(0, nil), path)
					written, _ := readFile(w.fs, path)
					for cut := len(flushed); cut < len(written); cut++ {
						if written[cut] != '\n' && (cut == 0 || written[cut-1] != '\n') {
							continue // in the middle of an entry
						}
						points++
						torn := w.clone()
						writeFile(t, torn.fs, path, written[:cut])
						at := torn.text(c.ExpireSide)
						where := fmt.Sprintf("power cut at step %d of %d, the journal is %q", n, k.count, written[:cut])
						if _, _, err := torn.run(c, modes[0], &killer{}, 2); err != nil {
							t.Fatalf("%s: %v\nat the interruption:\n%s", where, err, at)
						}
						if got, want := torn.messages(), done.messages(); got != want {
							t.Fatalf("%s:\n%swant:\n%sat the interruption:\n%s", where, got, want, at)
						}
						torn.consistent(t, c.ExpireSide, where)
					}
				}
			})
		}
	}
	if !t.Failed() {
		t.Logf("%d torn journals, all resumed, 0 messages lost, 0 doubled", points)
	}
}

// messages is what the mailboxes hold, whatever the UIDs.
func (w *pairWorld) messages() string {
	strip := func(s string) string {
		var out []string
		for f := range strings.FieldsSeq(s) {
			_, m, _ := strings.Cut(f, ":")
			out = append(out, m)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	return fmt.Sprintf("far:  %s\nnear: %s\n", strip(sideText(w.far, "box")), strip(sideText(w.near, "box")))
}

// consistent checks that records and mailboxes fit together.
func (w *pairWorld) consistent(t *testing.T, x syncstate.Side, where string) {
	t.Helper()
	data, err := readFile(w.fs, statePath)
	if err != nil {
		return
	}
	st, err := syncstate.Parse("state", data, x)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for _, s := range syncstate.Sides {
		disk := w.far
		if s == syncstate.Near {
			disk = w.near
		}
		box, _ := disk.Box("box")
		seen := map[uint32]bool{}
		for r := range st.Live() {
			u := uint32(r.UID[s])
			if u == 0 {
				continue
			}
			if seen[u] {
				t.Errorf("%s: two records for %s message %d", where, s, u)
			}
			seen[u] = true
		}
		names := map[string]bool{}
		for _, m := range box.Messages {
			name := notation.NameOf(m.Body)
			if names[name] {
				t.Errorf("%s: message %s is doubled on the %s side", where, name, s)
			}
			names[name] = true
		}
	}
}
