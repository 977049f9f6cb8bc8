package channel

import (
	"testing"
	"testing/synctest"

	"isync/internal/store"
)

// TestLightPairs: light pairs need no sessions, but their number and their sync states are
// limited. A light pair that needs sessions waits for them, and gives everything back.
func TestLightPairs(t *testing.T) {
	account := store.Sessions{Of: "account", Limit: 1}
	pair := func(box string, light int64) *claim {
		return &claim{accounts: []store.Sessions{account}, boxes: []string{box}, light: light}
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGate(16)
		enters := func(c *claim) (in *bool) {
			in = new(bool)
			go func() { *in = g.enter(t.Context(), *c) == nil }()
			synctest.Wait()
			return in
		}
		heavy := pair("heavy", 0)
		if !*enters(heavy) {
			t.Fatal("the first pair does not enter")
		}
		var light []*claim
		for i := range maxLight {
			c := pair("light"+string(rune('A'+i)), 1)
			light = append(light, c)
			if !*enters(c) {
				t.Fatalf("light pair %d does not enter", i)
			}
		}
		more := pair("more", 1)
		in := enters(more)
		if *in {
			t.Error("too many light pairs")
		}
		up := false
		go func() { up = g.upgrade(t.Context(), light[0]) == nil }()
		synctest.Wait()
		if up {
			t.Error("there is no session for it")
		}
		g.leave(*heavy)
		synctest.Wait()
		if !up || light[0].light != 0 {
			t.Error("there is a session for it")
		}
		// It is not light any more.
		if !*in {
			t.Error("there is room for another light pair")
		}
		same := enters(pair("lightA", 1))
		if *same {
			t.Error("a mailbox is in two pairs")
		}
		g.leave(*more)
		for _, c := range light {
			g.leave(*c)
		}
		synctest.Wait()
		if !*same {
			t.Error("the mailbox is free")
		}
		g.leave(*pair("lightA", 1))

		big := pair("big", maxLightWeight)
		if !*enters(big) {
			t.Error("a big pair does not enter alone")
		}
		small := pair("small", 1)
		in = enters(small)
		if *in {
			t.Error("too much")
		}
		g.leave(*big)
		synctest.Wait()
		if !*in {
			t.Error("there is room")
		}
		g.leave(*small)
		if g.lights != 0 || g.weight != 0 || g.pairs != 0 || len(g.used)+len(g.busy)+len(g.waiting) > 0 {
			t.Errorf("left: %+v", g)
		}
	})
}
