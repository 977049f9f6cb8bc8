package engine_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// rememberingStore notes which of its mailboxes are told to remember.
type rememberingStore struct {
	store.Store
	note func(text string)
}

func (s rememberingStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return rememberingBox{m, func(text string) { s.note(s.Name() + " " + text) }}, nil
}

type rememberingBox struct {
	store.Mailbox
	note func(text string)
}

func (b rememberingBox) Remember(context.Context) { b.note("remembers") }

func (b rememberingBox) Close(ctx context.Context) error {
	b.note("closes")
	return b.Mailbox.Close(ctx)
}

// TestRemember: mailboxes are told to remember what is known of them once the
// state is written, and only then.
func TestRemember(t *testing.T) {
	const stateWritten = "state is written"
	for _, c := range []struct {
		name   string
		change func(w *pairWorld, p *engine.Pair)
		want   string
		fails  bool
	}{
		{"all is well", nil, "state is written; far remembers; near remembers; far closes; near closes", false},
		{"dry run", func(_ *pairWorld, p *engine.Pair) { p.DryRun = true }, "far closes; near closes", false},
		{
			"the state cannot be written",
			func(w *pairWorld, p *engine.Pair) { dieAt(w, vfstest.OpRename, func(string) bool { return true })(p) },
			"far closes; near closes", true,
		},
		{
			"messages cannot be stored",
			func(w *pairWorld, p *engine.Pair) {
				p.Store[1] = failingStore{p.Store[1]}
			},
			"far closes; near closes", true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := notation.ParseRules(t, "sync")
			w := (&scenario{far: "1:A 2:B", near: "1:A", state: "pulled=1 pushed=1 1-1"}).setup(t, cfg)
			var notes []string
			_, _, err := w.run(cfg, modes[0], &killer{}, 1, func(p *engine.Pair) {
				if c.change != nil {
					c.change(w, p)
				} else {
					f := vfstest.NewFault(p.FS)
					f.Before(func(op vfstest.Op, name string) {
						if op == vfstest.OpRename && strings.HasSuffix(name, ".new") {
							notes = append(notes, stateWritten)
						}
					})
					p.FS = f
				}
				for i := range p.Store {
					p.Store[i] = rememberingStore{p.Store[i], func(text string) { notes = append(notes, text) }}
				}
			})
			if (err != nil) != c.fails {
				t.Errorf("Sync = %v", err)
			}
			if got := strings.Join(notes, "; "); got != c.want {
				t.Errorf("%s", got)
			}
		})
	}
}

// failingStore has mailboxes that take no messages.
type failingStore struct{ store.Store }

func (s failingStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	return fullBox{m}, err
}

type fullBox struct{ store.Mailbox }

func (fullBox) Append(context.Context, func(store.AppendResult)) (store.Appender, error) {
	return nil, &store.BoxError{Store: "near", Box: "box", Err: fmt.Errorf("disk full: %w", syscall.ENOSPC)}
}
