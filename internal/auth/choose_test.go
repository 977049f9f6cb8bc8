package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"isync/internal/ui"
)

func TestSelect(t *testing.T) {
	const (
		clear  = "the password is sent in clear text over an unencrypted connection"
		useTLS = "use TLSType STARTTLS or IMAPS"
	)
	tests := []struct {
		name     string
		offered  string
		disabled bool
		allowed  string
		how      string // "plain": not encrypted; "token": with OAuth; "cert": with a client certificate; "bind": with channel binding
		unusable string
		want     string // the mechanisms in order, or parts of the error after "error:", separated by |
		warning  string
	}{
		{name: "plain", offered: "PLAIN LOGIN", allowed: "*", want: "PLAIN LOGIN"},
		{name: "default", offered: "plain", want: "PLAIN LOGIN"},
		{name: "any case", offered: "Scram-Sha-1", allowed: "scram-SHA-1", want: "SCRAM-SHA-1"},
		{name: "command only", allowed: "*", want: "LOGIN"},
		{name: "command disabled", offered: "PLAIN", disabled: true, allowed: "*", want: "PLAIN"},
		{name: "the mechanism LOGIN", offered: "LOGIN", disabled: true, allowed: "*", want: "LOGIN"},
		{name: "nothing at all", disabled: true, allowed: "*", want: "error:the server offers no way to log in"},
		{name: "nothing at all, unencrypted", disabled: true, allowed: "*", how: "plain", want: "error:the server offers no way to log in|" + useTLS},
		{name: "login named", offered: "PLAIN", allowed: "login", want: "LOGIN"},
		{
			name: "login named but disabled", offered: "PLAIN", disabled: true, allowed: "LOGIN",
			want: "error:the server offers PLAIN; AuthMechs allows LOGIN; PLAIN: not allowed; LOGIN: not offered|the server offers PLAIN, too: allow it with AuthMechs",
		},
		{name: "strength, not order", offered: "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", allowed: "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", want: "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"},

		{name: "a token would do, but so does a password", offered: "XOAUTH2 OAUTHBEARER PLAIN", disabled: true, allowed: "*", want: "PLAIN"},
		{name: "a token only", offered: "XOAUTH2 OAUTHBEARER", disabled: true, allowed: "*", want: "OAUTHBEARER XOAUTH2"},
		{name: "a token, named", offered: "XOAUTH2 OAUTHBEARER PLAIN", allowed: "xoauth2", want: "XOAUTH2"},
		{name: "a token, named besides", offered: "XOAUTH2 OAUTHBEARER PLAIN", disabled: true, allowed: "XOAUTH2 *", want: "XOAUTH2 PLAIN"},
		{name: "a token, unencrypted", offered: "XOAUTH2", disabled: true, allowed: "*", how: "plain", want: "error:XOAUTH2: would send|" + useTLS},
		{name: "a token, unencrypted, named", offered: "XOAUTH2", disabled: true, allowed: "XOAUTH2", how: "plain", want: "XOAUTH2", warning: strings.Replace(clear, "password", "token", 1)},

		{name: "OAuth", offered: "XOAUTH2 OAUTHBEARER PLAIN SCRAM-SHA-256 EXTERNAL", allowed: "*", how: "cert token", want: "OAUTHBEARER XOAUTH2"},
		{name: "OAuth, passwords only", offered: "PLAIN", allowed: "*", how: "token", want: "error:PLAIN, LOGIN: needs a password, but the account uses OAuth"},
		{name: "OAuth, unencrypted", offered: "XOAUTH2", allowed: "*", how: "plain token", want: "error:XOAUTH2: would send"},
		{name: "OAuth, named", offered: "XOAUTH2 OAUTHBEARER", allowed: "XOAUTH2", how: "token", want: "XOAUTH2"},

		{name: "no certificate", offered: "EXTERNAL PLAIN", disabled: true, allowed: "*", want: "PLAIN"},
		{name: "no certificate, but named", offered: "EXTERNAL", disabled: true, allowed: "EXTERNAL", want: "error:EXTERNAL: needs TLS and a ClientCertificate|add ClientCertificate"},
		{name: "certificate", offered: "EXTERNAL PLAIN SCRAM-SHA-256", disabled: true, allowed: "*", how: "cert", want: "EXTERNAL SCRAM-SHA-256 PLAIN"},
		{name: "certificate and token", offered: "EXTERNAL XOAUTH2", disabled: true, allowed: "*", how: "cert", want: "EXTERNAL XOAUTH2"},
		{name: "certificate, unencrypted", offered: "EXTERNAL", disabled: true, allowed: "*", how: "plain cert", want: "error:EXTERNAL: needs TLS"},

		{name: "binding", offered: "SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-1", disabled: true, how: "bind", want: "SCRAM-SHA-256-PLUS/a SCRAM-SHA-256-PLUS/b SCRAM-SHA-256 SCRAM-SHA-1-PLUS/a SCRAM-SHA-1-PLUS/b SCRAM-SHA-1"},
		{name: "binding not offered", offered: "SCRAM-SHA-256", disabled: true, how: "bind", want: "SCRAM-SHA-256/able"},
		{name: "binding offered for another hash", offered: "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", disabled: true, allowed: "SCRAM-SHA-256", how: "bind", want: "SCRAM-SHA-256"},
		{name: "binding impossible", offered: "SCRAM-SHA-256 SCRAM-SHA-256-PLUS", disabled: true, want: "SCRAM-SHA-256"},
		{name: "binding impossible, nothing else", offered: "SCRAM-SHA-256-PLUS", disabled: true, how: "plain", want: "error:SCRAM-SHA-256-PLUS: needs a TLS connection|" + useTLS},

		{name: "unencrypted", offered: "PLAIN", allowed: "*", how: "plain", want: "error:PLAIN, LOGIN: would send the password unencrypted|" + useTLS + "|AuthMechs PLAIN"},
		{name: "unencrypted, safe ones", offered: "PLAIN CRAM-MD5", allowed: "*", how: "plain", want: "CRAM-MD5"},
		{name: "unencrypted, named", offered: "PLAIN", allowed: "PLAIN", how: "plain", want: "PLAIN", warning: clear},
		{name: "unencrypted, weaker named", offered: "PLAIN", allowed: "* LOGIN", how: "plain", want: "LOGIN", warning: clear},
		{name: "unencrypted, named but disabled", allowed: "LOGIN", disabled: true, how: "plain", want: "error:no way to log in|" + useTLS},

		{name: "refused", offered: "SCRAM-SHA-256 PLAIN", disabled: true, unusable: "scram-sha-256", want: "PLAIN"},
		{name: "a binding refused", offered: "SCRAM-SHA-256-PLUS", disabled: true, how: "bind", unusable: "SCRAM-SHA-256-PLUS A", want: "SCRAM-SHA-256-PLUS/b"},
		{name: "all bindings refused", offered: "SCRAM-SHA-256-PLUS", disabled: true, how: "bind", unusable: "SCRAM-SHA-256-PLUS A,SCRAM-SHA-256-PLUS B", want: "error:SCRAM-SHA-256-PLUS: offered, but the server says"},
		{name: "all refused", offered: "SCRAM-SHA-256", disabled: true, unusable: "SCRAM-SHA-256", want: "error:SCRAM-SHA-256: offered, but the server says that it cannot be used"},
		{name: "unknown", offered: "GSSAPI", disabled: true, allowed: "GSSAPI *", want: "error:the server offers GSSAPI; AuthMechs allows GSSAPI, *; GSSAPI: not supported"},
		{
			name: "unknown, but another one is named", offered: "GSSAPI PLAIN", allowed: "PLAIN GSSAPI", want: "PLAIN",
			warning: "AuthMechs names GSSAPI, which is not supported; using PLAIN instead",
		},
		{
			name: "unknown, but another one is named, unencrypted", offered: "GSSAPI PLAIN", allowed: "PLAIN GSSAPI", how: "plain", want: "PLAIN",
			warning: "AuthMechs names GSSAPI, which is not supported; using PLAIN instead; " + clear,
		},
		{name: "unknown and not offered", offered: "PLAIN", allowed: "GSSAPI PLAIN", want: "PLAIN"},
		{
			name: "nothing in common", offered: "PLAIN GSSAPI", allowed: "CRAM-MD5 SCRAM-SHA-1 NTLM",
			want: "error:the server offers PLAIN, GSSAPI, LOGIN; AuthMechs allows CRAM-MD5, SCRAM-SHA-1, NTLM; PLAIN, LOGIN, GSSAPI: not allowed; SCRAM-SHA-1, CRAM-MD5: not offered; NTLM: neither supported nor offered|PLAIN, too",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			how := strings.Fields(tt.how)
			r := Request{
				Offered: strings.Fields(tt.offered), LoginDisabled: tt.disabled, Allowed: strings.Fields(tt.allowed),
				Encrypted: !slices.Contains(how, "plain"), Tokens: slices.Contains(how, "token"), ClientCertificate: slices.Contains(how, "cert"), Unusable: strings.FieldsFunc(tt.unusable, func(r rune) bool { return r == ',' }),
			}
			if slices.Contains(how, "bind") {
				r.Bindings = []scram.ChannelBinding{{Type: "a", Data: []byte{1}}, {Type: "b", Data: []byte{1}}}
			}
			choices, err := Select(r)
			if parts, ok := strings.CutPrefix(tt.want, "error:"); ok {
				var e *SelectError
				if !errors.As(err, &e) || choices != nil {
					t.Fatalf("got %+v, %v", choices, err)
				}
				_, hint := ui.Text(e.Fact)
				text := err.Error() + " (" + hint + ")"
				for part := range strings.SplitSeq(parts, "|") {
					if !strings.Contains(text, part) {
						t.Errorf("%q is not in: %s", part, text)
					}
				}
				if !r.Encrypted && strings.Contains(text, "as well") {
					t.Errorf("recommends what is not safe: %s", text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range choices {
				name := c.Name
				if c.binding.able {
					name += "/able"
				}
				if c.binding.Type != "" {
					name += "/" + string(c.binding.Type)
				}
				got = append(got, name)
				if (c.NewClient(Login{User: "u", Password: "p"}) == nil) != c.Command {
					t.Errorf("%s: only the command has no SASL client", c.Name)
				}
				if c.Command != (c.Name == "LOGIN" && !tt.disabled) {
					t.Errorf("%s: command: %v", c.Name, c.Command)
				}
			}
			if s := strings.Join(got, " "); s != tt.want && !(choices[0].Name == tt.want && !strings.Contains(tt.want, " ") && !tt.disabled) || warningText(choices[0]) != tt.warning {
				t.Errorf("got %s, warning %q", s, warningText(choices[0]))
			}
		})
	}
}

// warningText returns the text of a warning, "" if there is none.
func warningText(c Choice) string {
	if c.Warning == nil {
		return ""
	}
	text, _ := ui.Text(c.Warning)
	return text
}

// Without encryption, and with nothing named, no password and no token is sent.
func TestSelectUnencrypted(t *testing.T) {
	for _, m := range mechanisms {
		c, err := Select(Request{Offered: []string{m.Name}, LoginDisabled: true, Bindings: []scram.ChannelBinding{{}}})
		if (m.Cleartext || m.Certificate) != (err != nil) {
			t.Errorf("%s unencrypted: %+v, %v", m.Name, c, err)
		}
	}
}

// TestHostileNames has a server offer nonsense.
func TestHostileNames(t *testing.T) {
	offered := []string{"A\x1b[2J", "", strings.Repeat("X", 100000), `"`}
	for range 1000 {
		offered = append(offered, "Y")
	}
	_, err := Select(Request{Offered: offered, LoginDisabled: true, Encrypted: true})
	if err == nil || len(err.Error()) > 1000 || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("got %v", err)
	}
}

func FuzzSelect(f *testing.F) {
	f.Add("PLAIN LOGIN", "* PLAIN", true, false)
	f.Add("SCRAM-SHA-1 \x00", "cram-md5", false, true)
	f.Fuzz(func(t *testing.T, offered, allowed string, disabled, encrypted bool) {
		r := Request{Offered: strings.Fields(offered), LoginDisabled: disabled, Allowed: strings.Fields(allowed), Encrypted: encrypted}
		choices, err := Select(r)
		if err != nil {
			if err.Error() == "" || choices != nil {
				t.Fatalf("%v, %v", choices, err)
			}
			return
		}
		for _, c := range choices {
			named := slices.ContainsFunc(r.Allowed, func(s string) bool { return strings.ToUpper(s) == c.Name })
			any := len(r.Allowed) == 0 || slices.Contains(r.Allowed, "*")
			offered := slices.ContainsFunc(r.Offered, func(s string) bool { return strings.ToUpper(s) == c.Name })
			switch {
			case !named && !any:
				t.Fatalf("%s is not allowed", c.Name)
			case c.Cleartext && !encrypted && (!named || c.Warning == nil):
				t.Fatalf("%s in clear text", c.Name)
			case c.Command && disabled:
				t.Fatal("LOGIN although it is disabled")
			case !c.Command && !offered:
				t.Fatalf("%s is not offered", c.Name)
			case c.Certificate || c.Binding:
				t.Fatalf("%s is not possible", c.Name)
			}
		}
	})
}
