package imapclient

import "crypto/tls"

// TLSState returns the state of the TLS connection after its handshake, to bind
// an authentication to it (RFC 5056), or nil if there is none.
func (c *Client) TLSState() *tls.ConnectionState { return c.tlsState.Load() }

// secured notes that the connection is encrypted.
func (c *Client) secured(t *tls.Conn) {
	state := t.ConnectionState()
	c.tlsState.Store(&state)
	c.tlsConn.Store(t)
	c.secure.Store(true)
}
