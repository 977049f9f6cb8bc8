package cli

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
)

// TestWatchLogin: a connection that watches an account obtains the password anew. One that
// was refused is not sent again, neither by it nor in a later run, until that is wanted.
func TestWatchLogin(t *testing.T) {
	srv := startLoginServer(t, "", nil, func(*loginConn, int, string, string) string { return "NO [AUTHENTICATIONFAILED] wrong" })
	w := newWorld(t, account("acc", srv, "AuthMechs LOGIN")+"IMAPStore far\nAccount acc\n")
	cfg, shop := w.workshop()
	shop.refusals = &auth.Ledger{Keep: time.Hour}
	far := cfg.Store("far")
	opts, err := shop.client(far)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch, run := shop.watchLogin(far), shop.login(far)
	for i, tt := range []struct {
		login func(context.Context, *imapclient.Client) error
		sent  bool
	}{
		{watch, true}, {watch, false}, {run, false}, {nil, true}, {watch, false},
	} {
		if tt.login == nil {
			shop.refusals.Forget()
			tt.login = run
		}
		shop.beginRun()
		c, err := imapclient.Dial(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		err = tt.login(ctx, c)
		_ = c.Close()
		_, refused := errors.AsType[*auth.RefusedError](err)
		_, repeated := errors.AsType[*auth.RepeatError](err)
		if !refused || repeated == tt.sent {
			t.Errorf("%d: %v", i, err)
		}
		if n := w.runs(); n != i+1 {
			t.Errorf("%d: the command was run %d times", i, n)
		}
		if got := srv.tried(); got != "" != tt.sent {
			t.Errorf("%d: tried %s", i, got)
		}
	}
}

// TestWatchRefusedOnce: a watcher sends a wrong password once, although both its first run
// and its watch log in. It sends it again if the user wants to synchronize now.
func TestWatchRefusedOnce(t *testing.T) {
	attempts := make(chan int, 100)
	srv := startLoginServer(t, "IDLE", nil, func(_ *loginConn, n int, _, _ string) string {
		attempts <- n
		time.Sleep(100 * time.Millisecond) // all others are waiting by then
		return "NO [AUTHENTICATIONFAILED] wrong"
	})
	w := newWorld(t, account("acc", srv, "AuthMechs LOGIN")+"IMAPStore far\nAccount acc\n")
	signals, control := make(chan os.Signal, 1), make(chan os.Signal, 1)
	w.env.Signals = func() (<-chan os.Signal, func()) { return signals, func() {} }
	w.env.Control = func() (<-chan os.Signal, func()) { return control, func() {} }
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(exitOK, "--watch", "c")
	}()
	sent := func(want int) {
		t.Helper()
		select {
		case n := <-attempts:
			if n != want {
				t.Errorf("attempt %d, want %d", n, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the password is not sent")
		}
		// The watch tries again after one second, and after two more.
		select {
		case <-attempts:
			t.Error("the password is sent again")
		case <-time.After(4 * time.Second):
		}
	}
	sent(1)
	control <- os.Interrupt // any signal but that for reloading
	sent(2)
	signals <- os.Interrupt
	<-done
	if n := strings.Count(w.err.String(), "AUTHENTICATIONFAILED"); n == 0 || n > 4 {
		t.Errorf("it is shown %d times:\n%s", n, &w.err)
	}
}
