package imapclient

import (
	"unicode/utf8"

	"isync/internal/imapwire"
)

// ServerMemo has the announcements of a server on a connection. With it, later connections need not wait for these
// answers: see Options.Memo. It contains no secrets.
type ServerMemo struct {
	// Offered and Caps are the capabilities before and after the login, as
	// Caps.String returns them.
	Offered, Caps string
	// Greeted: the server sent Offered without being asked, and Told: it sent Caps
	// along with its answer to the login.
	Greeted, Told bool
	// UTF8: the server has confirmed ENABLE UTF8=ACCEPT.
	UTF8 bool
	// Namespace is the answer to NAMESPACE; nil: the server was not asked.
	Namespace *imapwire.Namespace
}

// Memo returns the announcements of the server. It is nil if later connections cannot use them: the login has not
// succeeded, the announcements differ each time, or the server discards input after a login. It must be called after
// Setup.
func (c *Client) Memo() *ServerMemo {
	h := c.hs
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told.Caps == "" || h.deaf || rewrites(parseCaps(h.told.Caps)) {
		return nil
	}
	return new(h.told)
}

// noteNamespace notes the answer to NAMESPACE.
func (h *handshake) noteNamespace(ns *imapwire.Namespace) {
	if ns == nil {
		return
	}
	for _, list := range [][]imapwire.NamespaceEntry{ns.Personal, ns.Other, ns.Shared} {
		for _, e := range list {
			if !utf8.ValidString(e.Prefix) || !utf8.ValidString(e.Delim) {
				return // writing it to a file would change it
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told.Namespace = ns
}

// noteEnabled notes extensions that the server has confirmed.
func (h *handshake) noteEnabled(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := Caps{}
	for name := range h.enabled {
		next[name] = struct{}{}
	}
	for _, name := range names {
		next[name] = struct{}{}
	}
	h.enabled = next
	if acceptsUTF8(next) {
		h.told.UTF8 = true
	}
}
