//go:build !race

// The race detector takes room of its own.

package plan_test

import (
	"runtime"
	"testing"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// allocated returns how many bytes f allocates, those included that it gives up.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestRoom: of a million messages, those about which there is nothing to decide
// take as good as nothing, and new ones no more than what has to be known of them.
func TestRoom(t *testing.T) {
	const n = 50_000
	same := large(n, 0, 0)
	first := plan.Input{State: syncstate.New(syncstate.Near), Rules: same.Rules, Box: same.Box}
	first.Box[syncstate.Near].Messages = nil
	for _, c := range []struct {
		name   string
		in     plan.Input
		copies int
		bound  int64 // bytes for each message
	}{
		{"same", same, 0, 9},
		// A record, what is planned for it, a change of the state, and a copy.
		{"first run", first, n, 110},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p *plan.Plan
			got := allocated(func() { p = plan.Make(c.in) }) / n
			if got > c.bound {
				t.Errorf("planning took %d bytes for each message, more than %d", got, c.bound)
			}
			if len(p.Copies[syncstate.Near]) != c.copies {
				t.Errorf("%d copies", len(p.Copies[syncstate.Near]))
			}
		})
	}
	if got := allocated(func() { plan.Prune(same, [2]mail.UIDSet{}) }) / n; got > 0 {
		t.Errorf("looking for obsolete records took %d bytes for each", got)
	}
}
