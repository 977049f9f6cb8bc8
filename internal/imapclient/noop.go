package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// StartNoop starts a NOOP, after which commands may follow without waiting. By
// the time it is completed the server has told what has happened to the
// selected mailbox.
func (c *Client) StartNoop(ctx context.Context) (*Pending[struct{}], error) {
	return begin(ctx, c, new(command), imapwire.NewCommand("NOOP"), new(struct{}))
}
