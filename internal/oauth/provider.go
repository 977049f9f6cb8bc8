package oauth

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// The names of the providers.
const (
	Google    = "google"
	Microsoft = "microsoft"
	Fastmail  = "fastmail"
	Yandex    = "yandex"
	MailRu    = "mailru"
	Custom    = "custom"
)

// The scopes of Microsoft: which of them works depends on the kind of the account.
const (
	scopeOrganisation = "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access openid"
	scopePersonal     = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access openid"
)

// tenantPersonal is the tenant of all personal accounts of Microsoft, and
// tenantConsumers is the name for it in addresses.
const (
	tenantPersonal  = "9188040d-6c67-4c5b-b112-36a304b66dad"
	tenantConsumers = "consumers"
	tenantDefault   = "common"
)

// provider is a row of the table of providers.
type provider struct {
	name string
	// auth, token and device are the endpoints; "": there is none. TENANT is replaced.
	auth, token, device string
	scope               string
	// params are added to the request for an authorization.
	params url.Values
	// noDevice is why a device cannot be authorized, if there is a special reason.
	noDevice string
}

// providers is the table of providers. The addresses are from their documentation:
//
//   - Google: "OAuth 2.0 for Mobile & Desktop Apps"
//   - Microsoft: "Authenticate an IMAP, POP or SMTP connection using OAuth"
//   - Fastmail: "OAuth for developers"
//   - Yandex: "Yandex ID, OAuth"
//   - Mail.ru: "OAuth 2.0, Mail.ru"
var providers = []provider{
	{
		name: Google,
		auth: "https://accounts.google.com/o/oauth2/v2/auth", token: "https://oauth2.googleapis.com/token",
		scope:    "https://mail.google.com/",
		params:   url.Values{"access_type": {"offline"}, "prompt": {"consent"}},
		noDevice: "Google does not permit it for mail",
	},
	{
		name: Microsoft,
		auth: "https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize", token: "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
		device: "https://login.microsoftonline.com/TENANT/oauth2/v2.0/devicecode",
		scope:  scopeOrganisation,
	},
	{
		name: Fastmail,
		auth: "https://api.fastmail.com/oauth/authorize", token: "https://api.fastmail.com/oauth/refresh",
		scope: "https://www.fastmail.com/dev/protocol-imap",
	},
	{
		name: Yandex,
		auth: "https://oauth.yandex.com/authorize", token: "https://oauth.yandex.com/token",
		scope: "mail:imap_full",
	},
	{
		name: MailRu,
		auth: "https://o2.mail.ru/login", token: "https://o2.mail.ru/token",
		scope: "mail.imap",
	},
	{name: Custom},
}

// Providers returns the names of all providers.
func Providers() []string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.name
	}
	return names
}

// providerNamed returns the row of a provider.
func providerNamed(name string) (provider, error) {
	i := slices.IndexFunc(providers, func(p provider) bool { return p.name == name })
	if i < 0 {
		return provider{}, fmt.Errorf("unknown OAuth provider '%s'", name)
	}
	return providers[i], nil
}

// CheckURL returns what is wrong with the address of an endpoint: tokens are sent only over
// HTTPS, or within this computer.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("'%s' is not an address such as https://provider.example/token", clean(address))
	case u.User != nil:
		return fmt.Errorf("the address of a provider must not hold a user name or password")
	case u.Fragment != "":
		return fmt.Errorf("'%s' must not have a fragment (#...)", clean(address))
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("'%s' is not encrypted: use https (http is possible only for localhost)", clean(address))
	}
	return fmt.Errorf("'%s' does not begin with https://", clean(address))
}

// isLoopback reports whether a host is this computer.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// hostOf returns the host of an address, for messages.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the provider"
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil && port == "443" {
		return clean(host)
	}
	return clean(u.Host)
}

// maxShown limits a text of a provider in a message.
const maxShown = 300

// clean makes a text of a provider fit to be shown: it removes control characters, and cuts
// it.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxShown {
		s = string(runes[:maxShown]) + "..."
	}
	return s
}
