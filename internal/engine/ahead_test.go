package engine_test

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// slowStore does not let anybody in before ready says so.
type slowStore struct {
	store.Store
	ready func() error
}

func (s slowStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, box, req)
}

// preparedStore tells when its mailboxes are prepared.
type preparedStore struct {
	store.Store
	prepared chan<- string
}

func (s preparedStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	return preparedBox{m, s.prepared}, err
}

type preparedBox struct {
	store.Mailbox
	prepared chan<- string
}

func (b preparedBox) Prepare(context.Context) { b.prepared <- "near" }

// watched makes the pair tell when its state is read, and its near side prepared.
func watched(w *pairWorld, told chan<- string) func(*engine.Pair) {
	return func(p *engine.Pair) {
		f := vfstest.NewFault(w.fs)
		f.Before(func(op vfstest.Op, name string) {
			if op == vfstest.OpOpen && name == statePath {
				told <- "state"
			}
		})
		p.FS = f
		p.Store[1] = preparedStore{p.Store[1], told}
	}
}

// TestWorkWhileWaiting: while the far side is being waited for, the state is
// read and the near side prepared, unless there may be no need for either.
func TestWorkWhileWaiting(t *testing.T) {
	c := notation.ParseRules(t, "pull-new")
	sc := scenario{far: "5:E 6:A", near: "7:E", state: "pulled=5 pushed=7 5-7"}
	for _, quiet := range []bool{false, true} {
		w := sc.setup(t, c)
		told := make(chan string, 10)
		ready := func() error {
			if quiet {
				return nil
			}
			seen := map[string]bool{}
			for len(seen) < 2 {
				select {
				case what := <-told:
					seen[what] = true
				case <-time.After(10 * time.Second):
					return errors.New("nothing is done meanwhile")
				}
			}
			return nil
		}
		_, _, err := w.run(c, modes[0], &killer{}, 1, watched(w, told), func(p *engine.Pair) {
			p.Store[0] = slowStore{p.Store[0], ready}
			p.MayBeUnchanged = quiet
			p.Unchanged = func(string) bool {
				if quiet && len(told) > 0 {
					t.Errorf("%s was touched before it was known whether that is needed", <-told)
				}
				return false
			}
		})
		if err != nil {
			t.Fatalf("quiet=%v: %v", quiet, err)
		}
		wantText(t, w, c, "5:E 6:A", "7:E 8:A", "pulled=6 pushed=8 5-7 6-8")
	}
}

// TestLockedAhead: what was locked ahead is free again if nothing comes of it.
func TestLockedAhead(t *testing.T) {
	c := notation.ParseRules(t, "pull-new")
	sc := scenario{far: "5:E", near: "7:E", state: "pulled=5 pushed=7 5-7"}
	for name, failing := range map[string]error{"fails": errors.New("nobody at home"), "missing": store.ErrNoBox} {
		w := sc.setup(t, c)
		_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
			p.Store[0] = slowStore{p.Store[0], func() error { return failing }}
		})
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if left := w.leftovers(); len(left) > 0 {
			t.Errorf("%s: left are %v", name, left)
		}
		l, err := w.fs.OpenFile(statePath+".lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = w.fs.Lock(l, false)
		}
		if err != nil {
			t.Errorf("%s: locked: %v", name, err)
		}
	}
}

// requestStore notes how its mailboxes are opened.
type requestStore struct {
	store.Store
	note func(store.OpenRequest)
}

func (s requestStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	s.note(req)
	return s.Store.Open(ctx, box, req)
}

// TestPrefetch: new messages may be requested while a mailbox is opened if they are copied
// from it, and only up to the size from which on they are not.
func TestPrefetch(t *testing.T) {
	for _, c := range []struct {
		rules     string
		maxSize   int64 // of the near side
		dryRun    bool
		far, near int64
	}{
		{rules: "pull-new", far: math.MaxInt64},
		{rules: "pull-new", maxSize: 1000, far: 1000},
		{rules: "pull-flags"},
		{rules: "pull-new", dryRun: true},
		{rules: "push-new", near: math.MaxInt64},
	} {
		cfg := notation.ParseRules(t, c.rules)
		w := (&scenario{far: "5:E", near: "7:E", state: "pulled=5 pushed=7 5-7"}).setup(t, cfg)
		var got [2]int64
		_, _, err := w.run(cfg, modes[0], &killer{}, 1, func(p *engine.Pair) {
			p.Rules.MaxSize[1], p.DryRun, p.Controls = c.maxSize, c.dryRun, nil
			for t := range p.Store {
				p.Store[t] = requestStore{p.Store[t], func(req store.OpenRequest) { got[t] = req.Prefetch }}
			}
		})
		if err != nil || got != [2]int64{c.far, c.near} {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}
