package imapclient

import (
	"context"
	"maps"
	"slices"
	"strings"

	"isync/internal/auth"
	"isync/internal/imapwire"
)

// Caps is a set of capabilities (RFC 9051 §7.2.2), in upper case. It must not
// be changed.
type Caps map[string]struct{}

// rev2 are the extensions that IMAP4rev2 includes (RFC 9051, appendix E).
var rev2 = []string{
	"ENABLE", "ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "MOVE", "NAMESPACE", "SASL-IR",
	"STATUS=SIZE", "UIDPLUS", "UNSELECT",
}

// newCaps makes a set from the capabilities that a server lists.
func newCaps(list []string, disabled Caps) Caps {
	c := make(Caps, len(list))
	for _, name := range list {
		c[name] = struct{}{}
	}
	if c.Has("IMAP4REV2") && !disabled.Has("IMAP4REV2") {
		for _, name := range rev2 {
			c[name] = struct{}{}
		}
	}
	if c.Has("QRESYNC") {
		// RFC 7162 §3.2.3.
		c["CONDSTORE"] = struct{}{}
		c["ENABLE"] = struct{}{}
	}
	maps.DeleteFunc(c, func(name string, _ struct{}) bool {
		// "COMPRESS" disables all compression methods.
		kind, _, _ := strings.Cut(name, "=")
		return disabled.Has(name) || kind == "COMPRESS" && disabled.Has(kind)
	})
	return c
}

// Has reports whether a capability is in the set. name must be in upper case.
func (c Caps) Has(name string) bool {
	_, ok := c[name]
	return ok
}

// AuthMechs returns the SASL mechanisms that the server offers, in upper case,
// sorted.
func (c Caps) AuthMechs() []string {
	var list []string
	for name := range c {
		if mech, ok := strings.CutPrefix(name, "AUTH="); ok {
			list = append(list, mech)
		}
	}
	slices.Sort(list)
	return list
}

// String returns the names, sorted, with spaces between them.
func (c Caps) String() string {
	return strings.Join(slices.Sorted(maps.Keys(c)), " ")
}

// parseCaps is the inverse of Caps.String.
func parseCaps(s string) Caps {
	c := Caps{}
	for name := range strings.FieldsSeq(s) {
		c[name] = struct{}{}
	}
	return c
}

// rewrites reports whether a server with these capabilities is behind a proxy that
// rewrites texts until it has seen the answer to a CAPABILITY command. Apple has such a
// proxy.
func rewrites(caps Caps) bool {
	for name := range caps {
		if strings.HasPrefix(name, "XAPPLE") {
			return true
		}
	}
	return false
}

// Caps returns the capabilities that the server has announced so far, without the
// disabled ones. While Optimistic, after the login was sent, they are the expected
// ones.
func (c *Client) Caps() Caps { return *c.hs.caps.Load() }

// Capability asks for the capabilities, which Caps then returns.
func (c *Client) Capability(ctx context.Context) error {
	c.hs.asked.Store(true)
	return c.simple(ctx, imapwire.NewCommand("CAPABILITY"))
}

// ensureCaps asks for the capabilities if none are known.
func (c *Client) ensureCaps(ctx context.Context) error {
	if len(c.Caps()) > 0 {
		return nil
	}
	return c.Capability(ctx)
}

// LoginOffer implements auth.Conn. It asks for the capabilities if none are known.
func (c *Client) LoginOffer(ctx context.Context) (auth.Offer, error) {
	if err := c.ensureCaps(ctx); err != nil {
		return auth.Offer{}, err
	}
	caps := c.Caps()
	return auth.Offer{Mechs: caps.AuthMechs(), LoginDisabled: caps.Has("LOGINDISABLED")}, nil
}
