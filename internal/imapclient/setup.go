package imapclient

import (
	"context"
	"errors"
)

// Setup must be called once after the login, or while Optimistic after LoginSent,
// before a mailbox is selected. It turns on the extensions that Options request and the
// server offers:
//
//   - It sends the ID of Options (RFC 2971), without waiting for the answer. Some
//     servers do not open mailboxes otherwise.
//   - It enables UTF8=ACCEPT (RFC 6855). Otherwise servers send a substitute for
//     messages with internationalized headers.
//   - It turns on compression, unless that depends on how slow the line is: see
//     CompressIfSlow.
//
// A refusal is no error. Errors are those of the connection.
func (c *Client) Setup(ctx context.Context) error {
	if err := c.setupOptimistically(ctx); err != nil {
		return err
	}
	if err := c.introduce(ctx); err != nil {
		return err
	}
	utf8, err := c.enableUTF8(ctx)
	if err != nil {
		return err
	}
	if c.opts.Namespace && c.Caps().Has("NAMESPACE") {
		// The server answers in order, so the answer to ENABLE determines how names in this answer are
		// decoded.
		p, err := c.startNamespace(ctx)
		if err != nil {
			return err
		}
		c.hs.namespace.Store(p)
	}
	if utf8 != nil && !c.Optimistic() {
		// The encoding of names depends on it.
		if _, err := utf8.Wait(ctx); tolerate(err) != nil {
			return err
		}
	}
	if c.opts.Compression != CompressAlways || !c.Caps().Has("COMPRESS=DEFLATE") {
		return nil
	}
	return tolerate(c.Compress(ctx))
}

// setupOptimistically makes the client use the expected answers.
func (c *Client) setupOptimistically(ctx context.Context) error {
	memo := c.hs.assume()
	if memo == nil {
		return nil
	}
	c.names.utf8.Store(memo.UTF8)
	if memo.Told {
		return nil
	}
	return c.verifyCaps(ctx, memo.Caps)
}

// tolerate returns nil for a refusal, and otherwise err.
func tolerate(err error) error {
	if _, ok := errors.AsType[*ResponseError](err); ok {
		return nil
	}
	return err
}
