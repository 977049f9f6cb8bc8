package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// Create creates a mailbox. If it exists already, servers answer NO, perhaps with imapwire.CodeAlreadyExists.
func (c *Client) Create(ctx context.Context, box string) error {
	return c.simple(ctx, c.names.add(imapwire.NewCommand("CREATE"), box))
}

// Delete deletes a mailbox with all its messages.
func (c *Client) Delete(ctx context.Context, box string) error {
	return c.simple(ctx, c.names.add(imapwire.NewCommand("DELETE"), box))
}

// Subscribe adds a mailbox to the subscribed ones.
func (c *Client) Subscribe(ctx context.Context, box string) error {
	return c.simple(ctx, c.names.add(imapwire.NewCommand("SUBSCRIBE"), box))
}
