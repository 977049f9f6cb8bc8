package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// ErrNotAddress says that a text is not a mail address.
var ErrNotAddress = errors.New("this is not a mail address such as NAME@DOMAIN")

// Address is a mail address.
type Address struct {
	// Local is the part before the last "@".
	Local string
	// Domain is the part behind it, in lower case, and as it is sent (with punycode for
	// international names).
	Domain string
	// Shown is the domain in the letters of the user.
	Shown string
}

// String returns the address with the domain as it is sent.
func (a Address) String() string { return a.Local + "@" + a.Domain }

// ParseAddress reads a mail address.
func ParseAddress(text string) (Address, error) {
	text = strings.TrimSpace(text)
	i := strings.LastIndexByte(text, '@')
	if i < 1 || strings.ContainsFunc(text[:i], func(r rune) bool { return r == ' ' || r == '<' || r == '>' || !unicode.IsPrint(r) }) {
		return Address{}, ErrNotAddress
	}
	domain, err := ParseDomain(text[i+1:])
	if err != nil {
		return Address{}, err
	}
	shown, err := idna.Lookup.ToUnicode(domain)
	if err != nil {
		shown = domain
	}
	return Address{Local: text[:i], Domain: domain, Shown: shown}, nil
}

// ParseDomain returns a domain name as it is sent.
func ParseDomain(text string) (string, error) {
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
	if err != nil || !validHost(domain) || !strings.Contains(domain, ".") {
		return "", fmt.Errorf("'%s' is not a domain name", text)
	}
	return strings.ToLower(domain), nil
}

const (
	maxHost  = 253 // bytes of a host name
	maxLabel = 63  // bytes of a label
)

// validHost reports whether a text is a host name of letters, digits and hyphens. Addresses
// are none.
func validHost(name string) bool {
	if name == "" || len(name) > maxHost {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// hostName returns a host name of an answer, in lower case; "" if it is none.
func hostName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !validHost(name) || !strings.Contains(name, ".") {
		return ""
	}
	return name
}

// Host returns the name or address of a server that a user has given, as it is sent; "": it
// is none. Unlike in answers, names without a dot and addresses are allowed.
func Host(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
	if err != nil || !validHost(name) {
		return ""
	}
	return strings.ToLower(name)
}

// within reports whether a host is in a domain.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
