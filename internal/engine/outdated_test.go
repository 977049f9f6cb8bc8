package engine_test

import (
	"context"
	"errors"
	"testing"

	"isync/internal/engine"
	"isync/internal/store"
	"isync/internal/testkit/notation"
)

// earlyStore lists no mailboxes, since it was asked for them before they were created, until
// its answers are outdated.
type earlyStore struct {
	store.Store
	outdated *bool
}

func (s earlyStore) Anticipate(string) {}

func (s earlyStore) Outdate() { *s.outdated = true }

func (s earlyStore) List(ctx context.Context, req store.ListRequest) ([]store.Box, error) {
	if !*s.outdated {
		return nil, nil
	}
	return s.Store.List(ctx, req)
}

// TestGoneBeforeLock: a mailbox that was not listed before the lock was taken, but was created
// by another run since, is not gone.
func TestGoneBeforeLock(t *testing.T) {
	const state = "pulled=5 pushed=7 5-7"
	for name, tt := range map[string]struct {
		near string
		gone bool // the near mailbox
	}{
		"the other mailbox exists":       {"7:E", false},
		"the other mailbox is gone, too": {"!", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := notation.ParseRules(t, "sync")
			sc := scenario{far: "5:E", near: tt.near, state: state}
			w := sc.setup(t, c)
			_, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) {
				p.Known[0] = engine.Absent
				p.Store[0] = earlyStore{p.Store[0], new(bool)}
			})
			if _, gone := errors.AsType[*engine.GoneError](err); gone != tt.gone || err != nil && !gone {
				t.Errorf("%v", err)
			}
			wantText(t, w, c, "5:E", tt.near, state)
		})
	}
}
