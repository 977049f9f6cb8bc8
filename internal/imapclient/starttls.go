package imapclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"isync/internal/imapwire"
)

// startTLS encrypts the connection.
func (c *Client) startTLS(ctx context.Context) error {
	if err := c.ensureCaps(ctx); err != nil {
		return err
	}
	if !c.Caps().Has("STARTTLS") {
		return c.lost("", ErrNoStartTLS)
	}
	cmd := &command{completed: func(*imapwire.Response) error {
		// Data in plain text after the OK would be treated as encrypted. Only an attacker sends such data.
		if n := len(c.dec.Buffered()); n > 0 {
			return c.lost("STARTTLS", fmt.Errorf("the server sent %d bytes of plain text after its response, which may be an attack", n))
		}
		t, err := c.link.StartTLS(ctx, c.opts.TLS)
		if err != nil {
			return c.lost(ForTLS, err)
		}
		c.replace(t, &meteredWriter{t, c})
		c.secured(t)
		// Drop everything that was announced before.
		c.hs.forget()
		return nil
	}}
	release, err := c.startAlone(ctx, cmd, imapwire.NewCommand("STARTTLS"))
	if err != nil {
		return err
	}
	defer release()
	return c.wait(ctx, cmd)
}

// encryption is the TLS layer of a connection.
type encryption struct {
	conn  atomic.Pointer[tls.Conn]            // nil: there is none
	state atomic.Pointer[tls.ConnectionState] // after the TLS handshake; nil likewise
}

// secured notes that the connection is encrypted.
func (c *Client) secured(t *tls.Conn) {
	state := t.ConnectionState()
	c.tls.state.Store(&state)
	c.tls.conn.Store(t)
}

// Secure reports whether the connection is encrypted by TLS.
func (c *Client) Secure() bool { return c.tls.conn.Load() != nil }

// TLSState returns the state of the TLS connection after its handshake, to bind
// an authentication to it (RFC 5056), or nil if there is none.
func (c *Client) TLSState() *tls.ConnectionState { return c.tls.state.Load() }
