package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// Noop sends NOOP, so that the server can report changes.
func (c *Client) Noop(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("NOOP"))
}

// StartNoop starts a Noop.
func (c *Client) StartNoop(ctx context.Context) (*Pending[struct{}], error) {
	return begin(ctx, c, new(command), imapwire.NewCommand("NOOP"), new(struct{}))
}
