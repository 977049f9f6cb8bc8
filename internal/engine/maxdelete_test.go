package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// numbered makes n messages "1:M1 2:M2 …" from the first one on.
func numbered(first, n int, flags string) string {
	var out []string
	for i := first; i < first+n; i++ {
		m := fmt.Sprintf("%d:M%d", i, i)
		if flags != "" {
			m += ":" + flags
		}
		out = append(out, m)
	}
	return strings.Join(out, " ")
}

// recorded is the state of n pairs.
func recorded(n int) string {
	out := fmt.Sprintf("pulled=%d pushed=%d", n, n)
	for i := 1; i <= n; i++ {
		out += fmt.Sprintf(" %d-%d", i, i)
	}
	return out
}

func with(d plan.Deletions, limit plan.Limit) func(*engine.Pair) {
	return func(p *engine.Pair) { p.Deletions, p.Rules.MaxDelete = d, limit }
}

// names lists the messages of both sides, without flags and UIDs.
func (w *pairWorld) listNames() (out [2][]string) {
	for t, d := range []string{sideText(w.far, "box"), sideText(w.near, "box")} {
		for _, m := range strings.Fields(d) {
			out[t] = append(out[t], strings.Split(m, ":")[1])
		}
		slices.Sort(out[t])
	}
	return out
}

// TestHeldAgain: as long as deletions are not propagated, each run reports the same, and
// copies only new messages.
func TestHeldAgain(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 3}
	for _, tt := range []struct{ name, far, near, rules string }{
		{"lost", numbered(1, 6, ""), "5:M5 6:M6", "sync expunge-far expunge-near"},
		{"marked", numbered(1, 6, ""), numbered(1, 4, "T") + " 5:M5 6:M6", "sync expunge-far expunge-near"},
		{"both", numbered(1, 6, ""), numbered(3, 4, "T"), "sync expunge-far expunge-near"},
		{"solo", numbered(1, 6, "T"), "5:M5 6:M6", "sync solo-far"},
		{"solo without Gone", numbered(1, 6, "T"), "5:M5 6:M6", "pull-all push-new solo-far"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := notation.ParseRules(t, tt.rules)
			sc := scenario{far: tt.far, near: tt.near, state: recorded(6)}
			w := sc.setup(t, c)
			before := ""
			for i := range 3 {
				res, l, err := w.run(c, modes[0], &killer{}, uint64(i+1), with(plan.Limited, limit))
				if err != nil || res.Problems != 1 || res.Fingerprint != "" || !strings.Contains(fmt.Sprint(l.messages), "MaxDelete allows 3") {
					t.Fatalf("%v, %d problems, fingerprint %q\n%v", err, res.Problems, res.Fingerprint, l.messages)
				}
				got := w.text(c.ExpireSide)
				if i > 0 && got != before { // the first run propagates other changes
					t.Fatalf("run %d changed\n%sto\n%s", i+1, before, got)
				}
				before = got
				if len(w.listNames()[syncstate.Far]) != 6 {
					t.Fatalf("messages are gone:\n%s", got)
				}
			}
			if _, _, err := w.run(c, modes[0], &killer{}, 9, with(plan.Allowed, limit)); err != nil {
				t.Fatal(err)
			}
			if got := w.listNames()[syncstate.Far]; len(got) > 2 {
				t.Errorf("allowed, but the far side has %v", got)
			}
		})
	}
}

