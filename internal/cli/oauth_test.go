package cli

import (
	"slices"
	"strings"
	"testing"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/oauth"
)

// TestOAuthProviders: the configuration knows the providers of package oauth, and the
// mechanisms that take a token.
func TestOAuthProviders(t *testing.T) {
	if got, want := config.OAuthProviders(), oauth.Providers(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if names := auth.Names(); !slices.Contains(names, "OAUTHBEARER") || !slices.Contains(names, "XOAUTH2") {
		t.Errorf("mechanisms %q", names)
	}
}

// TestOAuthConfiguration: the output of --check, the names that shells complete, and the three
// lines about the client ID.
func TestOAuthConfiguration(t *testing.T) {
	w := newWorld(t, "IMAPStore far\nHost localhost\nUser me\nOAuth google\nOAuthClientId id\nTokenFile token\nTokenKeyCmd \"pass isync\"\n")
	w.run(0, "--check", "-V")
	w.says(&w.out, "an access token of OAuth (google), in", "/token, encrypted", "with OAUTHBEARER or XOAUTH2")
	w.run(0, "--complete", "word", "-c", "rc", "--auth", "f")
	w.says(&w.out, "far\taccount\n")

	w = newWorld(t, "IMAPStore far\nHost localhost\nUser me\nOAuth google\n")
	w.run(1, "--auth", "far")
	w.says(&w.err, "rc:4: error: IMAPStore \"far\" has OAuth google, but no OAuthClientId")
	if n := strings.Count(w.err.String(), "hint: "); n != 3 {
		t.Errorf("%d hints:\n%s", n, w.err.String())
	}

	w = newWorld(t, "IMAPStore far\nHost localhost\nUser me\nPassCmd x\n")
	w.run(1, "--auth", "far")
	w.says(&w.err, "rc:1: error: IMAPStore \"far\" does not use OAuth", "hint: add the lines 'OAuth PROVIDER'")
}

// TestOAuthTwice: of two accounts with the same name, the first is meant, as in a run.
func TestOAuthTwice(t *testing.T) {
	t.Parallel()
	first, second := "IMAPAccount a\nHost localhost\nUser me\nPassCmd x\n\n", "IMAPAccount a\nHost localhost\nUser you\nOAuth google\nOAuthClientId id\n\n"
	store := "IMAPStore far\nAccount a\n"
	w := newWorld(t, first+second+store)
	w.run(1, "--auth", "a")
	w.says(&w.err, "rc:1: error: IMAPAccount \"a\" does not use OAuth")
	w = newWorld(t, strings.Replace(second, "User you", "User me", 1)+second+store)
	w.run(0, "--auth-list")
	w.says(&w.out, "me")
	if strings.Contains(w.out.String(), "you") {
		t.Error(w.out.String())
	}
}
