package channel_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"isync/internal/channel"
	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/store/mem"
)

// texts keeps what is reported.
type texts struct {
	mu  sync.Mutex
	all []string
}

// Take implements event.Sink.
func (x *texts) Take(e event.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, fmt.Sprint(e))
}

// runWith synchronizes the channels with deletions treated in this way.
func (w *world) runWith(d plan.Deletions) (channel.Summary, string) {
	w.tb.Helper()
	sel := w.selection()
	for i := range sel {
		sel[i].Deletions = channel.DeletionScope{What: d, All: true}
	}
	o := w.options()
	said := &texts{}
	o.Events = said
	sum := channel.Run(context.Background(), sel, o)
	return sum, strings.Join(said.all, "\n")
}

// TestManyBoxesGone: if more than half of the mailboxes, and at least three, are gone at
// once, none is removed on the other side, until the user says so.
func TestManyBoxesGone(t *testing.T) {
	for _, tt := range []struct {
		boxes, gone int
		held        bool
	}{{2, 2, false}, {4, 2, false}, {6, 3, false}, {5, 3, true}, {3, 3, true}} {
		for _, way := range []plan.Deletions{plan.Allowed, plan.Restored} {
			t.Run(fmt.Sprintf("%d of %d, %d", tt.gone, tt.boxes, way), func(t *testing.T) {
				w := newWorld(t, "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\n")
				for i := range tt.boxes {
					w.disk["far"].Set(fmt.Sprintf("box%d", i), mem.BoxState{})
				}
				if sum := w.run(t.Context()); sum.Failed {
					t.Fatal(w.obs.log)
				}
				for i := range tt.gone {
					w.disk["far"].Drop(fmt.Sprintf("box%d", i))
				}
				left := func(store string) int { return len(w.disk[store].Names()) }
				for range 2 {
					sum, said := w.runWith(plan.Limited)
					if sum.Failed != tt.held || tt.held != strings.Contains(said, "more than half of the channel") {
						t.Fatalf("failed: %v\n%s", sum.Failed, said)
					}
					want := tt.boxes
					if !tt.held {
						want -= tt.gone
					}
					if left("near") != want {
						t.Fatalf("%d mailboxes on the near side, want %d", left("near"), want)
					}
				}
				if !tt.held {
					return
				}
				if sum, said := w.runWith(way); sum.Failed {
					t.Errorf("failed: %s", said)
				}
				want := tt.boxes
				if way == plan.Allowed {
					want -= tt.gone
				}
				if left("far") != want || left("near") != want {
					t.Errorf("%d and %d mailboxes are left, want %d", left("far"), left("near"), want)
				}
			})
		}
	}
}
