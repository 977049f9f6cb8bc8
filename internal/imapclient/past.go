package imapclient

import (
	"unicode/utf8"

	"isync/internal/imapwire"
)

// Past is what a server has told about itself on one connection, so that the
// next ones need not wait for it to be told again: see Options.Past. There is
// nothing secret in it.
type Past struct {
	// Offered and Caps are the capabilities before and after the login, as
	// Caps.String tells them.
	Offered, Caps string
	// Greeted: it told the former unasked, and Told: the latter along with its
	// answer to the login.
	Greeted, Told bool
	// UTF8: it has confirmed ENABLE UTF8=ACCEPT.
	UTF8 bool
	// Namespace is its answer to NAMESPACE; nil: it was not asked.
	Namespace *imapwire.Namespace
}

// Past returns what the server has told, nil if that is of no use to further
// connections: if it did not let us log in, or is known to say something else
// every time, or not to listen while it lets one in. It is to be called after Settle.
func (c *Client) Past() *Past {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told.Caps == "" || c.deaf || rewrites(parseCaps(c.told.Caps)) {
		return nil
	}
	return new(c.told)
}

// noteOffered notes the capabilities with which a login begins.
func (c *Client) noteOffered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told.Offered, c.told.Greeted = c.caps.Load().String(), !c.asked.Load()
}

// noteLogin notes the capabilities after the login, and whether they came with it.
func (c *Client) noteLogin(told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told.Caps, c.told.Told = c.caps.Load().String(), told
}

func (c *Client) noteNamespace(ns *imapwire.Namespace) {
	if ns == nil {
		return
	}
	for _, list := range [][]imapwire.NamespaceEntry{ns.Personal, ns.Other, ns.Shared} {
		for _, e := range list {
			if !utf8.ValidString(e.Prefix) || !utf8.ValidString(e.Delim) {
				return // it would not be the same again once it was written down
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told.Namespace = ns
}
