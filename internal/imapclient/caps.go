package imapclient

import (
	"maps"
	"slices"
	"strings"
)

// Caps is a set of capabilities (RFC 9051 §7.2.2), in upper case. It must not
// be changed.
type Caps map[string]struct{}

// rev2 are the extensions that IMAP4rev2 includes (RFC 9051, appendix E).
var rev2 = []string{
	"ENABLE", "ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "MOVE", "NAMESPACE", "SASL-IR",
	"STATUS=SIZE", "UIDPLUS", "UNSELECT",
}

// newCaps makes a set of what a server lists.
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
		// "COMPRESS" is short for all ways to.
		kind, _, _ := strings.Cut(name, "=")
		return disabled.Has(name) || kind == "COMPRESS" && disabled.Has(kind)
	})
	return c
}

// Has tells whether a capability, to be given in upper case, is in the set.
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
