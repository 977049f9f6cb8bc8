package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Reasons change nothing else; there are none unless they are asked for; and
// whatever is done to a message has one.
func TestReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		plain := Make(in)
		if plain.Reasons != nil {
			t.Fatalf("%v", plain.Reasons)
		}
		in.Explain = true
		p := Make(in)
		about := map[syncstate.Side]map[mail.UID]bool{0: {}, 1: {}}
		for _, r := range p.Reasons {
			for _, s := range syncstate.Sides {
				about[s][r.UID[s]] = true
			}
			if r.Text == "" || r.String() == r.Text && r.UID != [2]mail.UID{} {
				t.Fatalf("%+v: %s", r, r)
			}
		}
		for _, s := range syncstate.Sides {
			for _, c := range p.Copies[s] {
				if !about[s.Other()][c.UID] {
					t.Fatalf("no reason to copy %s UID %d", s.Other(), c.UID)
				}
			}
			for _, c := range p.Flags[s] {
				if c.Add|c.Del != 0 && !about[s][c.UID] {
					t.Fatalf("no reason to change %s UID %d", s, c.UID)
				}
			}
			if d := cmp.Diff(describe(plain, s), describe(p, s)); d != "" {
				t.Fatal(d)
			}
		}
		c := Close(in)
		in.Explain = false
		if len(Close(in).Reasons) > 0 {
			t.Fatal("reasons nobody asked for")
		}
		for _, s := range syncstate.Sides {
			clear(about[s])
			for _, r := range c.Reasons {
				about[s][r.UID[s]] = true
			}
			for u := range c.Expunge[s].All() {
				if !about[s][u] {
					t.Fatalf("no reason to expunge %s UID %d", s, u)
				}
			}
		}
	})
}
