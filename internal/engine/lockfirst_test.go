package engine_test

import (
	"context"
	"path"
	"sync/atomic"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// inBox makes the state live within the near mailbox.
type inBox struct{ store.Store }

func (inBox) BoxPath(string) (string, error) { return path.Dir(statePath), nil }

func (inBox) Root() string { return path.Dir(statePath) }

// openStore tells when a mailbox is opened.
type openStore struct {
	store.Store
	told func(string)
}

func (s openStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	s.told("open")
	return s.Store.Open(ctx, box, req)
}

// createStore tells when a mailbox is about to be created.
type createStore struct {
	store.Store
	told func()
}

func (s createStore) Create(ctx context.Context, box string) error {
	s.told()
	return s.Store.Create(ctx, box)
}

// TestLockComesFirst: no mailbox is opened before the state is locked, whatever
// is known of the pair. Where that is not possible, because the state is in a
// mailbox that is yet to be created, what was opened before counts only if no
// state turns up.
func TestLockComesFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		state string
		setup func(*engine.Pair)
	}{
		"first run":    {"!", func(*engine.Pair) {}},
		"later run":    {"pulled=5 pushed=7 5-7", func(*engine.Pair) {}},
		"may be quiet": {"pulled=5 pushed=7 5-7", func(p *engine.Pair) { p.MayBeUnchanged = true }},
		"is quiet": {"pulled=5 pushed=7 5-7", func(p *engine.Pair) {
			p.MayBeUnchanged = true
			p.Unchanged = func(string) bool { return true }
		}},
		"in the mailbox": {"pulled=5 pushed=7 5-7", func(p *engine.Pair) { p.Store[1] = inBox{p.Store[1]} }},
		"counted steps":  {"pulled=5 pushed=7 5-7", func(p *engine.Pair) { p.Controls = &engine.Controls{} }},
	} {
		t.Run(name, func(t *testing.T) {
			c := notation.ParseRules(t, "sync")
			sc := scenario{far: "5:E 6:A", near: "7:E", state: tt.state}
			w := sc.setup(t, c)
			var locked atomic.Bool
			_, _, err := w.run(c, modes[0], &killer{}, 1, tt.setup, func(p *engine.Pair) {
				f := vfstest.NewFault(w.fs)
				f.Before(func(op vfstest.Op, _ string) {
					if op == vfstest.OpLock {
						locked.Store(true)
					}
				})
				p.FS = f
				p.Store[0] = openStore{p.Store[0], func(string) {
					if !locked.Load() {
						t.Error("the far mailbox is opened before the lock is taken")
					}
				}}
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestStateTurnsUp: another run creates the near mailbox, which holds the state,
// and synchronizes, while this one is about to create it.
func TestStateTurnsUp(t *testing.T) {
	c := notation.ParseRules(t, "sync create-near expunge-near expunge-far")
	sc := scenario{far: "5:E", near: "!", state: "!"}
	w := sc.setup(t, c)
	if err := w.fs.Remove(path.Dir(statePath)); err != nil {
		t.Fatal(err)
	}
	met := false
	_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
		p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Snapshot: true})
		p.Store[1] = inBox{createStore{p.Store[1], func() {
			met = true
			w.far.Deliver("box", mem.Message{Body: notation.Body("A", "\r\n")})
			if _, _, err := w.run(c, modes[0], &killer{}, 2, func(p *engine.Pair) { p.Store[1] = inBox{p.Store[1]} }); err != nil {
				t.Error(err)
			}
		}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !met {
		t.Fatal("nothing was created")
	}
	wantText(t, w, c, "5:E 6:A", "1:E 2:A", "pulled=6 pushed=2 5-1 6-2")
}
