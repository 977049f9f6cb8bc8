package imap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
)

// TestParallelAppend: if each message takes a slow round trip, several connections
// store messages. The completions come in order all the same, with the right UIDs.
func TestParallelAppend(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, caps string
		delay      time.Duration
		text       string
		sessions   int // the maximum; all allowed ones if they are needed
		waits      int // for literals
	}{
		{"none", "UIDPLUS", 15 * time.Millisecond, "x", 3, 60},
		{"LITERAL-", "UIDPLUS LITERAL-", 15 * time.Millisecond, long, 3, 60},
		{"LITERAL-, short messages", "UIDPLUS LITERAL-", 15 * time.Millisecond, "x", 1, 0},
		{"LITERAL+", "UIDPLUS LITERAL+", 15 * time.Millisecond, long, 1, 0},
		{"near", "UIDPLUS", 0, long, 1, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newStorer(t, c.caps, func(texts []string) string {
				if strings.HasPrefix(texts[0], "message 20 ") {
					return "NO [TOOBIG] not that one"
				}
				return ""
			})
			srv.delay = c.delay
			var texts []string
			for i := range 60 {
				texts = append(texts, fmt.Sprintf("message %d %s", i, c.text))
			}
			m := open(t, srv.store(t))
			defer m.Close(t.Context())
			var got []store.AppendResult
			a, err := m.Append(t.Context(), func(r store.AppendResult) { got = append(got, r) })
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range texts {
				// Each call has a context of its own.
				ctx, cancel := context.WithCancel(t.Context())
				err := a.Put(ctx, &store.Outgoing{Key: i, Size: int64(len(text)), Body: strings.NewReader(text)})
				cancel()
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(texts) {
				t.Fatalf("%d completed", len(got))
			}
			stored := srv.stored()
			for i, r := range got {
				switch {
				case r.Key != i:
					t.Fatalf("completion %d has the key %d", i, r.Key)
				case i == 20:
					if r.Err == nil || r.UID != 0 {
						t.Errorf("the refused message: %v", r)
					}
				case r.Err != nil || r.UID == 0 || stored[r.UID-1] != texts[i]:
					t.Errorf("message %d: %v", i, r)
				}
			}
			if len(stored) != len(texts)-1 {
				t.Errorf("%d messages were stored", len(stored))
			}
			if srv.sessions > c.sessions || c.sessions > 1 && srv.sessions < 2 {
				t.Errorf("%d connections", srv.sessions)
			}
			if srv.waiting != c.waits {
				t.Errorf("%d literals were asked for", srv.waiting)
			}
			if next := m.Info().UIDNext; next != mail.UID(len(texts)) {
				t.Errorf("UIDNEXT %d", next)
			}
		})
	}
}

// TestParallelAppendEnd: cancellation, and messages that cannot be read, while several
// connections store messages.
func TestParallelAppendEnd(t *testing.T) {
	srv := newStorer(t, "UIDPLUS", nil)
	srv.delay = 15 * time.Millisecond
	m := open(t, srv.store(t))
	defer m.Close(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	var got []int
	a, err := m.Append(ctx, func(r store.AppendResult) { got = append(got, r.Key) })
	if err != nil {
		t.Fatal(err)
	}
	put := func(key int, text string, size int) error {
		return a.Put(ctx, &store.Outgoing{Key: key, Size: int64(size), Body: strings.NewReader(text)})
	}
	var want []int
	for i := range 30 {
		err := put(i, "x", 1+i%2)
		if _, ok := asType[*store.BodyError](err); ok != (i%2 == 1) || !ok && err != nil {
			t.Fatalf("Put %d = %v", i, err)
		}
		want = append(want, i)
	}
	cancel()
	if err := put(30, "x", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v", err)
	}
	begin := time.Now()
	if err := a.Finish(ctx); err == nil {
		t.Error("finished")
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("that took %v", d)
	}
	for _, k := range got {
		if k%2 == 1 || k >= 30 {
			t.Errorf("completed %v of %v", got, want)
		}
	}
	if len(srv.stored()) < len(got) {
		t.Error("completed what was not stored")
	}
}
