package imapclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// logoutGrace is how long Logout waits for the server.
const logoutGrace = 3 * time.Second

// A Client is one connection to a server. It is safe for concurrent use. Close
// or Logout must be called in the end, also after an error.
type Client struct {
	opts     Options
	disabled Caps
	link     *transport.Link
	out      *transport.Outbox

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
	secrets []string // to be masked in what the server says
	enabled Caps

	caps    atomic.Pointer[Caps]
	capsGen atomic.Uint64 // counts changes of caps
	utf8On  atomic.Bool   // UTF8=ACCEPT is on
	// ampersands tells how the server writes names then.
	ampersands *Ampersands
	authing    atomic.Bool // an AUTHENTICATE is under way
	exists     atomic.Uint32
	miscounted atomic.Bool // the number of messages is not known
	preauth    bool
	secure     atomic.Bool
	deflate    atomic.Bool
	rtt        atomic.Int64 // nanoseconds, see RTT
	// namespace is a NAMESPACE that Settle has asked ahead.
	namespace atomic.Pointer[Pending[*imapwire.Namespace]]

	introduced     *Pending[[]string] // the ID that Settle has sent, if any
	probed         atomic.Bool        // a NOOP has been sent to find out how slow the line is
	incompressible atomic.Bool        // the server has refused to compress
	compressing    atomic.Bool        // that is being decided

	asked atomic.Bool           // the capabilities had to be asked for
	told  Past                  // so far; guarded by mu
	deaf  bool                  // see Past; set with the greeting
	ahead atomic.Pointer[ahead] // nil: nothing is sent ahead

	tlsState atomic.Pointer[tls.ConnectionState] // nil: no TLS
	tlsConn  atomic.Pointer[tls.Conn]            // likewise

	// Of the reader goroutine:
	dec    *imapwire.Decoder
	stream io.ReadWriter // what the decoder reads from
	bye    *ByeError
	cur    incoming
	grace  *time.Timer // runs out if nothing is heard after a login; see ahead
}

// Dial connects to a server: TCP, TLS as Security says, and the greeting. It
// does not log in, but see Preauth.
func Dial(ctx context.Context, opts Options) (*Client, error) {
	if opts.Security != PlainText && opts.TLS == nil {
		return nil, errors.New("imapclient: no TLS configuration")
	}
	conn, err := dial(ctx, &opts)
	if err != nil {
		return nil, err
	}
	c := newClient(conn, opts)
	c.link.Expect()
	if opts.Security == ImplicitTLS {
		start := time.Now()
		t, err := c.link.StartTLS(ctx, opts.TLS)
		if err != nil {
			transport.HangUp(conn)
			return nil, c.lost("the TLS handshake", err)
		}
		c.noteRTT(time.Since(start))
		c.stream = t
		c.secured(t)
	}
	c.dec = imapwire.NewDecoder(c.stream)
	if _, tunnel := conn.(interface{ Wait() }); !tunnel {
		// The shell of a tunnel may say anything at first.
		c.dec = imapwire.NewDecoder(&greetingReader{r: c.stream})
	}
	if opts.Hooks.Trace != nil {
		c.dec.SetTrace(c.traceReceived)
	}
	c.out = transport.NewOutbox(c.stream)

	greeting := &command{verb: "the greeting", greeting: true, done: make(chan struct{})}
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
		if c.preauth {
			return c.lost("", errors.New("the server considers us logged in before STARTTLS, which is unsafe"))
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
	return transport.DialTCP(ctx, opts.Host, opts.Port, opts.Timeout)
}

func newClient(conn net.Conn, opts Options) *Client {
	depth := opts.PipelineDepth
	if depth < 1 {
		depth = DefaultPipelineDepth
	}
	c := &Client{
		opts:       opts,
		disabled:   Caps{},
		link:       transport.NewLink(conn, opts.Timeout),
		slots:      make(chan struct{}, depth),
		sending:    make(chan struct{}, 1),
		dead:       make(chan struct{}),
		readerDone: make(chan struct{}),
		writerDone: make(chan struct{}),
		enabled:    Caps{},
	}
	for _, name := range opts.DisableExtensions {
		c.disabled[strings.ToUpper(name)] = struct{}{}
	}
	c.caps.Store(&Caps{})
	c.ampersands = opts.Ampersands
	if c.ampersands == nil {
		c.ampersands = new(Ampersands)
	}
	c.stream = c.link
	return c
}

// Close closes the connection at once and waits until its goroutines have
// ended, and the command of a tunnel, too, which may take a few seconds. It may
// be called more than once.
func (c *Client) Close() error {
	c.fail(transport.ErrClosed)
	<-c.readerDone
	<-c.writerDone
	transport.HangUp(c.link.Conn)
	return nil
}

// Logout says goodbye to the server, waiting a few seconds at most for its
// answer, and closes the connection. Its error is that of the goodbye, which
// is of no consequence.
func (c *Client) Logout(ctx context.Context) error {
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, logoutGrace)
	defer cancel()
	err := c.simple(ctx, imapwire.NewCommand("LOGOUT"))
	if _, ok := errors.AsType[*ByeError](err); ok || errors.Is(err, transport.ErrPeerClosed) {
		return nil // some servers leave it at that
	}
	return err
}

