package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// Login logs in with LOGIN. The caller must check whether that is allowed (LOGINDISABLED). Afterwards, the
// capabilities are known.
func (c *Client) Login(ctx context.Context, user, password string) error {
	c.mask.add(password)
	lists := c.hs.loginBegins()
	text := imapwire.NewCommand("LOGIN").String(user).Secret(password)
	cmd := c.hs.loginCommand(new(command))
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	c.hs.loginSent()
	if err := c.wait(ctx, cmd); err != nil {
		return err
	}
	return c.loggedIn(ctx, lists)
}

// loggedIn asks for the capabilities unless they came with the answer to the login, or
// are expected. lists is the number of capability lists received before the login.
func (c *Client) loggedIn(ctx context.Context, lists uint64) error {
	if c.Optimistic() {
		return nil
	}
	told := c.hs.lists.Load() != lists && !rewrites(c.Caps())
	if !told {
		if err := c.Capability(ctx); err != nil {
			return err
		}
	}
	c.hs.loginDone(told)
	return nil
}
