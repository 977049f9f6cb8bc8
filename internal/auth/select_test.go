package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
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
		plain    bool   // not encrypted
		want     string // the mechanism, or parts of the error after "error:", separated by |
		warning  string
	}{
		{name: "plain", offered: "PLAIN LOGIN", allowed: "*", want: "PLAIN"},
		{name: "default", offered: "plain", want: "PLAIN"},
		{name: "command only", allowed: "*", want: "LOGIN"},
		{name: "command disabled", offered: "PLAIN", disabled: true, allowed: "*", want: "PLAIN"},
		{name: "LOGIN is the command, not the mechanism", offered: "LOGIN", disabled: true, allowed: "*", want: "error:is known: LOGIN"},
		{name: "nothing at all", disabled: true, allowed: "*", want: "error:the server offers no way to log in"},
		{name: "nothing at all, unencrypted", disabled: true, allowed: "*", plain: true, want: "error:the server offers no way to log in|" + useTLS},
		{name: "login named", offered: "PLAIN", allowed: "login", want: "LOGIN"},
		{name: "login named but disabled", offered: "PLAIN", disabled: true, allowed: "LOGIN", want: "error:the server offers PLAIN, but AuthMechs allows only LOGIN|PLAIN as well"},
		{name: "strength, not order", offered: "LOGIN PLAIN", allowed: "LOGIN PLAIN", want: "PLAIN"},
		{name: "stronger ones are missing", offered: "SCRAM-SHA-256 PLAIN XOAUTH2", allowed: "*", want: "PLAIN"},

		{name: "unencrypted", offered: "PLAIN", allowed: "*", plain: true, want: "error:not sent with PLAIN, LOGIN|" + useTLS + "|AuthMechs PLAIN"},
		{name: "unencrypted, missing ones", offered: "PLAIN CRAM-MD5", allowed: "*", plain: true, want: "error:not sent with PLAIN, LOGIN|CRAM-MD5 is not supported yet"},
		{name: "unencrypted, named", offered: "PLAIN", allowed: "PLAIN", plain: true, want: "PLAIN", warning: clear},
		{name: "unencrypted, weaker named", offered: "PLAIN", allowed: "* LOGIN", plain: true, want: "LOGIN", warning: clear},
		{name: "unencrypted, named but disabled", allowed: "LOGIN", disabled: true, plain: true, want: "error:no way to log in|" + useTLS},

		{name: "missing", offered: "CRAM-MD5 PLAIN", allowed: "CRAM-MD5", want: "error:authentication with CRAM-MD5 is not supported yet|the server offers PLAIN as well"},
		{name: "missing, unencrypted", offered: "CRAM-MD5 PLAIN", allowed: "CRAM-MD5", plain: true, want: "error:authentication with CRAM-MD5 is not supported yet"},
		{name: "unknown", offered: "GSSAPI", disabled: true, allowed: "GSSAPI *", want: "error:authentication with GSSAPI is not supported yet"},
		{
			name: "missing but another one is named", offered: "SCRAM-SHA-1 PLAIN", allowed: "PLAIN SCRAM-SHA-1", want: "PLAIN",
			warning: "AuthMechs names SCRAM-SHA-1, which is not supported yet; using PLAIN instead",
		},
		{
			name: "missing but another one is named, unencrypted", offered: "SCRAM-SHA-1 PLAIN", allowed: "PLAIN SCRAM-SHA-1", plain: true, want: "PLAIN",
			warning: "AuthMechs names SCRAM-SHA-1, which is not supported yet; using PLAIN instead; " + clear,
		},
		{name: "missing and not offered", offered: "PLAIN", allowed: "SCRAM-SHA-1 PLAIN", want: "PLAIN"},
		{name: "nothing in common", offered: "PLAIN GSSAPI", allowed: "CRAM-MD5 SCRAM-SHA-1", want: "error:the server offers PLAIN, GSSAPI, LOGIN, but AuthMechs allows only CRAM-MD5, SCRAM-SHA-1|PLAIN as well"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Select(Request{Offered: strings.Fields(tt.offered), LoginDisabled: tt.disabled, Allowed: strings.Fields(tt.allowed), Encrypted: !tt.plain})
			if parts, ok := strings.CutPrefix(tt.want, "error:"); ok {
				var e *SelectError
				if !errors.As(err, &e) || c != nil {
					t.Fatalf("got %+v, %v", c, err)
				}
				for part := range strings.SplitSeq(parts, "|") {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q is not in: %v", part, err)
					}
				}
				if tt.plain && strings.Contains(err.Error(), "as well") {
					t.Errorf("recommends what is not safe: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != tt.want || c.Warning != tt.warning {
				t.Errorf("got %s, warning %q", c.Name, c.Warning)
			}
			if (c.NewClient == nil) != (c.Name == "LOGIN") {
				t.Error("only LOGIN has no SASL client")
			}
		})
	}
}

// TestSelectStrength has everything in the table supported and offered, and
// takes away the strongest one after the other.
func TestSelectStrength(t *testing.T) {
	table := slices.Clone(mechanisms)
	var names []string
	for i := range table {
		table[i].missing = false
		names = append(names, table[i].Name)
	}
	for i, want := range names {
		c, err := selectFrom(table, Request{Offered: names[i:], Encrypted: true})
		if err != nil || c.Name != want || c.Warning != "" {
			t.Errorf("of %v: got %+v, %v", names[i:], c, err)
		}
	}
	// Without encryption the ones that do not send the password remain.
	for i, m := range table {
		c, err := selectFrom(table, Request{Offered: names[i : i+1], LoginDisabled: m.Name != loginCommand})
		if m.Cleartext != (err != nil) {
			t.Errorf("%s unencrypted: %+v, %v", m.Name, c, err)
		}
	}
}

func TestPlainClient(t *testing.T) {
	c, err := Select(Request{Offered: []string{"PLAIN"}, Encrypted: true})
	if err != nil {
		t.Fatal(err)
	}
	name, ir, err := c.NewClient("me", "secret").Start()
	if name != sasl.Plain || string(ir) != "\x00me\x00secret" || err != nil {
		t.Errorf("got %q, %q, %v", name, ir, err)
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
		c, err := Select(r)
		if err != nil {
			if err.Error() == "" || c != nil {
				t.Fatalf("%v, %v", c, err)
			}
			return
		}
		named := slices.ContainsFunc(r.Allowed, func(s string) bool { return strings.ToUpper(s) == c.Name })
		any := len(r.Allowed) == 0 || slices.Contains(r.Allowed, "*")
		switch {
		case c.missing:
			t.Fatalf("%s is not supported", c.Name)
		case !named && !any:
			t.Fatalf("%s is not allowed", c.Name)
		case c.Cleartext && !encrypted && (!named || c.Warning == ""):
			t.Fatalf("%s in clear text", c.Name)
		case c.Name == loginCommand && disabled:
			t.Fatal("LOGIN although it is disabled")
		case c.Name != loginCommand && !slices.ContainsFunc(r.Offered, func(s string) bool { return strings.ToUpper(s) == c.Name }):
			t.Fatalf("%s is not offered", c.Name)
		}
	})
}