// Leave says goodbye without waiting for the answer, which no one needs once
// everything else has been answered: it sends LOGOUT, ends TLS as it should be
// ended, and closes the connection. If commands are under way, or the server is
// behind a command of the user's, which may want to see the end of the
// conversation, it is Logout.
func (c *Client) Leave(ctx context.Context) error {
	if c.Busy() || c.opts.Dial != nil {
		return c.Logout(ctx)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, logoutGrace)
	defer cancel()
	if err := c.start(ctx, new(command), imapwire.NewCommand("LOGOUT")); err != nil {
		return err
	}
	if err := c.out.Drain(ctx, c.dead); err != nil {
		return err
	}
	if t := c.tlsConn.Load(); t != nil {
		return t.CloseWrite()
	}
	return nil
}

// Done is closed when the connection is lost or closed.
func (c *Client) Done() <-chan struct{} { return c.dead }

// Err returns why the connection is lost, nil if it is not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Caps returns the capabilities that the server has told of so far, without
// the disabled ones. While Ahead, once the login was sent, they are those that
// it is expected to have.
func (c *Client) Caps() Caps { return *c.caps.Load() }

// Preauth tells whether the server greeted us as logged in already.
func (c *Client) Preauth() bool { return c.preauth }

// Secure tells whether the connection is encrypted by TLS.
func (c *Client) Secure() bool { return c.secure.Load() }

// Exists returns the number of messages in the selected mailbox, by the
// latest valid number from the server. See Counted.
func (c *Client) Exists() uint32 { return c.exists.Load() }

// Counted tells whether Exists is reliable: all later responses about the number of
// messages were valid.
func (c *Client) Counted() bool { return !c.miscounted.Load() }

// Busy tells whether any command is under way.
func (c *Client) Busy() bool { return len(*c.queue.Load()) > 0 }

// setCaps replaces the capabilities.
func (c *Client) setCaps(list []string) {
	caps := newCaps(list, c.disabled)
	c.mu.Lock()
	if a := c.ahead.Load(); a != nil {
		a.heard = &caps
	} else {
		c.caps.Store(&caps)
	}
	c.mu.Unlock()
	c.capsGen.Add(1)
}

// fail ends the connection because of err. Only the first call counts.
func (c *Client) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		if c.ahead.Load() != nil {
			err = brokenOff(err)
		}
		c.err = err
		close(c.dead)
	}
	c.mu.Unlock()
	if first {
		_ = c.link.Conn.Close()
	}
}

// lost makes a *ConnectionError of err, unless it is one.
func (c *Client) lost(waiting string, err error) error {
	if e, ok := errors.AsType[*ConnectionError](err); ok {
		return e
	}
	return &ConnectionError{Host: c.opts.Host, Waiting: waiting, Err: err}
}

