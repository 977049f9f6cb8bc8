//go:build !darwin && !windows

package auth

import (
	"errors"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// A real key ring, filled by hand.
func TestSecretService(t *testing.T) {
	k := testkit.StartKeyring(t)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", k.Bus)
	k.Store(t, "imap.example", "me@example", "s\u00e9cret \"x\"")
	k.Store(t, "imap.example", "from a file", "secret\n")
	k.Store(t, "imap.example", "lines", "one\ntwo")
	for user, want := range map[string]string{"me@example": "s\u00e9cret \"x\"", "from a file": "secret"} {
		if got, err := Keychain(t.Context(), "imap.example", user); got != want || err != nil {
			t.Errorf("%s: %q, %v", user, got, err)
		}
	}
	if _, err := Keychain(t.Context(), "imap.example", "lines"); err == nil || strings.Contains(err.Error(), "one") {
		t.Error(err)
	}
	for _, missing := range [][2]string{{"imap.example", "you"}, {"imap2.example", "me@example"}} {
		_, err := Keychain(t.Context(), missing[0], missing[1])
		var e *KeychainError
		if !errors.Is(err, ErrNotInKeychain) || !errors.As(err, &e) || e.Host != missing[0] || e.User != missing[1] {
			t.Errorf("%v: %v", missing, err)
		}
	}
}

// Without a bus none is started.
func TestNoSessionBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("PATH", t.TempDir())
	if hasSessionBus() {
		t.Skip("there is one even without the environment")
	}
	if _, err := Keychain(t.Context(), "imap.example", "me"); !errors.Is(err, ErrNoSessionBus) {
		t.Error(err)
	}
}
