package provider

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// wanted are the names in configurations. None of them may ever be removed.
var wanted = []string{
	"gmail", "microsoft", "fastmail", "icloud", "yahoo", "aol", "gmx", "webde", "mailbox.org", "posteo",
	"proton-bridge", "zoho", "yandex", "mailru", "migadu", "purelymail",
}

func TestNames(t *testing.T) {
	if got := Names(); !slices.Equal(got, wanted) {
		t.Errorf("providers %q", got)
	}
}

// TestTable: each row is complete, and no name, domain or mail exchanger is in two rows.
func TestTable(t *testing.T) {
	owner := map[string]string{}
	own := func(p Provider, kind, what string) {
		if what == "" || what != canonical(what) || strings.ContainsAny(what, " @/") {
			t.Errorf("%s: %s %q is not in canonical form", p.Name, kind, what)
		}
		if other := owner[kind+what]; other != "" {
			t.Errorf("%s %q is in %s and %s", kind, what, other, p.Name)
		}
		owner[kind+what] = p.Name
	}
	for _, p := range All() {
		own(p, "name", p.Name)
		if p.Title == "" || p.Host == "" || p.Port == 0 {
			t.Errorf("%s is incomplete: %+v", p.Name, p)
		}
		if len(p.Domains)+len(p.MX) == 0 {
			t.Errorf("%s cannot be found", p.Name)
		}
		if (p.TLS == IMAPS) != (p.Port == 993) {
			t.Errorf("%s: port %d does not fit its encryption", p.Name, p.Port)
		}
		for _, d := range p.Domains {
			own(p, "domain", d)
		}
		for _, mx := range p.MX {
			own(p, "mx", mx)
		}
		for _, h := range p.Hosts {
			own(p, "host for", h.Domain)
			if !slices.Contains(p.Domains, h.Domain) {
				t.Errorf("%s has a host for %s, but does not have that domain", p.Name, h.Domain)
			}
		}
		if u, err := url.Parse(p.Source); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: source %q", p.Name, p.Source)
		}
		if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if p.Secret == TokenOnly && p.OAuth == "" {
			t.Errorf("%s: no way to log in", p.Name)
		}
	}
}

func TestLookups(t *testing.T) {
	name := func(p Provider, ok bool) string {
		if ok != (p.Name != "") {
			t.Errorf("%v, %v", p.Name, ok)
		}
		return p.Name
	}
	for in, want := range map[string]string{"gmail": "gmail", "GMail": "gmail", "Mailbox.org": "mailbox.org", "google": "", "": ""} {
		if got := name(ByName(in)); got != want {
			t.Errorf("name %q: %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"gmail.com": "gmail", "GoogleMail.com.": "gmail", "yahoo.co.jp": "", "example.org": "", "mail.gmail.com": "", "": "",
		"hotmail.com": "microsoft", "gmx.com": "gmx", "proton.me": "proton-bridge",
	} {
		if got := name(ByDomain(in)); got != want {
			t.Errorf("domain %q: %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"ASPMX.L.GOOGLE.COM.": "gmail", "smtp.google.com": "gmail", "example-org.mail.protection.outlook.com": "microsoft",
		"in1-smtp.messagingengine.com": "fastmail", "mta5.am0.yahoodns.net": "yahoo", "mx-aol.mail.gm0.yahoodns.net": "aol",
		"mx01.mail.icloud.com": "icloud", "aspmx1.migadu.com": "migadu", "notgoogle.com": "", "google.com.example.org": "", "": "",
	} {
		if got := name(ByMX(in)); got != want {
			t.Errorf("mail exchanger %q: %q", in, got)
		}
	}
}

func TestHostFor(t *testing.T) {
	for _, c := range []struct{ name, user, want string }{
		{"gmx", "a@gmx.de", "imap.gmx.net"},
		{"gmx", "a@GMX.com", "imap.gmx.com"},
		{"gmx", "a", "imap.gmx.net"},
		{"gmx", "", "imap.gmx.net"},
		{"zoho", "a@example.org", "imappro.zoho.com"},
		{"zoho", "a@zoho.eu", "imap.zoho.eu"},
	} {
		p, _ := ByName(c.name)
		if got := p.HostFor(c.user); got != c.want {
			t.Errorf("%s for %q: %s, want %s", c.name, c.user, got, c.want)
		}
	}
}

func TestFolder(t *testing.T) {
	p, _ := ByName("proton-bridge")
	for use, want := range map[string]string{"all": "All Mail", "Junk": "Spam", "Important": ""} {
		if got := p.Folder(use); got != want {
			t.Errorf("%s: %q", use, got)
		}
	}
}
