package imapclient

import (
	"context"
	"errors"
	"time"
)

// Compression says whether to turn on COMPRESS=DEFLATE (RFC 4978).
type Compression uint8

// The ways to decide about compression.
const (
	// CompressNever does not.
	CompressNever Compression = iota
	// CompressSlow does if round trips take slowLink or more: compressing costs
	// a server more time than a fast network does.
	CompressSlow
	// CompressAlways does whenever the server offers it.
	CompressAlways
)

// slowLink is how long a round trip takes where compression is worth while.
const slowLink = 10 * time.Millisecond

// Settle is to be called once after the login, before a mailbox is selected. It
// turns on what Options ask for and the server offers: it tells the server who
// we are (RFC 2971), without waiting for the answer; some servers refuse to
// open mailboxes else. It enables UTF8=ACCEPT (RFC 6855), so that servers give
// messages with internationalized headers as they are, and not, for clients
// that know nothing of them, a substitute. And it turns on compression. What the
// server refuses is done without; errors are those of the connection.
func (c *Client) Settle(ctx context.Context) error {
	id, err := c.introduce(ctx)
	if err != nil {
		return err
	}
	utf8, err := c.enableUTF8(ctx)
	if err != nil {
		return err
	}
	if c.opts.Namespace && c.Caps().Has("NAMESPACE") {
		// The server answers in order, so names in the answer are read as the one
		// to ENABLE has it.
		p, err := c.startNamespace(ctx)
		if err != nil {
			return err
		}
		c.namespace.Store(p)
	}
	if utf8 != nil {
		// How names are to be written depends on it.
		if _, err := utf8.Wait(ctx); tolerate(err) != nil {
			return err
		}
	}
	if !c.Caps().Has("COMPRESS=DEFLATE") {
		return nil
	}
	switch c.opts.Compression {
	case CompressNever:
		return nil
	case CompressSlow:
		if slow, err := c.slow(ctx, id); !slow || err != nil {
			return err
		}
	case CompressAlways:
	}
	return tolerate(c.Compress(ctx))
}

// tolerate takes a refusal for an answer.
func tolerate(err error) error {
	if _, ok := errors.AsType[*ResponseError](err); ok {
		return nil
	}
	return err
}

// introduce starts an ID; it returns nil if there is no need.
func (c *Client) introduce(ctx context.Context) (*Pending[[]string], error) {
	if len(c.opts.ID) == 0 || !c.Caps().Has("ID") {
		return nil, nil
	}
	return c.StartID(ctx, c.opts.ID...)
}

// enableUTF8 starts to enable UTF8=ACCEPT, which servers with UTF8=ONLY insist
// on; it returns nil if there is no need.
func (c *Client) enableUTF8(ctx context.Context) (*Pending[Caps], error) {
	caps := c.Caps()
	if !caps.Has("ENABLE") || c.disabled.Has("UTF8=ACCEPT") || !caps.Has("UTF8=ACCEPT") && !caps.Has("UTF8=ONLY") {
		return nil, nil
	}
	return c.StartEnable(ctx, "UTF8=ACCEPT")
}

// slow tells whether round trips are slow. Whatever has been answered in a short
// time proves that they are not; logging in may take long for other reasons, so
// what follows it decides: the ID that is under way, or else a NOOP.
func (c *Client) slow(ctx context.Context, id *Pending[[]string]) (bool, error) {
	if c.RTT() < slowLink {
		return false, nil
	}
	var err error
	if id != nil {
		_, err = id.Wait(ctx)
	} else {
		err = c.Noop(ctx)
	}
	if err = tolerate(err); err != nil {
		return false, err
	}
	return c.RTT() >= slowLink, nil
}

// RTT returns the shortest time that the server has taken to answer so far,
// which a round trip takes at most.
func (c *Client) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// noteRTT takes the time that an answer has taken into account.
func (c *Client) noteRTT(d time.Duration) {
	if old := c.rtt.Load(); old == 0 || int64(d) < old {
		c.rtt.Store(max(1, int64(d)))
	}
}
