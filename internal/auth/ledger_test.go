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

// TestLedgerKeeps: a refused secret is not sent again for some time, whatever runs begin.
// Then it is sent once.
func TestLedgerKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Ledger{Keep: time.Minute}
		wrong := errors.New("wrong")
		try := func(o Outcome) (sent bool) {
			end, err := l.Begin(t.Context(), "host", "me", "secret")
			if err != nil {
				e := (*RepeatError)(nil)
				if !errors.As(err, &e) || !errors.Is(err, wrong) || e.Until.Before(time.Now()) {
					t.Error(err)
				}
				return false
			}
			end(o, wrong)
			return true
		}
		for i, want := range []struct {
			wait   time.Duration
			forget bool
			o      Outcome
			sent   bool
		}{
			{o: Rejected, sent: true},
			{wait: 59 * time.Second},
			{wait: time.Second, o: Rejected, sent: true},
			{wait: 59 * time.Second},
			{forget: true, o: Doubted, sent: true},
			{},
			{wait: time.Minute, o: Accepted, sent: true},
			{o: Doubted, sent: true}, // it is a limit of connections, for example
			{wait: time.Second, o: Doubted, sent: true},
			{},
		} {
			time.Sleep(want.wait)
			if want.forget {
				l.Forget()
			}
			if want.wait > 0 {
				l.BeginRun()
			}
			if sent := try(want.o); sent != want.sent {
				t.Errorf("%d: sent %v", i, sent)
			}
		}
		// Secrets that are not used any more are forgotten.
		for i := range 10 {
			if end, err := l.Begin(t.Context(), "host", "me", fmt.Sprint(i)); err == nil {
				end(Accepted, nil)
			}
		}
		time.Sleep(time.Minute)
		l.BeginRun()
		if n := len(l.entries); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}
