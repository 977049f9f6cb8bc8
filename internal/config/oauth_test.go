package config

import (
	"strings"
	"testing"
)

func TestOAuth(t *testing.T) {
	cfg, notices := mustParse(t, withAccount("User me", "OAuth Google", "OAuthClientId id", "OAuthClientSecret shh")+
		"\nIMAPAccount ../b%\nHost h\nOAuth microsoft\nOAuthClientId id\nAuthMechs xoauth2\nTokenFile ~/t\nOAuthUser you\nOAuthScope a\nOAuthScope b c\n")
	if len(notices) > 0 {
		t.Errorf("notices: %v", noticeTexts(notices))
	}
	a, b := cfg.Accounts[0], cfg.Accounts[1]
	if !a.HasOAuth() || a.OAuth.Provider != "google" || a.OAuth.ClientSecret.Reveal() != "shh" || a.OAuth.TokenFile != "/home/me/.local/state/isync/tokens/a" || a.ConsentUser() != "me" {
		t.Errorf("got %+v", a.OAuth)
	}
	if pos := a.SecretInFile(); pos.Line != 6 || len(cfg.Passwords()) != 1 {
		t.Errorf("the client secret is at %v", pos)
	}
	if b.OAuth.TokenFile != "/home/me/t" || b.ConsentUser() != "you" || b.OAuth.Scope != "a b c" {
		t.Errorf("got %+v", b.OAuth)
	}
	if got := fileName("a.lock") + fileName("b.new") + fileName("c.d"); got != "a%2Elockb%2Enewc.d" {
		t.Errorf("got %s", got)
	}
	if got := fileName("../b%"); got != "%2E.%2Fb%25" {
		t.Errorf("got %s", got)
	}
}

func TestOAuthErrors(t *testing.T) {
	const ok = "OAuth google\nOAuthClientId i"
	tests := []struct{ lines, want string }{
		{"OAuth gogle", `3: invalid argument "gogle" for OAuth (did you mean google?)`},
		{"OAuthScope s", `3: IMAPAccount "a" has OAuthScope, which has no effect without OAuth (add the line 'OAuth PROVIDER', such as 'OAuth microsoft')`},
		{ok + "\nPass p", `5: IMAPAccount "a" has both OAuth and Pass`},
		{"PassCmd p\n" + ok, `4: IMAPAccount "a" has both PassCmd and OAuth`},
		{ok + "\nUseKeychain yes", `5: IMAPAccount "a" has both OAuth and UseKeychain`},
		{ok + "\nOAuthTenant t", `5: IMAPAccount "a" has OAuthTenant, which has no effect with OAuth google`},
		{ok + "\nOAuthIssuer https://x", `5: IMAPAccount "a" has OAuthIssuer, which has no effect with OAuth google (use OAuth custom to name the addresses of a provider)`},
		{ok + "\nAuthMechs PLAIN", `5: IMAPAccount "a" has OAuth, but the mechanism PLAIN takes no access token (leave out AuthMechs, or name OAUTHBEARER or XOAUTH2)`},
		{ok + "\nOAuthClientSecret a\nOAuthClientSecretCmd b", `6: IMAPAccount "a" has both OAuthClientSecret and OAuthClientSecretCmd`},
		{"OAuth custom\nOAuthClientId i", `3: IMAPAccount "a" has OAuth custom, but no addresses of the provider (add OAuthIssuer, or OAuthTokenURL together with OAuthAuthURL or OAuthDeviceURL)`},
		{"OAuth custom\nOAuthClientId i\nOAuthTokenURL http://h/t\nOAuthAuthURL https://h/", `5: OAuthTokenURL "http://h/t" is not encrypted (use https; http is possible only for localhost)`},
		{"OAuth custom\nOAuthClientId i\nOAuthIssuer ftp://h", `5: OAuthIssuer "ftp://h" does not begin with https://`},
		{"OAuth custom\nOAuthClientId i\nOAuthIssuer https:x", `5: invalid address "https:x" for OAuthIssuer (write an address such as https://provider.example/oauth/token)`},
		{ok + "\nTokenStore cmd\nTokenLoadCmd l", `5: IMAPAccount "a" has TokenStore cmd, but not both TokenLoadCmd and TokenSaveCmd (TokenLoadCmd prints the token, TokenSaveCmd reads it from its input)`},
		{ok + "\nTokenStore keyring\nTokenKeyCmd k", `6: IMAPAccount "a" has TokenKeyCmd, which has no effect with TokenStore keyring`},
		{ok + "\nTokenSaveCmd k", `5: IMAPAccount "a" has TokenSaveCmd, which has no effect with TokenStore file (use TokenStore cmd)`},
		{ok + "\n\nIMAPAccount b\nHost h\nTokenFile /home/me/.local/state/isync/tokens/a\nOAuth google\nOAuthClientId j", `6: IMAPAccount "b" and IMAPAccount "a" (/etc/rc:1) keep different tokens in the same file, "/home/me/.local/state/isync/tokens/a" (add TokenFile with another name to one of them)`},
		{ok + "\n\nIMAPAccount A\nHost h\nOAuth google\nOAuthClientId j", `6: IMAPAccount "A" and IMAPAccount "a" (/etc/rc:1) keep different tokens in the same file, "/home/me/.local/state/isync/tokens/A", as some file systems do not distinguish the case (add TokenFile with another name to one of them)`},
	}
	for _, tt := range tests {
		got := strings.Join(errorTexts(t, withAccount(tt.lines)), "\n")
		if got != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.lines, got, tt.want)
		}
	}
}

// TestClientIDHints: for each provider, three lines say where to get a client id.
func TestClientIDHints(t *testing.T) {
	for _, p := range OAuthProviders() {
		lines := "OAuth " + p
		if p == oauthCustom {
			lines += "\nOAuthIssuer https://h"
		}
		_, _, err := parse(t, withAccount(lines))
		list, ok := err.(ErrorList)
		if !ok || len(list) != 1 {
			t.Fatalf("%s: %v", p, err)
		}
		hint := strings.Split(list[0].Hint, "\n")
		if len(hint) != 3 || !strings.Contains(hint[2], "OAuthClientId") || !strings.Contains(list[0].Msg, "has OAuth "+p+", but no OAuthClientId") {
			t.Errorf("%s: %q", p, list[0])
		}
	}
}

// TestClientSecretIsHidden: no message quotes a line that may hold a client secret.
func TestClientSecretIsHidden(t *testing.T) {
	for _, line := range []string{
		"OAuthClientSecret xyzzy xyzzy", "OauthClientSecrt xyzzy", "OAuthClientSecret \"xyzzy", "OAuthClientSecret\"xyzzy\"", "ClientSecret xyzzy", "OAuthClientSecret “xyzzy”",
	} {
		_, notices, err := parse(t, withAccount("OAuth google", "OAuthClientId i", line))
		text := strings.Join(noticeTexts(notices), "\n")
		if err != nil {
			text += err.Error()
		}
		if text == "" || strings.Contains(text, "xyzzy") {
			t.Errorf("%s: %s", line, text)
		}
	}
}
