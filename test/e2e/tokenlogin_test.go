//go:build linux

package e2e

import (
	"strings"
	"testing"

	"isync/internal/testkit/openid"
)

// For a shared mailbox a user consents who is not that of the login.
func TestOAuthSharedMailbox(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{Users: []string{"bob", "alice"}, Mailboxes: map[string]string{"alice": "user"}}, "OAuthUser alice")
	w.authorize()
	w.run(0, []string{"-a"}, "pulled 2 new message(s)")
	if good, _ := w.idp.Families("alice"); good != 1 {
		t.Errorf("alice has consented %d times", good)
	}
	w.run(0, []string{"--auth-list"}, "work: custom, alice, ")
	w.silent()
}

// A command prints the token, as before there was OAuth. When it is not good any more, the error
// says what the server said.
func TestTokenOfCommand(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			w := newTokenWorld(t, openid.Config{ClientSecret: "unused by mail servers"})
			rc := strings.ReplaceAll(readFile(t, w.path("rc")), w.tokenLines(), "AuthMechs "+mechanism+"\nPassCmd \"cat token\"\n")
			w.write("rc", rc)
			w.write("token", w.idp.Consent(t, "user", "mail").Access)
			w.run(0, []string{"-a", "-DN"}, "AUTHENTICATE "+mechanism, "pulled 2 new message(s)")
			w.idp.ExpireAccess()
			w.run(1, []string{"-a", "-DN"}, "login failed: ", "the token is not accepted, status ")
			w.silent(w.path("token"))
		})
	}
}