// TestHeldForever: new mail does not raise a limit in percent until the deletions that
// are held no longer exceed it. Nor does a run that propagates no deletions.
func TestHeldForever(t *testing.T) {
	limit := plan.Limit{Set: true, Percent: true, Value: 50}
	for _, s := range syncstate.Sides { // which has lost messages
		for _, marked := range []bool{false, true} {
			t.Run(fmt.Sprint(s, marked), func(t *testing.T) {
				lost := numbered(56, 45, "")
				if marked {
					lost = numbered(1, 55, "T") + " " + lost
				}
				sc := scenario{far: numbered(1, 100, ""), near: numbered(1, 100, ""), state: recorded(100)}
				if s == syncstate.Far {
					sc.far = "next=101 " + lost
				} else {
					sc.near = "next=101 " + lost
				}
				all := notation.ParseRules(t, "sync expunge-far expunge-near")
				w := sc.setup(t, all)
				for i := range 6 {
					c := all
					if i == 2 {
						c = notation.ParseRules(t, "pull-new push-new")
					}
					d, eol := w.disk(syncstate.Side(i % 2))
					for j := range 10 {
						d.Deliver("box", mem.Message{Body: notation.Body(fmt.Sprintf("N%d", 10*i+j), eol)})
					}
					res, l, err := w.run(c, modes[0], &killer{}, uint64(i+1), with(plan.Limited, limit))
					if err != nil || i != 2 && res.Problems != 1 {
						t.Fatalf("run %d: %v, %d problems\n%v", i+1, err, res.Problems, l.messages)
					}
					if n := len(w.listNames()[s.Other()]); n != 100+10*(i+1) {
						t.Fatalf("run %d: %d messages are left", i+1, n)
					}
				}
				if _, _, err := w.run(all, modes[0], &killer{}, 9, with(plan.Allowed, limit)); err != nil {
					t.Fatal(err)
				}
				if n := len(w.listNames()[s.Other()]); n != 105 {
					t.Errorf("allowed, but %d messages are left", n)
				}
				if n, err := engine.ReadNotes(w.fs, statePath); err != nil || !n.Empty() {
					t.Errorf("notes: %+v, %v", n, err)
				}
			})
		}
	}
}

// TestReturned: a message that was moved away and back is paired again if its contents are
// the same. Another version of it is copied. A placeholder stays one.
func TestReturned(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 2}
	c := notation.ParseRules(t, "sync maxsize-near")
	for _, tt := range []struct{ name, far, near, want string }{
		{"the same", numbered(1, 6, ""), "5:M5 6:M6 7:M2", "pulled=6 pushed=7 1-1 3-3 4-4 5-5 6-6 2-7"},
		{"another version", numbered(1, 6, ""), "5:M5 6:M6 7:M2v", "pulled=7 pushed=7 1-1 2-2 3-3 4-4 5-5 6-6 7-7"},
		{"twice", numbered(1, 6, ""), "5:M5 6:M6 7:M2 8:M2", "pulled=7 pushed=8 1-1 3-3 4-4 5-5 6-6 2-7 7-8"},
		{"a placeholder", "1:M1 2:M2* 3:M3 4:M4 5:M5 6:M6", "5:M5 6:M6 7:M2p", "pulled=6 pushed=7 1-1 3-3 4-4 5-5 6-6 2-7:>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc := scenario{far: tt.far, near: tt.near, state: recorded(6)}
			w := sc.setup(t, c)
			w.near.Update("box", func(b *mem.BoxState) {
				for i := range b.Messages {
					switch m := &b.Messages[i]; notation.NameOf(m.Body) {
					case "M2v":
						m.Body = sameID("M2", "\n", "another version")
					case "M2p":
						var text strings.Builder
						body := notation.Body("M2*", "\r\n")
						conv := mail.Conversion{FromCRLF: true, Placeholder: &mail.Placeholder{Size: int64(len(body))}}
						if _, err := conv.Copy(&text, strings.NewReader(body)); err != nil {
							t.Fatal(err)
						}
						m.Body = text.String()
					}
				}
			})
			if _, _, err := w.run(c, modes[0], &killer{}, 1, with(plan.Limited, limit)); err != nil {
				t.Fatal(err)
			}
			if got := stateText(w.fs, c.ExpireSide); got != tt.want {
				t.Errorf("state:\n got  %s\n want %s", got, tt.want)
			}
		})
	}
}

