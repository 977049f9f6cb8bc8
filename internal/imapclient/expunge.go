package imapclient

import (
	"context"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// Expunge removes all messages that are marked as deleted.
func (c *Client) Expunge(ctx context.Context) error {
	return c.expunge(ctx, imapwire.NewCommand("EXPUNGE"))
}

// ExpungeUIDs removes the messages among uids that are marked as deleted (UID EXPUNGE, RFC 4315).
func (c *Client) ExpungeUIDs(ctx context.Context, uids mail.UIDSet) error {
	return c.expunge(ctx, imapwire.NewCommand("UID EXPUNGE").Set(uids))
}

func (c *Client) expunge(ctx context.Context, text *imapwire.Command) error {
	cmd := &command{reports: goneKinds}
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	return c.wait(ctx, cmd)
}
