package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// TestPoison: a message at which the connection is lost, whenever it is read or
// stored, does not keep the others from being copied. In each run it is the last one
// that is tried, and it is named. When it can be copied, it is.
func TestPoison(t *testing.T) {
	const all = "1:A 2:B 3:C 4:D 5:E 6:F"
	for name, tt := range map[string]struct {
		kind  mem.Kind
		after bool // the loss comes after the effect
		side  syncstate.Side
	}{
		"read on the far side":             {mem.OpFetchItem, false, syncstate.Far},
		"read on the near side":            {mem.OpFetchItem, false, syncstate.Near},
		"stored on the far side":           {mem.OpPutItem, false, syncstate.Far},
		"stored on the near side":          {mem.OpPutItem, false, syncstate.Near},
		"stored on the far side, and lost": {mem.OpPutItem, true, syncstate.Far},
	} {
		t.Run(name, func(t *testing.T) {
			c := notation.ParseRules(t, "sync")
			from := tt.side
			if tt.kind == mem.OpPutItem {
				from = from.Other()
			}
			sc := scenario{far: all, near: "", state: "!"}
			if from == syncstate.Near {
				sc = scenario{far: "", near: all, state: "!"}
			}
			w := sc.setup(t, c)
			disk := [2]*mem.Disk{w.far, w.near}
			poisoned := func() (int, bool) {
				b, _ := disk[tt.side].Box("box")
				n := 0
				for _, m := range b.Messages {
					if notation.NameOf(m.Body) == "C" {
						n++
					}
				}
				return n, n > 0
			}
			reading := mail.UID(0)
			note := func(op mem.Op) error {
				if op.Kind == mem.OpFetchItem && !op.After {
					reading = op.UID
				}
				return nil
			}
			poison := func(op mem.Op) error {
				if op.Kind == mem.OpFetchItem {
					_ = note(op)
				}
				if op.Kind == tt.kind && op.After == tt.after && reading == 3 {
					return &store.StoreError{Store: [2]string{"far", "near"}[tt.side], Err: errors.New("connection lost")}
				}
				return nil
			}
			hooks := [2]func(mem.Op) error{note, note}
			hooks[tt.side] = poison
			broken := func(p *engine.Pair) {
				p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: hooks[0]})
				p.Store[1] = mem.New(w.near, mem.Options{Name: "near", Caps: mem.MaildirCaps, Hook: hooks[1]})
			}
			named := false
			for i := range 4 {
				_, l, err := w.run(c, modes[0], &killer{}, uint64(i+1), broken)
				if n, _ := poisoned(); tt.after && n == 1 && err == nil {
					break // it was found
				}
				named = named || strings.Contains(l.texts(kindFailed), "3: ")
			}
			others, _ := disk[from.Other()].Box("box")
			if len(others.Messages) < 5 {
				t.Errorf("only %d messages have arrived: %s", len(others.Messages), sideText(disk[from.Other()], "box"))
			}
			if !named && !tt.after {
				t.Error("the message was not named")
			}
			for i := range 2 {
				if _, _, err := w.run(c, modes[0], &killer{}, uint64(10+i)); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range syncstate.Sides {
				for n, k := range w.names(s) {
					if k != 1 || len(w.names(s)) != 6 {
						t.Errorf("%s is there %d times on the %s side: %v", n, k, s, w.names(s))
					}
				}
			}
			w.nothingHeld(t)
		})
	}
}

