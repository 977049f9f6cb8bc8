package engine_test

import (
	"fmt"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// TestNotDelivered: a message that is there, but was not delivered when it was read, is
// copied by a later run. One that has vanished is passed over.
func TestNotDelivered(t *testing.T) {
	for _, from := range syncstate.Sides {
		for _, vanishes := range []bool{false, true} {
			t.Run(fmt.Sprintf("from %s, vanishes %v", from, vanishes), func(t *testing.T) {
				const all = "5:X 6:Y 7:Z"
				c := notation.ParseRules(t, "sync")
				sc := scenario{far: all, near: "", state: "!"}
				if from == syncstate.Near {
					sc = scenario{far: "", near: all, state: "!"}
				}
				w := sc.setup(t, c)
				disk := [2]*mem.Disk{w.far, w.near}[from]
				res, l, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
					p.Store[from] = forgetfulStore{p.Store[from], 6}
					p.Store[from.Other()] = hooked(w, from.Other(), func(op mem.Op) {
						if vanishes && op.Kind == mem.OpAppend && !op.After {
							disk.Expunge("box", 6)
						}
					})
				})
				failed := 1
				if vanishes {
					failed = 0
				}
				if err != nil || res.Failed != failed || l.count(kindFailed) != failed {
					t.Fatalf("%v, %+v", err, res)
				}
				if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
					t.Fatal(err)
				}
				for _, s := range syncstate.Sides {
					if n := w.names(s)["Y"]; n != failed {
						t.Errorf("it is %d times on the %s side", n, s)
					}
				}
			})
		}
	}
}

// hooked returns the store of a side with a hook.
func hooked(w *pairWorld, s syncstate.Side, hook func(mem.Op)) store.Store {
	o := mem.Options{Name: s.String(), Caps: mem.IMAPCaps, Hook: func(op mem.Op) error { hook(op); return nil }}
	if s == syncstate.Near {
		o.Caps = mem.MaildirCaps
		return mem.New(w.near, o)
	}
	return mem.New(w.far, o)
}
