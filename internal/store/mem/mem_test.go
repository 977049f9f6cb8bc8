package mem_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/store/storetest"
)

func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name string
		opts mem.Options
	}{
		{"imap", mem.Options{Caps: mem.IMAPCaps, Trasher: true}},
		{"maildir", mem.Options{Caps: mem.MaildirCaps}},
		{"poor", mem.Options{Caps: store.Caps{CRLF: true, NeedsSize: true}}},
		{"async", mem.Options{Caps: mem.IMAPCaps, Trasher: true, Async: 7}},
		{"late", mem.Options{Caps: mem.MaildirCaps, Trasher: true, Async: 3, LateEffects: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Marks = true
			storetest.Run(t, storetest.Config{
				KeepsEmpty: true,
				New: func(testing.TB) storetest.Backend {
					d := mem.NewDisk()
					return storetest.Backend{
						Open: func(testing.TB) store.Store { return mem.New(d, c.opts) },
						Snapshot: func(testing.TB) map[string]string {
							out := make(map[string]string)
							for n, b := range d.State() {
								out[n] = fmt.Sprint(b)
							}
							return out
						},
					}
				},
			})
		})
	}
}

// appendAll puts n messages and returns what completed, and the first error.
func appendAll(t *testing.T, m store.Mailbox, n int) (done []store.AppendResult, err error) {
	t.Helper()
	ctx := context.Background()
	a, err := m.Append(ctx, func(r store.AppendResult) { done = append(done, r) })
	if err != nil {
		return nil, err
	}
	for i := range n {
		if err = a.Put(ctx, &store.Outgoing{Key: i, Size: 1, Body: stringBody("x")}); err != nil {
			break
		}
	}
	if ferr := a.Finish(ctx); err == nil {
		err = ferr
	}
	return done, err
}

func TestHook(t *testing.T) {
	killed := &store.StoreError{Store: "far", Err: errors.New("killed")}
	refused := errors.New("refused")
	for _, async := range []int{0, 2} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("async=%d,late=%v", async, late), func(t *testing.T) {
				d := mem.NewDisk()
				d.Set("box", mem.BoxState{})
				s := mem.New(d, mem.Options{Name: "far", Caps: mem.IMAPCaps, Async: async, LateEffects: late, Hook: func(o mem.Op) error {
					switch {
					case o.Kind == mem.OpPutItem && !o.After && o.Key == 1:
						return refused // that message only
					case o.Kind == mem.OpPutItem && o.After && o.Key == 3:
						return killed // stored, but nobody hears of it
					}
					return nil
				}})
				m, err := s.Open(context.Background(), "box", store.OpenRequest{})
				if err != nil {
					t.Fatal(err)
				}
				done, err := appendAll(t, m, 10)
				if !errors.Is(err, killed) {
					t.Errorf("error %v", err)
				}
				if !slices.IsSortedFunc(done, func(a, b store.AppendResult) int { return a.Key - b.Key }) || len(done) > 3 {
					t.Errorf("completions %v", done)
				}
				for _, r := range done {
					if (r.Err != nil) != (r.Key == 1) {
						t.Errorf("completion %v", r)
					}
				}
				// Messages 0, 2 and 3 are there, and nothing after them.
				b, _ := d.Box("box")
				if len(b.Messages) != 3 {
					t.Errorf("messages %v", b.Messages)
				}
				// The disk survives, the next session finds it so.
				m, err = mem.New(d, mem.Options{Caps: mem.IMAPCaps}).Open(context.Background(), "box", store.OpenRequest{})
				if err != nil || m.Info().UIDNext != 4 {
					t.Errorf("next session: %v, %v", m.Info(), err)
				}
			})
		}
	}
}

type stringBody string

func (b stringBody) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(b))
	return int64(n), err
}

func TestLatencyIsVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := mem.NewDisk()
		d.Deliver("box", mem.Message{Body: "x"})
		s := mem.New(d, mem.Options{Caps: mem.IMAPCaps, Async: 3, Latency: func(mem.Op) time.Duration { return time.Hour }})
		m, err := s.Open(t.Context(), "box", store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := appendAll(t, m, 5); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 7*time.Hour { // open, append, five completions
			t.Errorf("took %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Scan = %v", err)
		}
	})
}

func TestDisk(t *testing.T) {
	d := mem.NewDisk()
	d.Set("b", mem.BoxState{UIDValidity: 7, Permanent: mail.FlagSeen, Messages: []mem.Message{{UID: 3, Body: "x"}, {Body: "y"}}})
	uids := d.Deliver("b", mem.Message{Flags: mail.FlagSeen | mail.FlagForwarded, Body: "z"})
	if uids[0] != 5 {
		t.Errorf("UID %d", uids[0])
	}
	before := d.Clone()
	d.SetFlags("b", 3, mail.FlagSeen|mail.FlagFlagged, 0)
	d.Expunge("b", 4)
	b, ok := d.Box("b")
	if !ok || b.UIDNext != 6 || b.UIDValidity != 7 || len(b.Messages) != 2 || b.Messages[0].Flags != mail.FlagSeen || b.Messages[1].Flags != mail.FlagSeen {
		t.Errorf("state %+v", b)
	}
	if cmp.Equal(before.State(), d.State()) || len(before.State()["b"].Messages) != 3 {
		t.Error("the clone is not independent")
	}

	s := mem.New(d, mem.Options{})
	m, err := s.Open(t.Context(), "b", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d.Update("b", func(b *mem.BoxState) { b.UIDValidity = 8 })
	var be *store.BoxError
	if _, err := m.Scan(t.Context(), store.Need{UIDs: mail.UIDsFrom(1)}); !errors.As(err, &be) {
		t.Errorf("after UIDVALIDITY has changed: %v", err)
	}
	want := []string{"open b", "scan b 1:*"}
	if got := s.LogStrings(); !slices.Equal(got, want) {
		t.Errorf("log %q", got)
	}
}

func TestUnhelpful(t *testing.T) {
	d := mem.NewDisk()
	d.Deliver("b", mem.Message{Flags: mail.FlagSeen, Body: "abc"})
	m, err := mem.New(d, mem.Options{Caps: mem.MaildirCaps}).Open(t.Context(), "b", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.Scan(t.Context(), store.Need{UIDs: mail.UIDsFrom(1)})
	if err != nil || l.Messages[0] != (mail.Meta{UID: 1}) {
		t.Errorf("listing %v, %v", l, err)
	}
	var kept *store.Incoming
	if err := m.Fetch(t.Context(), []store.FetchItem{{UID: 1}}, func(in *store.Incoming) error { kept = in; return nil }); err != nil {
		t.Fatal(err)
	}
	if kept.Err == nil || kept.Body != nil {
		t.Error("a kept message is still good")
	}
}
