package imapclient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// A Client is a connection to a server. It is safe for concurrent use. Close or Logout must be called at the end,
// also after an error.
type Client struct {
	opts Options
	ipv6 bool
	link *transport.Link
	out  *transport.Outbox

	slots   chan struct{} // holds one token per command under way
	sending chan struct{} // holds a token while a command is being sent

	dead       chan struct{} // closed when the connection is lost
	readerDone chan struct{}
	writerDone chan struct{}

	mu      sync.Mutex
	err     error // why it is dead
	closed  bool  // the reader has ended: nothing can be queued any more
	queue   atomic.Pointer[[]*command]
	nextTag uint64

	hs       *handshake
	tls      encryption
	deflate  compression
	latency  latency
	speed    speed
	names    nameCoding
	mask     masker
	messages messageCount // of the selected mailbox

	// Of the reader goroutine:
	dec    *imapwire.Decoder
	stream io.ReadWriter // what the decoder reads from
	bye    *ByeError
	cur    incoming
}

// Dial connects to a server: TCP, TLS according to Options.Security, and the greeting. It does not log in, but see
// Preauth.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	c, err := dialOnce(ctx, opts)
	if _, again := errors.AsType[*transport.ResumptionError](err); again && ctx.Err() == nil {
		// The server may not support resuming the TLS session of an earlier connection.
		return dialOnce(ctx, opts)
	}
	return c, err
}

func dialOnce(ctx context.Context, opts Options) (*Client, error) {
	if opts.Security != PlainText && opts.TLS == nil {
		return nil, errors.New("imapclient: no TLS configuration")
	}
	conn, err := dial(ctx, &opts)
	if err != nil {
		return nil, err
	}
	c := newClient(conn, opts)
	c.ipv6 = usesIPv6(conn)
	c.speed.path, c.speed.keeper = pathOf(conn), opts.Line
	c.link.Expect()
	if opts.Security == ImplicitTLS {
		start := time.Now()
		t, err := c.link.StartTLS(ctx, opts.TLS)
		if err != nil {
			transport.HangUp(conn)
			return nil, c.lost(ForTLS, err)
		}
		c.latency.note(time.Since(start))
		c.stream = t
		c.secured(t)
	}
	c.dec = imapwire.NewDecoder(&meteredReader{c.stream, c})
	if _, tunnel := conn.(interface{ Wait() }); !tunnel {
		// The shell of a tunnel may print anything first.
		c.dec = imapwire.NewDecoder(&greetingReader{r: &meteredReader{c.stream, c}})
	}
	if opts.Hooks.Trace != nil {
		c.dec.SetTrace(c.traceReceived)
	}
	c.out = transport.NewOutbox(&meteredWriter{c.stream, c})

	greeting := &command{verb: string(ForGreeting), greeting: true, done: make(chan struct{})}
	c.queue.Store(&[]*command{greeting})
	c.slots <- struct{}{}
	go c.read()
	go func() {
		defer close(c.writerDone)
		c.out.Run(c.dead, c.link.ExpectEnd)
	}()
	if err := c.begin(ctx, greeting); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// begin waits for the greeting and starts TLS.
func (c *Client) begin(ctx context.Context, greeting *command) error {
	if err := c.wait(ctx, greeting); err != nil {
		return err
	}
	if c.opts.Security == StartTLS {
		if c.hs.preauth {
			return c.lost("", errors.New("the server reports a login before STARTTLS, which is not secure"))
		}
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	return c.expect(ctx)
}

func dial(ctx context.Context, opts *Options) (net.Conn, error) {
	if opts.Dial != nil {
		return opts.Dial(ctx)
	}
	if opts.IPv4 != nil && opts.IPv4() {
		return transport.DialIPv4(ctx, opts.Host, opts.Port, opts.Timeout)
	}
	return transport.DialTCP(ctx, opts.Host, opts.Port, opts.Timeout)
}

// IPv6 reports whether the connection uses IPv6.
func (c *Client) IPv6() bool { return c.ipv6 }

// usesIPv6 reports whether a connection uses IPv6.
func usesIPv6(conn net.Conn) bool {
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.To4() == nil
}

func newClient(conn net.Conn, opts Options) *Client {
	depth := opts.PipelineDepth
	if depth < 1 {
		depth = DefaultPipelineDepth
	}
	c := &Client{
		opts:       opts,
		link:       transport.NewLink(conn, opts.Timeout),
		slots:      make(chan struct{}, depth),
		sending:    make(chan struct{}, 1),
		dead:       make(chan struct{}),
		readerDone: make(chan struct{}),
		writerDone: make(chan struct{}),
	}
	disabled := Caps{}
	for _, name := range opts.DisableExtensions {
		disabled[strings.ToUpper(name)] = struct{}{}
	}
	c.hs = newHandshake(&opts, disabled, c.fail)
	c.names.ampersands = opts.Ampersands
	if c.names.ampersands == nil {
		c.names.ampersands = new(Ampersands)
	}
	c.stream = c.link
	return c
}

// Close closes the connection at once. It waits until its goroutines have ended, and the command of a tunnel, which
// may take a few seconds. It may be called more than once.
func (c *Client) Close() error {
	c.fail(transport.ErrClosed)
	<-c.readerDone
	<-c.writerDone
	transport.HangUp(c.link.Conn)
	return nil
}

// Done is closed when the connection is lost or closed.
func (c *Client) Done() <-chan struct{} { return c.dead }

// Err returns the reason why the connection is lost; nil: it is not lost.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Heard returns when the last byte was received from the server, also one of TLS. At first,
// it is the time at which the connection was made.
func (c *Client) Heard() time.Time { return c.link.Heard() }

// Busy reports whether a command is in progress.
func (c *Client) Busy() bool { return len(*c.queue.Load()) > 0 }

// fail ends the connection because of err. Only the first call counts.
func (c *Client) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = c.hs.connectionLost(err)
		close(c.dead)
	}
	c.mu.Unlock()
	if first {
		_ = c.link.Conn.Close()
	}
}

// lost makes a *ConnectionError of err, unless it is one.
func (c *Client) lost(waiting Waiting, err error) error {
	if e, ok := errors.AsType[*ConnectionError](err); ok {
		return e
	}
	return lostTo(c.opts.Host, waiting, err)
}

// lostTo returns the error of a lost connection.
func lostTo(host string, waiting Waiting, err error) error {
	return &ConnectionError{Host: host, Waiting: waiting, Err: err}
}

// replace puts another layer between the connection and the decoder. It is
// called on the reader goroutine while nothing is being sent.
func (c *Client) replace(rw io.ReadWriter, w io.Writer) {
	c.stream = rw
	c.dec.Reset(&meteredReader{rw, c})
	c.out.Swap(w)
}
