package imapclient

import (
	"context"
	"errors"
	"time"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// logoutGrace is the time for which Logout waits for the server.
const logoutGrace = 3 * time.Second

// Logout sends LOGOUT, waits a few seconds at most for the answer, and closes the connection. Its error is that of the
// LOGOUT, and can be ignored.
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

// Leave sends LOGOUT, ends TLS properly, and closes the connection without waiting for the answer. Nobody needs that
// answer if all commands are completed. If commands are in progress, or the connection is a tunnel, whose command may
// need the end of the conversation, Leave is Logout.
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
