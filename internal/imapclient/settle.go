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

// Settle is to be called once after the login, or while Ahead after LoginSent,
// before a mailbox is selected. It turns on what Options ask for and the server offers: it tells the server who
// we are (RFC 2971), without waiting for the answer; some servers refuse to
// open mailboxes else. It enables UTF8=ACCEPT (RFC 6855), so that servers give
// messages with internationalized headers as they are, and not, for clients
// that know nothing of them, a substitute. And it turns on compression, if that
// does not depend on how slow the line is: see CompressIfSlow. What the server
// refuses is done without; errors are those of the connection.
func (c *Client) Settle(ctx context.Context) error {
	if err := c.settleAhead(ctx); err != nil {
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
		// The server answers in order, so names in the answer are read as the one
		// to ENABLE has it.
		p, err := c.startNamespace(ctx)
		if err != nil {
			return err
		}
		c.namespace.Store(p)
	}
	if utf8 != nil && !c.Ahead() {
		// How names are to be written depends on it.
		if _, err := utf8.Wait(ctx); tolerate(err) != nil {
			return err
		}
	}
	if c.opts.Compression != CompressAlways || !c.Caps().Has("COMPRESS=DEFLATE") {
		return nil
	}
	return tolerate(c.Compress(ctx))
}

// settleAhead has the server go on as it is expected to.
func (c *Client) settleAhead(ctx context.Context) error {
	a := c.ahead.Load()
	if a == nil {
		return nil
	}
	c.mu.Lock()
	c.caps.Store(&a.caps)
	c.mu.Unlock()
	c.utf8On.Store(a.past.UTF8)
	if a.past.Told {
		return nil
	}
	return c.startCheck(ctx, "CAPABILITY", func() string { return a.told(a.past.Caps) })
}

// tolerate takes a refusal for an answer.
func tolerate(err error) error {
	if _, ok := errors.AsType[*ResponseError](err); ok {
		return nil
	}
	return err
}

// introduce starts an ID, if there is need.
func (c *Client) introduce(ctx context.Context) error {
	if len(c.opts.ID) == 0 || !c.Caps().Has("ID") {
		return nil
	}
	id, err := c.StartID(ctx, c.opts.ID...)
	if !c.Ahead() {
		c.introduced = id // else the time for the login counts, too
	}
	return err
}

// enableUTF8 starts to enable UTF8=ACCEPT, which servers with UTF8=ONLY insist
// on; it returns nil if there is no need.
func (c *Client) enableUTF8(ctx context.Context) (*Pending[Caps], error) {
	caps := c.Caps()
	if !caps.Has("ENABLE") || c.disabled.Has("UTF8=ACCEPT") || !caps.Has("UTF8=ACCEPT") && !caps.Has("UTF8=ONLY") {
		return nil, nil
	}
	return c.startEnable(ctx, func(got Caps) string {
		if on := acceptsUTF8(got); on != c.ahead.Load().past.UTF8 {
			return "the server has another mind about UTF8=ACCEPT than before"
		}
		return ""
	}, "UTF8=ACCEPT")
}

// CompressIfSlow is to be called, after Settle, before much is sent or received.
// If the line is slow, and nothing else has been decided, it turns on compression,
// which takes a round trip, as soon as the connection has nothing to send or fetch.
func (c *Client) CompressIfSlow(ctx context.Context) error {
	if c.opts.Compression != CompressSlow || c.incompressible.Load() || !c.Caps().Has("COMPRESS=DEFLATE") {
		return nil
	}
	if !c.compressing.CompareAndSwap(false, true) {
		return nil
	}
	defer c.compressing.Store(false)
	if c.deflate.Load() {
		return nil
	}
	if slow, err := c.slow(ctx); !slow || err != nil {
		return err
	}
	err := c.compress(ctx, c.tryStartAlone)
	if errors.Is(err, errBusy) {
		return nil
	}
	if _, refused := errors.AsType[*ResponseError](err); refused {
		c.incompressible.Store(true)
		return nil
	}
	return err
}

// slow tells whether round trips are slow. Whatever has been answered in a short
// time proves that they are not; logging in may take long for other reasons, so
// what follows it decides: the ID that was sent, or else a NOOP.
func (c *Client) slow(ctx context.Context) (bool, error) {
	if rtt := c.RTT(); rtt > 0 && rtt < slowLink {
		return false, nil
	}
	var err error
	if c.introduced != nil {
		_, err = c.introduced.Wait(ctx)
	} else if c.probed.CompareAndSwap(false, true) {
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
