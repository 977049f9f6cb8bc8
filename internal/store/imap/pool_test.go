package imap_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// TestOnlyConnection: who has the only possible session and wants another one
// does not wait for itself for ever.
func TestOnlyConnection(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "mail_max_userip_connections = 1\n"})
	opts := options(t, d, "user")
	opts.Warn = func(event.Fact) {} // that it makes do with one connection
	opts.Sessions = imap.NewSessionsStuckAfter(opts, 300*time.Millisecond)
	s := imap.New(opts)
	defer s.Close()
	if err := s.Create(t.Context(), "trash"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Open(t.Context(), "trash", store.OpenRequest{}); !isStoreError(err) || !errors.Is(err, store.ErrCrowded) || !strings.Contains(err.Error(), "no more than 1 connection") {
		t.Errorf("Open = %v", err)
	}
	// To store something it needs none of its own.
	if bin, err := s.Open(t.Context(), "trash", store.OpenRequest{Deposit: true}); err != nil {
		t.Errorf("Open for a deposit = %v", err)
	} else if err := bin.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	m, err = s.Open(t.Context(), "trash", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRefusedTogether: what is wanted side by side and refused makes one warning,
// and everybody gets on with what there is.
func TestRefusedTogether(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "mail_max_userip_connections = 2\n"})
	opts := options(t, d, "user")
	var mu sync.Mutex
	var warnings []string
	opts.Warn = func(f event.Fact) {
		text := textOf(f)
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, text)
	}
	s := imap.New(opts)
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			box := fmt.Sprintf("box%d", i)
			if err := s.Create(t.Context(), box); err != nil {
				t.Error(err)
				return
			}
			m, err := s.Open(t.Context(), box, store.OpenRequest{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(warnings) != 1 || !strings.Contains(warnings[0], "[LIMIT]") {
		t.Errorf("%d warnings: %q", len(warnings), warnings)
	}
}

// TestSharedAccount: stores of one account share its sessions, which end with
// the last of them.
func TestSharedAccount(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	opts := options(t, d, "user")
	opts.MaxSessions = 1
	opts.Sessions = imap.NewSessions(opts)
	one, two := imap.New(opts), imap.New(opts)
	for range 2 {
		for _, s := range []*imap.Store{one, two} {
			m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		// The other one needs it still.
		if err := one.Close(); err != nil {
			t.Error(err)
		}
		one = two
	}
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	if n := len(d.Sessions(t, "user")); n != 1 {
		t.Errorf("%d sessions", n)
	}
	if _, err := two.Open(t.Context(), "INBOX", store.OpenRequest{}); err == nil {
		t.Error("a store could be used after all were closed")
	}
	// Who comes later begins anew.
	three := imap.New(opts)
	if _, err := three.Open(t.Context(), "INBOX", store.OpenRequest{}); err != nil {
		t.Error(err)
	}
	if err := three.Close(); err != nil {
		t.Error(err)
	}
	if n := len(d.Sessions(t, "user")); n != 2 {
		t.Errorf("%d sessions", n)
	}
}
