package discover

import (
	"strings"
	"testing"

	"isync/internal/provider"
)

var someone = Address{Local: "me", Domain: "example.org", Shown: "example.org"}

func TestClientConfig(t *testing.T) {
	pop := server("pop3", "pop.example.org", "995", "SSL", "password-cleartext")
	good := Server{Host: "imap.example.org", Port: 993, User: "me@example.org", Password: true}
	for name, tt := range map[string]struct {
		text string
		want Server
		err  string
	}{
		"first with TLS": {text: document(pop, server("imap", "plain.example.org", "143", "plain", "password-cleartext"), imaps("imap.example.org"), imaps("second.example.org")), want: good},
		"STARTTLS":       {text: document(server("imap", "imap.example.org", "", "STARTTLS", "password-encrypted")), want: Server{Host: "imap.example.org", Port: 143, TLS: provider.STARTTLS, User: "me@example.org", Password: true}},
		"OAuth":          {text: document(server("imap", "imap.example.org", "993", "SSL", "OAuth2", "password-cleartext")), want: Server{Host: "imap.example.org", Port: 993, User: "me@example.org", Password: true, OAuth: true}},
		"Latin-1":        {text: strings.Replace(document("<displayName>B\xfccher</displayName>", imaps("imap.example.org")), "UTF-8", "ISO-8859-1", 1), want: good},
		"white space":    {text: document(server(" imap ", "\n IMAP.example.org. ", " 993 ", " ssl ", " password-cleartext ")), want: good},
		"local part":     {text: document(strings.Replace(imaps("imap.example.org"), "EMAILADDRESS", "EMAILLOCALPART", 1)), want: Server{Host: "imap.example.org", Port: 993, User: "me", Password: true}},
		"other variable": {text: document(strings.Replace(imaps("imap.example.org"), "EMAILADDRESS", "REALNAME", 1)), want: Server{Host: "imap.example.org", Port: 993, Password: true}},
		"odd user":       {text: document(strings.Replace(imaps("imap.example.org"), "%EMAILADDRESS%", "a&#10;Tunnel x", 1)), want: Server{Host: "imap.example.org", Port: 993, Password: true}},

		"no TLS":       {text: document(server("imap", "imap.example.org", "143", "plain", "password-cleartext")), err: "without TLS"},
		"no socket":    {text: document(server("imap", "imap.example.org", "993", "", "password-cleartext")), err: "without TLS"},
		"POP only":     {text: document(pop), err: "no IMAP server"},
		"none":         {text: document(), err: "no IMAP server"},
		"certificate":  {text: document(server("imap", "imap.example.org", "993", "SSL", "TLS-client-cert")), err: "not supported"},
		"an address":   {text: document(imaps("127.0.0.1")), err: "not a host name"},
		"a local name": {text: document(imaps("localhost")), err: "not a host name"},
		"odd host":     {text: document(imaps("imap.example.org\nTunnel x")), err: "not a host name"},
		"option":       {text: document(imaps("-x.example.org")), err: "not a host name"},
		"port":         {text: document(server("imap", "imap.example.org", "99999", "SSL", "password-cleartext")), err: "the port"},
		"port 0":       {text: document(server("imap", "imap.example.org", "0", "SSL", "password-cleartext")), err: "the port"},
		"HTML":         {text: "<!DOCTYPE html><html></html>", err: "format"},
		"entities": {text: `<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` +
			document("<x>&b;&b;&b;&b;</x>", imaps("imap.example.org"))[len(`<?xml version="1.0" encoding="UTF-8"?>`):], err: "format"},
		"file": {text: `<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]>` +
			document(imaps("&a;.example.org"))[len(`<?xml version="1.0" encoding="UTF-8"?>`):], err: "format"},
		"deep": {text: `<clientConfig>` + strings.Repeat("<x>", 20000), err: "format"},
	} {
		got, err := parseClientConfig([]byte(tt.text), someone)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %+v, %v", name, got, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || got != Server{}):
			t.Errorf("%s: %+v, %v", name, got, err)
		case err != nil && len(err.Error()) > 200:
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

// Whatever a document says, what is made of it can be written into a configuration.
func FuzzClientConfig(f *testing.F) {
	f.Add([]byte(document(imaps("imap.example.org"))))
	f.Add([]byte(document(server("imap", "imap.%EMAILDOMAIN%", "143", "STARTTLS", "OAuth2"))))
	f.Add([]byte(document(server("imap", "plain.example.org", "143", "plain", "password-cleartext"))))
	f.Add([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE x [<!ENTITY a "b">]><clientConfig>&a;</clientConfig>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseClientConfig(data, someone)
		if err != nil {
			if s != (Server{}) || len(err.Error()) > 300 {
				t.Fatalf("%+v, %v", s, err)
			}
			return
		}
		if !validHost(s.Host) || s.Host != strings.ToLower(s.Host) || s.Port < 1 || s.Port > 65535 || s.TLS > provider.STARTTLS {
			t.Fatalf("%+v", s)
		}
		if s.User != "" && !validUser(s.User) || !s.Password && !s.OAuth {
			t.Fatalf("%+v", s)
		}
	})
}
