package channel_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/mem"
)

// trial is a run in which the far store fails for some time.
type trial struct {
	*world
	crowd *crowd
	// fails, if not nil, is called before each operation of the far store, one at a time.
	fails func(mem.Op) error
	// retries are those of the far store.
	retries channel.Retries

	mu    sync.Mutex
	tries int // failures of the far store
	took  time.Duration
	told  []event.TryingAgain
	// failed are the errors of messages.
	failed []string
}

// newTrial makes a world with mailboxes in the far store.
func newTrial(t *testing.T, boxes int) *trial {
	w := &trial{world: newWorld(t, oneAccount), retries: channel.Retries{Of: "account", Count: 4, Max: time.Minute}}
	for i := range boxes {
		w.boxes("far", fmt.Sprintf("b%d", i))
	}
	w.hook["far"] = func(op mem.Op) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fails == nil || op.Kind == mem.OpClose {
			return nil
		}
		err := w.fails(op)
		if err != nil {
			w.tries++
		}
		return err
	}
	return w
}

// Take implements event.Sink.
func (w *trial) Take(e event.Event) {
	if m, ok := e.(event.Message); ok {
		if f, ok := m.Fact.(event.TryingAgain); ok {
			w.mu.Lock()
			w.told = append(w.told, f)
			w.mu.Unlock()
		}
		if m.UID != 0 && m.Severity == event.Error {
			w.mu.Lock()
			w.failed = append(w.failed, fmt.Sprintf("%s %d: %v", m.Side, m.UID, m.Err))
			w.mu.Unlock()
		}
	}
	w.crowd.Take(e)
}

func (w *trial) sync(ctx context.Context) channel.Summary {
	o := w.options()
	w.crowd = newCrowd()
	o.Parallel, o.Events = 0, w
	o.Retries = func(s *config.Store) channel.Retries {
		if s.Name == "far" {
			return w.retries
		}
		return channel.Retries{}
	}
	begun := time.Now()
	sum := channel.Run(ctx, w.selection(), o)
	w.took = time.Since(begun)
	return sum
}

// lost is the error of a lost connection of the far store.
func lost() error {
	return &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.Passing, Err: syscall.ECONNRESET}}
}

// TestRetries: an operation that fails several times succeeds after as many waits, and the
// run fails if there are more failures than Retries. It does not matter which operation it is.
func TestRetries(t *testing.T) {
	bounds := []time.Duration{0, time.Second, 4 * time.Second, 13 * time.Second, 40 * time.Second} // without the deviation
	for _, kind := range []mem.Kind{mem.OpList, mem.OpOpen, mem.OpScan, mem.OpFetch} {
		for failures := range 7 {
			t.Run(fmt.Sprint(kind, " ", failures), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newTrial(t, 1)
					left := failures
					w.fails = func(op mem.Op) error {
						if op.Kind != kind || op.After || left == 0 {
							return nil
						}
						left--
						return lost()
					}
					sum := w.sync(t.Context())
					waits := min(failures, 4)
					want := bounds[waits]
					if w.took < want*3/4 || w.took > want*5/4+time.Second || len(w.told) < waits || len(w.told) > waits+1 {
						t.Errorf("took %v, want about %v; %d notices", w.took, want, len(w.told))
					}
					if sum.Failed != (failures > 4) || w.tries != min(failures, 5) {
						t.Errorf("%+v after %d failures", sum, w.tries)
					}
					if got := w.subjects("near", "b0"); (len(got) == 1) != (failures <= 4) {
						t.Errorf("the near side has %q", got)
					}
				})
			})
		}
	}
}

// TestRetriesTogether: a server that is down costs the waits once, not for each mailbox,
// and one error.
func TestRetriesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTrial(t, 40)
		w.fails = func(op mem.Op) error {
			if op.Kind == mem.OpOpen {
				return lost()
			}
			return nil
		}
		sum := w.sync(t.Context())
		if w.took > 50*time.Second+time.Second || w.took < 30*time.Second || !sum.Failed {
			t.Errorf("took %v: %+v", w.took, sum)
		}
		if len(w.told) != 4 || w.tries > 10 {
			t.Errorf("%d notices, %d failures", len(w.told), w.tries)
		}
	})
}