// TestFailing lets a random history go through runs in which messages are refused and
// connections are lost at random, before an operation or after it. When nothing fails
// any more, all that nobody has deleted is on both sides, once.
func TestFailing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.rules = "sync expunge-far expunge-near"
		h.c = notation.ParseRules(dummyTB{}, h.rules)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			h.change(t)
			for range rapid.IntRange(0, 4).Draw(t, "messages") {
				h.deliver(t, syncstate.Side(rapid.IntRange(0, 1).Draw(t, "side")))
			}
			h.failingRun(t)
		}
		before := h.clone()
		for i := range 4 {
			if _, l, err := h.run(h.c, modes[0], &killer{}, uint64(1000+i)); err != nil {
				t.Fatalf("%v %s\n%s", err, l.texts(kindFailed), h.story(before, h.pairWorld))
			}
		}
		for _, s := range syncstate.Sides {
			is := h.names(s)
			for _, o := range syncstate.Sides {
				for name := range before.names(o) {
					if is[name] != 1 && !h.deleted[name] {
						t.Fatalf("%s is there %d times on the %s side\n%s", name, is[name], s, h.story(before, h.pairWorld))
					}
				}
			}
			for name, n := range is {
				if n > 1 {
					t.Fatalf("%s is doubled on the %s side\n%s", name, s, h.story(before, h.pairWorld))
				}
			}
		}
		h.nothingHeld(t)
	})
}

// failingRun is a run in which some operations fail.
func (h *history) failingRun(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 10, 30}).Draw(t, "percent")
	noUIDs := rapid.IntRange(0, 3).Draw(t, "noUIDs") == 0
	h.log = append(h.log, fmt.Sprintf("failing run, %d %%, no UIDs: %v", percent, noUIDs))
	// The order of operations is not always the same.
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	hook := func(name string) func(mem.Op) error {
		lost := false
		return func(op mem.Op) error {
			if lost {
				return &store.StoreError{Store: name, Err: errors.New("connection is lost")}
			}
			if op.Kind == mem.OpOpen || op.Kind == mem.OpCaps || op.Kind == mem.OpClose || r.IntN(100) >= percent {
				return nil
			}
			item := op.Kind == mem.OpFetchItem || op.Kind == mem.OpPutItem
			if item && !op.After && r.IntN(2) == 0 {
				h.log = append(h.log, "  refused: "+name+" "+op.String())
				return errors.New("refused")
			}
			if !item && r.IntN(4) > 0 {
				return nil
			}
			h.log = append(h.log, fmt.Sprintf("  lost: %s %s, after: %v", name, op, op.After))
			lost = true
			return &store.StoreError{Store: name, Err: errors.New("connection lost")}
		}
	}
	var mu sync.Mutex
	farCaps, nearCaps := mem.IMAPCaps, mem.MaildirCaps
	farCaps.ReportsUIDs = !noUIDs
	_, _, _ = h.run(h.c, modes[0], &killer{}, uint64(len(h.log)+7), func(p *engine.Pair) {
		p.Store[0] = mem.New(h.far, mem.Options{Name: "far", Caps: farCaps, Hook: serial(&mu, hook("far"))})
		p.Store[1] = mem.New(h.near, mem.Options{Name: "near", Caps: nearCaps, Hook: serial(&mu, hook("near"))})
	})
}

// serial calls a hook for one operation at a time.
func serial(mu *sync.Mutex, hook func(mem.Op) error) func(mem.Op) error {
	return func(op mem.Op) error {
		mu.Lock()
		defer mu.Unlock()
		return hook(op)
	}
}

// deliver delivers a message.
func (h *history) deliver(_ *rapid.T, s syncstate.Side) {
	d, eol := h.disk(s)
	name := fmt.Sprintf("M%d", h.next)
	h.next++
	d.Deliver("box", mem.Message{Flags: mail.FlagSeen, Body: notation.Body(name, eol)})
	h.log = append(h.log, fmt.Sprintf("%s: deliver %s", s, name))
}

// nothingHeld checks that a finished run left nothing but what a server may still store.
func (w *pairWorld) nothingHeld(t interface {
	Helper()
	Errorf(string, ...any)
},
) {
	t.Helper()
	for _, name := range w.leftovers() {
		data, err := readFile(w.fs, "/state/"+name)
		n, perr := syncstate.ParseNotes(data)
		if err != nil || perr != nil || len(n.Held) > 0 {
			t.Errorf("left: %s %s", name, data)
		}
	}
}