// A command is one that is to be sent, or waits for its completion.
type command struct {
	tag      string
	verb     string // for messages
	greeting bool
	sent     time.Time // when it was about to be

	// data is offered untagged data, on the reader goroutine, and tells whether
	// it took it. head: no older command is under way.
	data func(r *imapwire.Response, head bool) bool
	// answers are the kinds of responses that the command needs. An invalid response
	// of such a kind makes it fail, with garbled.
	answers []imapwire.Kind
	garbled error
	// fetch is set for FETCH commands.
	fetch *fetch
	// completed is called with the tagged OK, on the reader goroutine.
	completed func(r *imapwire.Response) error
	// check is called with the outcome, nil for a tagged OK, on the reader
	// goroutine. Its error ends the connection.
	check func(err error) error
	// ended is called last, whatever the outcome, on the reader goroutine.
	ended func()

	taken tally // responses that data took
	// reports are the kinds of responses that report the effects of the command on
	// messages; reported counts them.
	reports  []imapwire.Kind
	reported tally

	cont chan string   // texts of continuations; nil if there are none
	last bool          // others may have been sent behind it, though it may get some
	done chan struct{} // closed when err is final
	err  error
}

// Pending is a command under way with its result to come.
type Pending[T any] struct {
	c     *Client
	cmd   *command
	value *T
}

// Wait waits until the command is completed and returns its result. If ctx
// ends before, the connection is closed. It may be called more than once.
func (p *Pending[T]) Wait(ctx context.Context) (T, error) {
	err := p.c.wait(ctx, p.cmd)
	return *p.value, err
}

// Done is closed when Wait would not have to wait.
func (p *Pending[T]) Done() <-chan struct{} { return p.cmd.done }

func (c *Client) wait(ctx context.Context, cmd *command) error {
	select {
	case <-cmd.done:
	case <-ctx.Done():
		select {
		case <-cmd.done:
			return cmd.err
		default:
		}
		c.fail(c.lost(cmd.verb, context.Cause(ctx)))
		<-cmd.done
	}
	return cmd.err
}