// TestRetriesOfOneMailbox: a mailbox that makes the server close the connection does not
// keep the others from being synchronized, though there is one connection only.
func TestRetriesOfOneMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTrial(t, 5)
		for _, s := range w.cfg.Stores {
			if s.IMAP != nil {
				s.IMAP.Account.Connections = 1
			}
		}
		w.fails = func(op mem.Op) error {
			if op.Kind == mem.OpOpen && op.Box == "b0" {
				return lost()
			}
			return nil
		}
		sum := w.sync(t.Context())
		if !sum.Failed || sum.Boxes != 5 || w.tries != 5 {
			t.Errorf("%+v, %d failures", sum, w.tries)
		}
		for i := 1; i < 5; i++ {
			if got := w.subjects("near", fmt.Sprintf("b%d", i)); len(got) != 1 {
				t.Errorf("mailbox %d was not synchronized", i)
			}
		}
	})
}

// TestRetriesWithProgress: a connection that is cut again and again is no reason to stop
// as long as each one brings something. Each message counts once.
func TestRetriesWithProgress(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint("stored before the cut ", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTrial(t, 0)
				var messages []mem.Message
				var want []string
				for i := range 200 {
					want = append(want, fmt.Sprintf("m%03d", i))
					messages = append(messages, mem.Message{Body: message(want[i])})
				}
				w.disk["near"].Set("b", mem.BoxState{Messages: messages})
				n := 0
				w.fails = func(op mem.Op) error {
					if op.Kind != mem.OpPutItem || op.After != after {
						return nil
					}
					if n++; n%7 == 0 {
						return lost()
					}
					return nil
				}
				sum := w.sync(t.Context())
				if sum.Failed || sum.Counts[0].New != 200 {
					t.Errorf("%+v", sum)
				}
				if w.took > 20*time.Second {
					t.Errorf("took %v", w.took)
				}
				got := w.subjects("far", "b")
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("the far side has %d messages: %q", len(got), got)
				}
			})
		})
	}
}

// TestRetriesNever: lasting errors, and errors of stores without Retries, end the run at
// once.
func TestRetriesNever(t *testing.T) {
	for name, tt := range map[string]struct {
		count int
		err   error
	}{
		"no retries": {0, lost()},
		"account":    {4, &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.LastingAccount, Err: errTest}}},
		"mailbox":    {4, &store.BoxError{Store: "far", Box: "b0", Err: &store.KindError{Kind: store.LastingBox, Err: errTest}}},
		"near store": {4, &store.StoreError{Store: "near", Err: &store.KindError{Kind: store.Passing, Err: errTest}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTrial(t, 1)
				w.retries.Count = tt.count
				w.fails = func(op mem.Op) error {
					if op.Kind == mem.OpScan {
						return tt.err
					}
					return nil
				}
				if sum := w.sync(t.Context()); !sum.Failed || w.took != 0 || w.tries != 1 {
					t.Errorf("%+v after %v, %d failures", sum, w.took, w.tries)
				}
			})
		})
	}
}

// TestRetriesInterrupted: an interrupt ends a wait at once.
func TestRetriesInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTrial(t, 3)
		w.fails = func(op mem.Op) error {
			if op.Kind == mem.OpOpen {
				return lost()
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(6*time.Second, cancel)
		sum := w.sync(ctx)
		if w.took != 6*time.Second || !sum.Failed || sum.Unfinished == 0 {
			t.Errorf("took %v: %+v", w.took, sum)
		}
	})
}

// TestRetriesThrottled: the wait is as long as the server demands, but at most ten minutes.
func TestRetriesThrottled(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{5 * time.Minute: 5 * time.Minute, time.Hour: 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newTrial(t, 1)
			w.fails = func(op mem.Op) error {
				if op.Kind == mem.OpOpen && w.tries == 0 {
					return &store.BoxError{Store: "far", Box: op.Box, Err: &store.KindError{Kind: store.Throttled, Wait: asked, Err: errTest}}
				}
				return nil
			}
			if sum := w.sync(t.Context()); sum.Failed || w.took != want {
				t.Errorf("%+v after %v", sum, w.took)
			}
		})
	}
}

// TestRetriesForgetListing: a mailbox that the first try has created is not taken for
// missing by the next one, because the listing before did not have it.
func TestRetriesForgetListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTrial(t, 1)
		w.fails = func(op mem.Op) error {
			if op.Kind == mem.OpFetch && w.tries == 0 {
				return lost()
			}
			return nil
		}
		if sum := w.sync(t.Context()); sum.Failed || w.tries != 1 || len(w.subjects("near", "b0")) != 1 || len(w.subjects("far", "b0")) != 1 {
			t.Errorf("%+v, %d failures", sum, w.tries)
		}
	})
}
