package imapclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"isync/internal/imapwire"
)

// Compression says whether to turn on COMPRESS=DEFLATE (RFC 4978).
type Compression uint8

// The ways to decide about compression.
const (
	// CompressNever: compression is never turned on.
	CompressNever Compression = iota
	// CompressSlow: compression is turned on if the line was measured, and is slower than a server can
	// compress: see CompressIfSlow.
	CompressSlow
	// CompressAlways: compression is turned on if the server offers it.
	CompressAlways
)

// compression is the state of compression on a connection.
type compression struct {
	on       atomic.Bool
	refused  atomic.Bool // by the server
	deciding atomic.Bool // CompressIfSlow is running
}

// Compress turns on COMPRESS=DEFLATE (RFC 4978) when all commands in progress are completed.
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
		// The decoder's buffer may contain the beginning of the compressed stream. Servers that use zlib
		// end their data with partial flushes, after which a reader must not wait for more.
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

// CompressIfSlow turns on compression if the line is known to be slow: it was measured in this connection or
// another one (Options.Line). It is called before large transfers, and between their commands, so that compression
// is turned on as soon as the line was measured. That takes a round trip while no other command is in progress.
func (c *Client) CompressIfSlow(ctx context.Context) error {
	if !c.mayCompress() {
		return nil
	}
	if slow, known := c.speed.decided(); !known || !slow {
		return nil
	}
	if !c.deflate.deciding.CompareAndSwap(false, true) {
		return nil
	}
	defer c.deflate.deciding.Store(false)
	if c.deflate.on.Load() {
		return nil
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

// mayCompress reports whether CompressIfSlow may turn on compression.
func (c *Client) mayCompress() bool {
	return c.opts.Compression == CompressSlow && !c.deflate.on.Load() && !c.deflate.refused.Load() && c.Caps().Has("COMPRESS=DEFLATE")
}

// Unmeasured returns the number of bytes of messages to fetch before CompressIfSlow is called again, because it is
// not known yet whether the line is slow; 0: it is known, or does not matter.
func (c *Client) Unmeasured() int64 {
	if !c.mayCompress() {
		return 0
	}
	if _, known := c.speed.decided(); known {
		return 0
	}
	return max(1, c.speed.down.missing())
}