// acquire takes a token, from a channel that is a semaphore.
func (c *Client) acquire(ctx context.Context, sem chan<- struct{}, cmd *command) error {
	select {
	case sem <- struct{}{}:
		return nil
	default:
	}
	select {
	case sem <- struct{}{}:
		return nil
	case <-c.dead:
		return c.lost(cmd.verb, c.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start sends a command. When it returns an error, the command's functions
// will not be called any more.
func (c *Client) start(ctx context.Context, cmd *command, text *imapwire.Command) error {
	cmd.verb = text.Verb()
	if err := text.Err(); err != nil {
		return fmt.Errorf("%s: %w", cmd.verb, err)
	}
	if err := c.acquire(ctx, c.slots, cmd); err != nil {
		return err
	}
	if err := c.acquire(ctx, c.sending, cmd); err != nil {
		<-c.slots
		return err
	}
	defer func() { <-c.sending }()
	return c.send(ctx, cmd, text)
}

// startAlone is start for a command that must not share the line with any
// other. On success the line remains reserved until release is called.
func (c *Client) startAlone(ctx context.Context, cmd *command, text *imapwire.Command) (release func(), err error) {
	cmd.verb = text.Verb()
	if err := text.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.verb, err)
	}
	if err := c.acquire(ctx, c.slots, cmd); err != nil {
		return nil, err
	}
	if err := c.acquire(ctx, c.sending, cmd); err != nil {
		<-c.slots
		return nil, err
	}
	return c.sendAlone(ctx, cmd, text)
}

// sendAlone waits until nothing is under way, and sends a command; it has a slot
// and the right to send.
func (c *Client) sendAlone(ctx context.Context, cmd *command, text *imapwire.Command) (release func(), err error) {
	for _, earlier := range *c.queue.Load() {
		select {
		case <-earlier.done:
		case <-ctx.Done():
			<-c.sending
			<-c.slots
			return nil, context.Cause(ctx)
		}
	}
	if err := c.send(ctx, cmd, text); err != nil {
		<-c.sending
		return nil, err
	}
	return func() { <-c.sending }, nil
}

// errBusy is why tryStartAlone has not.
var errBusy = errors.New("other commands are under way")

// tryStartAlone is startAlone, unless that might wait for what itself waits for
// something still to be sent: a command that is being sent, or one whose sink has
// not got everything.
func (c *Client) tryStartAlone(ctx context.Context, cmd *command, text *imapwire.Command) (release func(), err error) {
	cmd.verb = text.Verb()
	select {
	case c.slots <- struct{}{}:
	default:
		return nil, errBusy
	}
	select {
	case c.sending <- struct{}{}:
	default:
		<-c.slots
		return nil, errBusy
	}
	if slices.ContainsFunc(*c.queue.Load(), func(cmd *command) bool { return cmd.fetch != nil }) {
		<-c.sending
		<-c.slots
		return nil, errBusy
	}
	return c.sendAlone(ctx, cmd, text)
}

// enqueue makes the reader know a command. Once queued, it gets completed
// whatever happens.
func (c *Client) enqueue(cmd *command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.err != nil {
		return c.lost(cmd.verb, c.err)
	}
	cmd.done = make(chan struct{})
	cmd.sent = time.Now()
	c.nextTag++
	cmd.tag = "A" + strconv.FormatUint(c.nextTag, 10)
	old := *c.queue.Load()
	queue := append(make([]*command, 0, len(old)+1), old...)
	queue = append(queue, cmd)
	c.queue.Store(&queue)
	c.link.Expect()
	return nil
}

// send queues and writes a command. The caller holds a slot, which it loses,
// and the right to send.
func (c *Client) send(ctx context.Context, cmd *command, text *imapwire.Command) error {
	hasLiteral := func(p imapwire.Part) bool { return p.Literal != nil }
	if slices.ContainsFunc(text.Parts(), hasLiteral) {
		cmd.cont = make(chan string, 1)
	}
	if err := c.enqueue(cmd); err != nil {
		<-c.slots
		return err
	}
	err := c.transmit(ctx, cmd, text)
	if err == nil {
		return nil
	}
	select {
	case <-cmd.done:
		// Refused before it was sent completely, or the connection is lost;
		// either way cmd.err tells why.
		return nil
	default:
	}
	// Something of it may be on its way: there is no going back.
	if b, ok := errors.AsType[*BodyError](err); ok {
		b.Conn = &ConnectionError{Host: c.opts.Host, Waiting: cmd.verb, Err: errHalfSent}
		c.fail(b.Conn)
		<-cmd.done
		return b
	}
	c.fail(&ConnectionError{Host: c.opts.Host, Waiting: cmd.verb, Err: err})
	<-cmd.done
	return cmd.err
}

// simple runs a command that has no data of its own.
func (c *Client) simple(ctx context.Context, text *imapwire.Command) error {
	cmd := new(command)
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	return c.wait(ctx, cmd)
}

// begin starts a command.
func begin[T any](ctx context.Context, c *Client, cmd *command, text *imapwire.Command, value *T) (*Pending[T], error) {
	if err := c.start(ctx, cmd, text); err != nil {
		return nil, err
	}
	return &Pending[T]{c: c, cmd: cmd, value: value}, nil
}

// LiteralWaits tells whether a message of that size can only be sent once the
// server has been asked, which takes a round trip.
func (c *Client) LiteralWaits(size int64) bool { return c.literalSync(size) }

// literalSync tells whether a literal of that size has to wait for the server.
func (c *Client) literalSync(size int64) bool {
	caps := c.Caps()
	if caps.Has("LITERAL+") {
		return false
	}
	return !caps.Has("LITERAL-") || size > 4096
}

// shown makes a text of the server fit to be shown: secrets, which it might
// echo, are masked, and nothing in it can upset a terminal.
func (c *Client) shown(s string) string {
	c.mu.Lock()
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, mask)
	}
	c.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// addSecret masks s from now on, as it is and as it is sent within quotes.
func (c *Client) addSecret(s string) {
	// Masking every "a" would only make noise, and tell the password.
	if len(s) < 3 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, form := range []string{s, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)} {
		if !slices.Contains(c.secrets, form) {
			c.secrets = append(c.secrets, form)
		}
	}
}

// mask is shown instead of secrets.
const mask = "****"

func (c *Client) traceReceived(line []byte) {
	s := string(line)
	if c.authing.Load() && strings.HasPrefix(s, "+") {
		s = "+ " + mask
	}
	c.opts.Hooks.Trace(Received, c.shown(s))
}
