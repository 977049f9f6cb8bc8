package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/testkit/notation"
)

// TestRoomIsMade: an account becomes full while messages are copied to it, and messages
// are expunged after that. What was stored before it was full is not stored again, also
// if the server does not tell UIDs, or the run is killed at any step.
func TestRoomIsMade(t *testing.T) {
	for _, tells := range []bool{true, false} {
		for room := range 5 {
			for async := range 3 {
				t.Run(fmt.Sprintf("tells %v, room for %d, %d at once", tells, room, async+1), func(t *testing.T) {
					k := &killer{}
					roomIsMade(t, tells, room, async, k)
					for n := 1; n <= k.count && !t.Failed(); n++ {
						if roomIsMade(t, tells, room, async, &killer{n: n}); t.Failed() {
							t.Logf("killed at step %d of %d", n, k.count)
						}
					}
				})
			}
		}
	}
}

func roomIsMade(t *testing.T, tells bool, room, async int, k *killer) {
	t.Helper()
	c := notation.ParseRules(t, "sync expunge-far expunge-near")
	sc := scenario{far: "1:X:T", near: "1:X 2:A 3:B 4:C 5:D", state: "pulled=1 pushed=1 1-1"}
	w := sc.setup(t, c)
	caps := mem.IMAPCaps
	caps.ReportsUIDs = tells
	left := room
	hook := func(op mem.Op) error {
		switch {
		case op.Kind == mem.OpClose:
			return nil
		case k.step(!op.After) && !op.After:
			return &store.StoreError{Store: "far", Err: errKilled}
		case op.Kind == mem.OpRemove && op.After:
			left = 100
		case op.Kind == mem.OpPutItem && !op.After:
			if left--; left < 0 {
				return &store.BoxError{Store: "far", Box: "box", Err: &store.FullError{Err: errors.New("over quota")}}
			}
		}
		return nil
	}
	_, _, err := w.run(c, modes[0], k, 1, func(p *engine.Pair) {
		p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: caps, Async: async, Hook: hook})
	})
	if err != nil && k.n == 0 {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, _, err := w.run(c, modes[0], &killer{}, uint64(2+i)); err != nil {
			t.Fatal(err)
		}
	}
	far, near := w.names(0), w.names(1)
	for _, name := range []string{"A", "B", "C", "D"} {
		if far[name] != 1 || near[name] != 1 {
			t.Errorf("%s: %d times far, %d times near", name, far[name], near[name])
		}
	}
	if far["X"]+near["X"] != 0 {
		t.Errorf("X is still there: %d, %d", far["X"], near["X"])
	}
}
