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
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// TestDelayed lets a random history go through runs in which connections are lost while
// messages are stored on the far side, and the server stores what was under way at some
// later time: between runs, or during one. Users move messages away and back meanwhile. In
// the end, all that nobody has deleted is on both sides, once.
func TestDelayed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.rules = "sync expunge-far expunge-near"
		h.c = notation.ParseRules(dummyTB{}, h.rules)
		d := &delayed{history: h, moved: map[string]bool{}}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			h.change(t)
			for range rapid.IntRange(0, 4).Draw(t, "messages") {
				h.deliver(t, syncstate.Near)
			}
			d.arrive(rapid.IntRange(0, 3).Draw(t, "arrive"))
			d.move(t)
			d.run(t)
		}
		d.back(len(d.away))
		before := h.clone()
		d.arrive(len(d.late))
		for i := range 4 {
			if _, l, err := h.run(h.c, modes[0], &killer{}, uint64(1000+i)); err != nil {
				t.Fatalf("%v %s\n%s", err, l.texts(kindFailed), h.story(before, h.pairWorld))
			}
		}
		for _, s := range syncstate.Sides {
			is := h.names(s)
			for _, o := range syncstate.Sides {
				for name := range before.names(o) {
					if is[name] != 1 && !h.deleted[name] && (is[name] == 0 || !d.moved[name]) {
						t.Fatalf("%s is there %d times on the %s side\n%s", name, is[name], s, h.story(before, h.pairWorld))
					}
				}
			}
		}
		h.nothingHeld(t)
	})
}

// delayed is a history with messages that the server will store later.
type delayed struct {
	*history
	late []mem.Message
	away []mem.Message // moved to another mailbox
	// moved: a copy may have been away when its message was copied again. Then the user
	// has two.
	moved map[string]bool
}

// move lets the user move a message of the far side away, or back.
func (d *delayed) move(t *rapid.T) {
	d.back(rapid.IntRange(0, 2).Draw(t, "back"))
	box, _ := d.far.Box("box")
	if n := len(box.Messages); n > 0 && rapid.IntRange(0, 3).Draw(t, "move") == 0 {
		m := box.Messages[rapid.IntRange(0, n-1).Draw(t, "which")]
		d.away = append(d.away, mem.Message{Flags: m.Flags, Date: m.Date, Body: m.Body})
		d.far.Expunge("box", m.UID)
		d.moved[strings.TrimRight(notation.NameOf(m.Body), "?*")] = true
		d.log = append(d.log, fmt.Sprintf("far: moved away: %d:%s", m.UID, notation.NameOf(m.Body)))
	}
}

// back moves messages back.
func (d *delayed) back(n int) {
	for ; n > 0 && len(d.away) > 0; n-- {
		d.far.Deliver("box", d.away[0])
		d.log = append(d.log, "far: moved back: "+notation.NameOf(d.away[0].Body))
		d.away = d.away[1:]
	}
}

// arrive lets the server store some of them.
func (d *delayed) arrive(n int) {
	for ; n > 0 && len(d.late) > 0; n-- {
		d.far.Deliver("box", d.late[0])
		d.log = append(d.log, "far: stored late: "+notation.NameOf(d.late[0].Body))
		d.late = d.late[1:]
	}
}

func (d *delayed) run(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 20, 50}).Draw(t, "percent")
	noUIDs := rapid.IntRange(0, 3).Draw(t, "noUIDs") == 0
	d.log = append(d.log, fmt.Sprintf("run, %d %%, no UIDs: %v", percent, noUIDs))
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	var mu sync.Mutex
	lost := false
	hook := func(op mem.Op) error {
		switch {
		case op.Kind == mem.OpClose:
			return nil
		case lost && (op.Kind != mem.OpPutItem || !op.After):
			return &store.StoreError{Store: "far", Err: errors.New("connection is lost")}
		case op.Kind == mem.OpPutItem && op.After && (lost || r.IntN(100) < percent):
			lost = true
			box, _ := d.far.Box("box")
			for _, m := range box.Messages {
				if m.UID == op.UID {
					d.late = append(d.late, mem.Message{Flags: m.Flags, Date: m.Date, Body: m.Body})
				}
			}
			d.far.Expunge("box", op.UID)
			return &store.StoreError{Store: "far", Err: errors.New("connection lost")}
		case op.Kind == mem.OpScan && !op.After && r.IntN(100) < percent:
			d.arrive(1)
		}
		return nil
	}
	caps := mem.IMAPCaps
	caps.ReportsUIDs = !noUIDs
	_, _, err := d.history.run(d.c, modes[0], &killer{}, uint64(len(d.log)+7), func(p *engine.Pair) {
		p.Store[0] = mem.New(d.far, mem.Options{Name: "far", Caps: caps, Hook: serial(&mu, hook), Async: rapid.IntRange(0, 3).Draw(t, "async")})
		p.LateWait = 1
	})
	d.log = append(d.log, fmt.Sprintf("  %v", err))
}
