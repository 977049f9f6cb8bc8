package imapclient

import (
	"context"
	"errors"
	"time"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// logoutGrace is how long Logout waits for the server.
const logoutGrace = 3 * time.Second

// Logout says goodbye to the server, waiting a few seconds at most for its
// answer, and closes the connection. Its error is that of the goodbye, which
// is of no consequence.
func (c *Client) Logout(ctx context.Context) error {
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, logoutGrace)
	defer cancel()
	err := c.simple(ctx, imapwire.NewCommand("LOGOUT"))
	if _, ok := errors.AsType[*ByeError](err); ok || errors.Is(err, transport.ErrPeerClosed) {
		return nil // some servers leave it at that
	}
	return err
}

// Leave says goodbye without waiting for the answer, which no one needs once
// everything else has been answered: it sends LOGOUT, ends TLS as it should be
// ended, and closes the connection. If commands are under way, or the server is
// behind a command of the user's, which may want to see the end of the
// conversation, it is Logout.
func (c *Client) Leave(ctx context.Context) error {
	if c.Busy() || c.opts.Dial != nil {
		return c.Logout(ctx)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, logoutGrace)
	defer cancel()
	if err := c.start(ctx, new(command), imapwire.NewCommand("LOGOUT")); err != nil {
		return err
	}
	if err := c.out.Drain(ctx, c.dead); err != nil {
		return err
	}
	if t := c.tls.conn.Load(); t != nil {
		return t.CloseWrite()
	}
	return nil
}
