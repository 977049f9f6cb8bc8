package imapclient

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"isync/internal/auth"
	"isync/internal/imapwire"
)

var _ auth.Conn = (*Client)(nil)

// maxInitialResponse is the maximum length of an initial response in the command, so that servers do not
// refuse the line.
const maxInitialResponse = 7000

// Authenticate logs in with a SASL mechanism. If the server supports SASL-IR (RFC 4959), the initial response
// is sent with the command. Afterwards, the capabilities are known. If the mechanism itself fails, its error is
// returned, and the connection still works. A mechanism that is an auth.Prover may also fail after the server has
// accepted the login. Then the connection must not be used.
func (c *Client) Authenticate(ctx context.Context, mech sasl.Client) error {
	name, ir, err := mech.Start()
	if err != nil {
		return fmt.Errorf("AUTHENTICATE %s: %w", name, err)
	}
	if err := c.ensureCaps(ctx); err != nil {
		return err
	}
	lists := c.hs.loginBegins()
	if err := c.authenticate(ctx, mech, name, ir); err != nil {
		if r, ok := errors.AsType[*ResponseError](err); ok {
			r.Command = authCommand + name
		}
		return err
	}
	if p, ok := mech.(auth.Prover); ok {
		if err := p.Proven(); err != nil {
			return fmt.Errorf("%s%s: %w", authCommand, name, err)
		}
	}
	return c.loggedIn(ctx, lists)
}

// authCommand is the command with a space after it.
const authCommand = "AUTHENTICATE "

func (c *Client) authenticate(ctx context.Context, mech sasl.Client, name string, ir []byte) error {
	text := imapwire.NewCommand("AUTHENTICATE").Raw(name)
	behind := false // commands may be sent behind it
	if ir != nil && len(ir) <= maxInitialResponse*3/4 && c.Caps().Has("SASL-IR") {
		enc := base64.StdEncoding.EncodeToString(ir)
		if enc == "" {
			enc = "="
		}
		c.mask.add(enc)
		c.mask.add(secretIn(ir))
		text.SecretRaw(enc)
		ir = nil
		behind = c.Optimistic() && oneStep(name) && !c.hs.rewinds
	}
	cmd := c.hs.loginCommand(&command{cont: make(chan string, 1), last: behind, ended: func() { c.mask.challenges.Store(false) }})
	c.mask.challenges.Store(true)
	if behind {
		return c.authenticateOptimistically(ctx, mech, cmd, text)
	}
	release, err := c.startAlone(ctx, cmd, text)
	if err != nil {
		c.mask.challenges.Store(false)
		return err
	}
	defer release()
	for {
		select {
		case challenge := <-cmd.cont:
			reply, err := respond(mech, &ir, challenge)
			if err != nil {
				return c.cancelAuth(ctx, cmd, fmt.Errorf("AUTHENTICATE %s: %w", name, err))
			}
			c.mask.add(secretIn(reply))
			if err := c.authLine(ctx, base64.StdEncoding.EncodeToString(reply)); err != nil {
				return err
			}
		case <-cmd.done:
			return cmd.err
		case <-ctx.Done():
			return c.wait(ctx, cmd)
		}
	}
}

// authenticateOptimistically authenticates with a command that needs no further line from the client, so that
// other commands may be sent right after it. Some servers send a challenge nevertheless, to explain a refusal.
// They read the next command as the response to it, so the login fails, as it should.
func (c *Client) authenticateOptimistically(ctx context.Context, mech sasl.Client, cmd *command, text *imapwire.Command) error {
	if err := c.start(ctx, cmd, text); err != nil {
		c.mask.challenges.Store(false)
		return err
	}
	c.hs.loginSent()
	for {
		select {
		case challenge := <-cmd.cont:
			// The mechanism gets the reason of the refusal.
			_, _ = respond(mech, new([]byte), challenge)
		case <-cmd.done:
			select {
			case challenge := <-cmd.cont: // which came along with the refusal
				_, _ = respond(mech, new([]byte), challenge)
			default:
			}
			return cmd.err
		case <-ctx.Done():
			return c.wait(ctx, cmd)
		}
	}
}

// oneStep reports whether a mechanism consists of its initial response only.
func oneStep(name string) bool {
	return slices.Contains([]string{sasl.Plain, sasl.External, sasl.OAuthBearer, "XOAUTH2"}, name)
}

// respond answers a challenge. If the initial response was not sent yet, it answers the first challenge, which
// is empty.
func respond(mech sasl.Client, ir *[]byte, challenge string) ([]byte, error) {
	if *ir != nil {
		reply := *ir
		*ir = nil
		return reply, nil
	}
	dec, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
	if err != nil {
		return nil, fmt.Errorf("server's challenge: %w", err)
	}
	return mech.Next(dec)
}

// cancelAuth cancels the authentication.
func (c *Client) cancelAuth(ctx context.Context, cmd *command, cause error) error {
	if err := c.authLine(ctx, "*"); err != nil {
		return err
	}
	err := c.wait(ctx, cmd)
	if _, ok := errors.AsType[*ConnectionError](err); ok {
		return err
	}
	return cause
}

// authLine sends a line of an authentication.
func (c *Client) authLine(ctx context.Context, line string) error {
	shown := line
	if line != "*" {
		shown = mask
		c.mask.add(line)
	}
	if c.opts.Hooks.Trace != nil {
		c.opts.Hooks.Trace(Sent, shown)
	}
	if err := c.out.Put(ctx, c.dead, []byte(line+"\r\n")); err != nil {
		c.fail(c.lost("AUTHENTICATE", err))
		return c.lost("AUTHENTICATE", c.Err())
	}
	return nil
}
