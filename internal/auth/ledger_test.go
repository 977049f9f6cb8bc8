package auth

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many connections there are, a wrong secret is tried once.
func TestLedgerWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		wrong := errors.New("wrong")
		var tries, repeats atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				end, err := l.Begin(t.Context(), []string{"Host:143", "host:143"}[i%2], "me", "secret")
				if e := (*RepeatError)(nil); errors.As(err, &e) && errors.Is(err, wrong) {
					repeats.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				tries.Add(1)
				time.Sleep(time.Second)
				end(Rejected, wrong)
			})
		}
		wg.Wait()
		if tries.Load() != 1 || repeats.Load() != 19 {
			t.Errorf("%d tries, %d repeats", tries.Load(), repeats.Load())
		}
		// Other servers, users and secrets are not concerned.
		for _, other := range [][3]string{{"host:993", "me", "secret"}, {"host:143", "you", "secret"}, {"host:143", "me", "Secret"}} {
			end, err := l.Begin(t.Context(), other[0], other[1], other[2])
			if err != nil {
				t.Error(err)
				continue
			}
			end(Accepted, nil)
		}
	})
}

// A secret that was good once is tried by all at the same time.
func TestLedgerGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Ledger
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				end, err := l.Begin(t.Context(), "host:143", "me", "secret")
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second)
				end(Accepted, nil)
			})
		}
		wg.Wait()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestLedgerOutcomes(t *testing.T) {
	for _, tt := range []struct {
		outcomes []Outcome
		repeats  bool // what comes then
	}{
		{[]Outcome{Undecided}, false},
		{[]Outcome{Undecided, Undecided}, false},
		{[]Outcome{Doubted}, true},
		{[]Outcome{Accepted, Doubted}, false},
		{[]Outcome{Accepted, Rejected}, true},
		{[]Outcome{Undecided, Accepted, Undecided}, false},
	} {
		t.Run(fmt.Sprintf("%d", tt.outcomes), func(t *testing.T) {
			var l Ledger
			for _, o := range tt.outcomes {
				end, err := l.Begin(t.Context(), "h", "u", "s")
				if err != nil {
					t.Fatal(err)
				}
				end(o, errors.New("no"))
			}
			if _, err := l.Begin(t.Context(), "h", "u", "s"); (err != nil) != tt.repeats {
				t.Error(err)
			}
		})
	}
}

// Waiting for one's turn can be given up.
func TestLedgerCancel(t *testing.T) {
	var l Ledger
	end, err := l.Begin(t.Context(), "h", "u", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer end(Undecided, nil)
	ctx, cancel := cancelled(t)
	defer cancel()
	if _, err := l.Begin(ctx, "h", "u", "s"); !errors.Is(err, errStop) {
		t.Error(err)
	}
}
