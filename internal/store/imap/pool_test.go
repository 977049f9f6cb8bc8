package imap_test

import (
	"strings"
	"testing"
	"time"

	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
)

// TestOnlyConnection: who has the only possible session and wants another one
// does not wait for itself for ever.
func TestOnlyConnection(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "mail_max_userip_connections = 1\n"})
	t.Cleanup(imap.SetStuckAfter(300 * time.Millisecond))
	opts := options(t, d, "user")
	opts.Warn = func(string) {} // that it makes do with one connection
	s := imap.New(opts)
	defer s.Close()
	if err := s.Create(t.Context(), "trash"); err != nil {
		t.Fatal(err)
	}
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Open(t.Context(), "trash", store.OpenRequest{}); !isStoreError(err) || !strings.Contains(err.Error(), "no more than 1 connection") {
		t.Errorf("Open = %v", err)
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
