package cli

import (
	"context"
	"errors"
	"testing"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
)

// TestWatchLogin: a connection that watches an account obtains the password anew. One that
// was refused is not sent again, unless that is wanted.
func TestWatchLogin(t *testing.T) {
	srv := startLoginServer(t, "", nil, func(*loginConn, int, string, string) string { return "NO [AUTHENTICATIONFAILED] wrong" })
	w := newWorld(t, account("acc", srv, "AuthMechs LOGIN")+"IMAPStore far\nAccount acc\n")
	cfg, shop := w.workshop()
	shop.beginRun()
	far := cfg.Store("far")
	opts, err := shop.client(far)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	login := shop.watchLogin(far)
	for i, tt := range []struct {
		again, sent bool
		tried       string
	}{
		{false, true, "LOGIN"}, {false, false, ""}, {true, true, "LOGIN"}, {false, false, ""},
	} {
		c, err := imapclient.Dial(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		err = login(tt.again)(ctx, c)
		_ = c.Close()
		_, refused := errors.AsType[*auth.RefusedError](err)
		_, repeated := errors.AsType[*auth.RepeatError](err)
		if !refused || repeated == tt.sent {
			t.Errorf("%d: %v", i, err)
		}
		if n := w.runs(); n != i+1 {
			t.Errorf("%d: the command was run %d times", i, n)
		}
		if got := srv.tried(); got != tt.tried {
			t.Errorf("%d: tried %s", i, got)
		}
	}
}
