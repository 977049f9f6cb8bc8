package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"isync/internal/engine"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
)

// purposed is a store that answers a question about its mailboxes, and counts it.
type purposed struct {
	store.Store
	yes   bool
	err   error
	asked int
}

func (s *purposed) Unwrap() any { return s.Store }

func (s *purposed) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return purposedBox{m, s}, nil
}

type purposedBox struct {
	store.Mailbox
	of *purposed
}

func (b purposedBox) Unwrap() any { return b.Mailbox }

// IsTrashOrJunk implements store.SpecialUser.
func (b purposedBox) IsTrashOrJunk(context.Context) (bool, error) {
	b.of.asked++
	return b.of.yes, b.of.err
}

// TestMaxDeleteSpecialUse: a mailbox for trash or junk mail on either side has no limit. The
// stores are asked only if there are too many deletions.
func TestMaxDeleteSpecialUse(t *testing.T) {
	limit := plan.Limit{Set: true, Value: 3}
	errLost := errors.New("connection lost")
	for _, side := range syncstate.Sides {
		for _, tt := range []struct {
			name, far string
			yes       bool
			err       error
			asked     bool
			left      int
		}{
			{"few deletions", "4:M4 5:M5 6:M6", false, nil, false, 3},
			{"nothing to do", numbered(1, 6, ""), false, nil, false, 6},
			{"many", "5:M5 6:M6", false, nil, true, 6},
			{"many in junk", "5:M5 6:M6", true, nil, true, 2},
			{"lost", "5:M5 6:M6", false, errLost, true, 6},
		} {
			t.Run(fmt.Sprint(side, tt.name), func(t *testing.T) {
				c := notation.ParseRules(t, "sync expunge-far expunge-near")
				w := (&scenario{far: tt.far, near: numbered(1, 6, ""), state: recorded(6)}).setup(t, c)
				var st *purposed
				wrap := func(p *engine.Pair) {
					st = &purposed{Store: p.Store[side], yes: tt.yes, err: tt.err}
					p.Store[side] = st
				}
				_, _, err := w.run(c, modes[0], &killer{}, 1, with(plan.Limited, limit), wrap)
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if st.asked > 0 != tt.asked {
					t.Errorf("asked %d times", st.asked)
				}
				if n := len(w.listNames()[syncstate.Near]); n != tt.left {
					t.Errorf("%d messages are left, want %d", n, tt.left)
				}
				if n, err := engine.ReadNotes(w.fs, statePath); err != nil || n.Empty() != (tt.name != "many") {
					t.Errorf("notes: %+v, %v", n, err)
				}
			})
		}
	}
}