// TestRestoreKilled: a run with --restore-deleted is killed at any step. Whatever the next
// runs do, no message is lost or duplicated.
func TestRestoreKilled(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 3}
	c := notation.ParseRules(t, "sync expunge-far expunge-near")
	all := []string{"M1", "M2", "M3", "M4", "M5", "M6", "M7"}
	for _, tt := range []struct{ name, far, near string }{
		{"lost", numbered(1, 6, ""), "6:M6 7:M7"},
		{"all lost", numbered(1, 6, ""), "7:M7"},
		{"marked", numbered(1, 6, ""), numbered(1, 5, "T") + " 6:M6 7:M7"},
		{"lost and marked", numbered(1, 6, ""), "3:M3:T 4:M4:T 5:M5 7:M7"},
		{"returned", numbered(1, 6, ""), "7:M7 8:M1 9:M2"},
		{"lost on the other side", "6:M6 7:M7", numbered(1, 6, "")},
	} {
		for _, m := range modes {
			t.Run(fmt.Sprint(tt.name, m), func(t *testing.T) {
				run := func(n int) int {
					sc := scenario{far: tt.far, near: tt.near, state: recorded(6)}
					w := sc.setup(t, c)
					k := &killer{n: n}
					_, _, err := w.run(c, m, k, 1, with(plan.Restored, limit))
					if n == 0 && err != nil {
						t.Fatal(err)
					}
					for seed, d := range []plan.Deletions{plan.Limited, plan.Restored, plan.Limited} {
						if _, l, err := w.run(c, m, &killer{}, uint64(seed+2), with(d, limit)); err != nil {
							t.Fatalf("killed at %d: %v\n%v", n, err, l.messages)
						}
					}
					for side, got := range w.listNames() {
						if !slices.Equal(got, all) {
							t.Errorf("killed at %d: side %d has %v\n%s", n, side, got, w.text(c.ExpireSide))
						}
					}
					return k.count
				}
				steps := run(0)
				for n := 1; n <= steps && !t.Failed(); n++ {
					run(n)
				}
			})
		}
	}
}

// TestAllowKilled: a run with --allow-deletions is killed at any step, and the next one
// completes it.
func TestAllowKilled(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 3}
	c := notation.ParseRules(t, "sync expunge-far expunge-near")
	run := func(n int) int {
		sc := scenario{far: numbered(1, 6, ""), near: "5:M5:T 6:M6", state: recorded(6)}
		w := sc.setup(t, c)
		k := &killer{n: n}
		_, _, err := w.run(c, modes[0], k, 1, with(plan.Allowed, limit))
		if n == 0 && err != nil {
			t.Fatal(err)
		}
		for seed, d := range []plan.Deletions{plan.Limited, plan.Allowed, plan.Limited} {
			if _, l, err := w.run(c, modes[0], &killer{}, uint64(seed+2), with(d, limit)); err != nil {
				t.Fatalf("killed at %d: %v\n%v", n, err, l.messages)
			}
		}
		if got := w.listNames(); !slices.Equal(got[0], []string{"M6"}) || !slices.Equal(got[1], got[0]) {
			t.Errorf("killed at %d: %v", n, got)
		}
		return k.count
	}
	steps := run(0)
	for n := 1; n <= steps && !t.Failed(); n++ {
		run(n)
	}
}

// TestRestoreMailbox: a mailbox that does not exist any more is created again and filled
// from the other side, whatever the other rules say, also if the run is killed at any step.
func TestRestoreMailbox(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 3}
	for _, side := range syncstate.Sides {
		for _, rules := range []string{"sync expunge-far expunge-near", "sync remove-far remove-near", "push-flags pull-flags"} {
			t.Run(fmt.Sprint(side, rules), func(t *testing.T) {
				c := notation.ParseRules(t, rules)
				run := func(n int) int {
					sc := scenario{far: numbered(1, 6, ""), near: numbered(1, 6, ""), state: recorded(6)}
					if side == syncstate.Far {
						sc.far = "!"
					} else {
						sc.near = "!"
					}
					w := sc.setup(t, c)
					k := &killer{n: n}
					_, _, err := w.run(c, modes[0], k, 1, with(plan.Restored, limit))
					if n == 0 && err != nil {
						t.Fatal(err)
					}
					// The usual run in between may refuse the mailbox, but must change nothing.
					_, _, _ = w.run(c, modes[0], &killer{}, 2, with(plan.Limited, limit))
					for seed, d := range []plan.Deletions{plan.Restored, plan.Limited} {
						if _, l, err := w.run(c, modes[0], &killer{}, uint64(seed+3), with(d, limit)); err != nil {
							t.Fatalf("killed at %d: %v\n%v", n, err, l.messages)
						}
					}
					for side, got := range w.listNames() {
						if want := []string{"M1", "M2", "M3", "M4", "M5", "M6"}; !slices.Equal(got, want) {
							t.Errorf("killed at %d: side %d has %v\n%s", n, side, got, w.text(c.ExpireSide))
						}
					}
					return k.count
				}
				steps := run(0)
				for n := 1; n <= steps && !t.Failed(); n++ {
					run(n)
				}
			})
		}
	}
}
