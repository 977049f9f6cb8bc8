package imapclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"

	"isync/internal/imapwire"
)

// Compression says whether to turn on COMPRESS=DEFLATE (RFC 4978).
type Compression uint8

// The ways to decide about compression.
const (
	// CompressNever: compression is never turned on.
	CompressNever Compression = iota
	// CompressSlow does if round trips take slowLink or more: compressing costs
	// a server more time than a fast network does.
	CompressSlow
	// CompressAlways does whenever the server offers it.
	CompressAlways
)

// slowLink is how long a round trip takes where compression is worth while.
const slowLink = 10 * time.Millisecond

// compression is the state of compression on a connection.
type compression struct {
	on       atomic.Bool
	refused  atomic.Bool // by the server
	deciding atomic.Bool // CompressIfSlow is running
}

// Compress turns on COMPRESS=DEFLATE (RFC 4978), once everything under way is
// completed.
func (c *Client) Compress(ctx context.Context) error { return c.compress(ctx, c.startAlone) }

// compress turns on compression by a command that start sends.
func (c *Client) compress(ctx context.Context, start func(context.Context, *command, *imapwire.Command) (release func(), err error)) error {
	if c.deflate.on.Load() {
		return nil
	}
	cmd := &command{completed: func(*imapwire.Response) error {
		w, err := flate.NewWriter(c.stream, flate.DefaultCompression)
		if err != nil {
			return c.lost("COMPRESS", err)
		}
		// Some of the compressed stream may be in the decoder's buffer already.
		// zlib-based servers end what they send with partial flushes, after
		// which a reader must not wait for more.
		rest := bytes.NewReader(bytes.Clone(c.dec.Buffered()))
		r := flate.NewReaderOpts(io.MultiReader(rest, c.stream), flate.WithPartialBlock())
		c.replace(struct {
			io.Reader
			io.Writer
		}{r, w}, w)
		c.deflate.on.Store(true)
		return nil
	}}
	release, err := start(ctx, cmd, imapwire.NewCommand("COMPRESS").Raw("DEFLATE"))
	if err != nil {
		return err
	}
	defer release()
	return c.wait(ctx, cmd)
}

// CompressIfSlow turns on compression if the line is slow and no decision was made
// before. It must be called after Setup, before much is sent or received. Turning it on
// takes a round trip, as soon as the connection has nothing to send or fetch.
func (c *Client) CompressIfSlow(ctx context.Context) error {
	if c.opts.Compression != CompressSlow || c.deflate.refused.Load() || !c.Caps().Has("COMPRESS=DEFLATE") {
		return nil
	}
	if !c.deflate.deciding.CompareAndSwap(false, true) {
		return nil
	}
	defer c.deflate.deciding.Store(false)
	if c.deflate.on.Load() {
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
		c.deflate.refused.Store(true)
		return nil
	}
	return err
}

// slow reports whether round trips are slow. A fast answer proves that they are not. A
// login may take long for other reasons, so the answer to the ID that was sent behind
// it decides, or the answer to a NOOP.
func (c *Client) slow(ctx context.Context) (bool, error) {
	if rtt := c.RTT(); rtt > 0 && rtt < slowLink {
		return false, nil
	}
	var err error
	if c.latency.id != nil {
		_, err = c.latency.id.Wait(ctx)
	} else if c.latency.probed.CompareAndSwap(false, true) {
		err = c.Noop(ctx)
	}
	if err = tolerate(err); err != nil {
		return false, err
	}
	return c.RTT() >= slowLink, nil
}
