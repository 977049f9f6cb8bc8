package engine_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// allScenarios are those that end well.
func allScenarios() []scenario {
	var out []scenario
	for _, list := range [][]scenario{basicScenarios, sizeScenarios, expireScenarios, closingScenarios, validityScenarios} {
		for _, sc := range list {
			if sc.wantErr == "" {
				out = append(out, sc)
			}
		}
	}
	return out
}

// TestReplayedJournalEqualsCommit keeps the journal of a finished run: replayed
// on the old state it gives the state that would have been committed.
func TestReplayedJournalEqualsCommit(t *testing.T) {
	for _, sc := range allScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			c := notation.ParseRules(t, sc.rules)
			w := sc.setup(t, c)
			old, _ := readFile(w.fs, statePath)
			done := w.clone()
			if _, _, err := done.run(c, modes[0], &killer{}, 1); err != nil {
				t.Fatal(err)
			}
			want, err := readFile(done.fs, statePath)
			if err != nil {
				return // the pair was removed
			}
			steps := &engine.Steps{Operations: true}
			var reported, written int
			_, _, err = w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
				p.LogImplied = true
				p.Controls = &engine.Controls{Steps: steps, KeepJournal: true, Report: func(n, entries int) {
					reported = entries
					now, _ := readFile(w.fs, statePath+".journal")
					written = bytes.Count(now, []byte("\n"))
				}}
			})
			if err != nil {
				t.Fatal(err)
			}
			journal, err := readFile(w.fs, statePath+".journal")
			if err != nil {
				if string(old) != string(want) {
					t.Errorf("no journal, but the state changed:\n%s\n%s", old, want)
				}
				return
			}
			st := syncstate.New(c.ExpireSide)
			if len(old) > 0 {
				if st, err = syncstate.Parse("state", old, c.ExpireSide); err != nil {
					t.Fatal(err)
				}
			}
			if _, torn, err := syncstate.Replay(st, "journal", journal); err != nil || torn != nil {
				t.Fatal(err, torn)
			}
			if got := string(st.AppendTo(nil)); got != string(want) {
				t.Errorf("replayed:\n%s\ncommitted:\n%s\njournal:\n%s", got, want, journal)
			}
			if kept, _ := readFile(w.fs, statePath+".new"); string(kept) != string(want) {
				t.Errorf("kept:\n%s\ncommitted:\n%s", kept, want)
			}
			if reported != max(written-1, 0) {
				t.Errorf("%d entries were reported, the journal had %d lines then", reported, written)
			}
			// A run that continues it, and has nothing to add, keeps it, too.
			again := w.clone()
			writeFile(t, again.fs, statePath+".new", nil)
			_, _, err = again.run(c, modes[0], &killer{}, 2, func(p *engine.Pair) {
				p.Controls = &engine.Controls{KeepJournal: true, Report: func(int, int) {}}
			})
			if err != nil {
				t.Fatal(err)
			}
			if kept, _ := readFile(again.fs, statePath+".new"); string(kept) != string(want) {
				t.Errorf("kept by a run that continued the journal:\n%s\ncommitted:\n%s", kept, want)
			}
			// And the next run completes what it finds.
			if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
				t.Fatal(err)
			}
			if got, want := w.text(c.ExpireSide), done.text(c.ExpireSide); got != want {
				t.Errorf("the run after it ends with:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestSteps ends the program right after each step, which are the same ones in
// every run, and has another run resume.
func TestSteps(t *testing.T) { endAfterSteps(t) }

// TestSweepSteps is the same, told with numbers by make crash.
func TestSweepSteps(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	endAfterSteps(t)
}

func endAfterSteps(t *testing.T) {
	points := 0
	for _, sc := range allScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			c := notation.ParseRules(t, sc.rules)
			start := sc.setup(t, c)
			for async := range 3 {
				control := func(s *engine.Steps) func(*engine.Pair) {
					return func(p *engine.Pair) {
						p.Controls = &engine.Controls{Steps: s, Async: [2]bool{async > 0, async > 1}}
					}
				}
				done := start.clone()
				total := &engine.Steps{Operations: true}
				if _, _, err := done.run(c, modes[0], &killer{}, 1, control(total)); err != nil {
					t.Fatal(err)
				}
				want := done.text(c.ExpireSide)
				n, _ := total.Total()
				for limit := 1; limit <= n; limit++ {
					points++
					w := start.clone()
					s := &engine.Steps{Operations: true, Limit: limit, Exit: func() { panic(errKilled) }}
					func() {
						defer func() {
							if r := recover(); r != nil && !errors.Is(r.(error), errKilled) {
								panic(r)
							}
						}()
						_, _, err := w.run(c, modes[0], &killer{}, 1, control(s))
						t.Errorf("limit %d of %d was not reached: %v", limit, n, err)
					}()
					w = w.clone() // without the locks
					if _, _, err := w.run(c, modes[0], &killer{}, 2, control(&engine.Steps{Operations: true})); err != nil {
						t.Fatalf("resumed after step %d of %d: %v", limit, n, err)
					}
					if got := w.text(c.ExpireSide); got != want {
						t.Fatalf("resumed after step %d of %d:\n%swant:\n%s", limit, n, got, want)
					}
				}
			}
		})
	}
	if !t.Failed() {
		t.Logf("%d interruption points of %d scenarios, all resumed identically", points, len(allScenarios()))
	}
}

// TestDryRun: a dry run foresees what a real one does, and touches nothing.
func TestDryRun(t *testing.T) {
	for _, sc := range allScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			c := notation.ParseRules(t, sc.rules)
			w := sc.setup(t, c)
			before := w.text(c.ExpireSide)
			dry := func(p *engine.Pair) { p.DryRun, p.Preview = true, true }
			foreseen, _, err := w.run(c, modes[0], &killer{}, 1, dry, func(p *engine.Pair) {
				fault := p.FS.(*vfstest.Fault)
				fault.Inject(vfstest.Rule{Ops: vfstest.OpChanges | vfstest.OpLock, Nth: 1, Every: true, Err: syscall.EROFS})
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.text(c.ExpireSide); got != before {
				t.Errorf("changed:\n%swas:\n%s", got, before)
			}
			res, _, err := w.run(c, modes[0], &killer{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			if foreseen.Counts != res.Counts {
				t.Errorf("foreseen %+v, done %+v", foreseen.Counts, res.Counts)
			}
			var shown [2]event.Counts
			for _, f := range foreseen.Foreseen {
				count := func(n *int, is bool) {
					if is {
						*n++
					}
				}
				count(&shown[1-f.Side].New, f.Copy)
				count(&shown[f.Side].Flags, f.Add|f.Del != 0)
				count(&shown[f.Side].Trashed, f.Trash || f.RemoteTrash)
				count(&shown[f.Side].Expunged, f.Expunge)
				if f.Subject == "" || f.Size == 0 {
					t.Errorf("message without size or subject: %+v", f)
				}
			}
			if shown != foreseen.Counts {
				t.Errorf("shown %+v, foreseen %+v", shown, foreseen.Counts)
			}
		})
	}
}
