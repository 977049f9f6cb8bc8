package imapclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"isync/internal/imapwire"
)

// A command is to be sent, or waits for its completion.
type command struct {
	tag      string
	verb     string // for messages
	greeting bool
	selects  bool      // it is a SELECT or EXAMINE
	sent     time.Time // when it was about to be

	// data is called with untagged data, on the reader goroutine. It reports whether the data belongs
	// to the command. head: no older command is in progress.
	data func(r *imapwire.Response, head bool) bool
	// answers are the kinds of responses that the command needs. An invalid response
	// of such a kind makes it fail, with garbled.
	answers []imapwire.Kind
	garbled error
	// fetch is set for FETCH commands.
	fetch *fetch
	// completed is called with the tagged OK, on the reader goroutine.
	completed func(r *imapwire.Response) error
	// check is called on the reader goroutine when the command is completed, with its error (nil for a
	// tagged OK) and the number of other commands in progress. Its error ends the connection.
	check func(err error, others int) error
	// ended is called last, on the reader goroutine, also after an error.
	ended func()

	taken tally // responses that data took
	// reports are the kinds of responses that report the effects of the command on
	// messages; reported counts them.
	reports  []imapwire.Kind
	reported tally

	// idle: it is an IDLE. accepted: the server has accepted it (of the reader goroutine).
	// resting: accepted, and DONE was not sent, so the client waits for no answer.
	idle     bool
	accepted bool
	resting  atomic.Bool

	cont chan string   // texts of continuations; nil if there are none
	last bool          // others may have been sent behind it, though it may get some
	done chan struct{} // closed when err is final
	err  error
}

// Pending is a command in progress with its later result.
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

// Done is closed when Wait returns at once.
func (p *Pending[T]) Done() <-chan struct{} { return p.cmd.done }

// begin starts a command.
func begin[T any](ctx context.Context, c *Client, cmd *command, text *imapwire.Command, value *T) (*Pending[T], error) {
	if err := c.start(ctx, cmd, text); err != nil {
		return nil, err
	}
	return &Pending[T]{c: c, cmd: cmd, value: value}, nil
}

// simple runs a command that has no data of its own.
func (c *Client) simple(ctx context.Context, text *imapwire.Command) error {
	cmd := new(command)
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	return c.wait(ctx, cmd)
}

func (c *Client) wait(ctx context.Context, cmd *command) error {
	select {
	case <-cmd.done:
	case <-ctx.Done():
		select {
		case <-cmd.done:
			return cmd.err
		default:
		}
		c.fail(c.lost(Waiting(cmd.verb), context.Cause(ctx)))
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
		return c.lost(Waiting(cmd.verb), c.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start sends a command. After it has returned an error, the functions of the command are not called any more.
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

// sendAlone waits until no command is in progress, and sends a command. The caller has a slot and the right to
// send.
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

// errBusy is the error of tryStartAlone if other commands are in progress.
var errBusy = errors.New("other commands are under way")

// tryStartAlone is startAlone, but fails with errBusy if a command is being sent, or a FETCH is in progress: these
// may wait for something that is still to be sent.
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

// enqueue adds a command to the queue of the reader. From then on, it is completed in any case.
func (c *Client) enqueue(cmd *command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.err != nil {
		return c.lost(Waiting(cmd.verb), c.err)
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

// onlyReads has the commands that neither change a mailbox, nor create or remove one. FETCH never sets \Seen here.
var onlyReads = map[string]bool{
	"AUTHENTICATE": true, "CAPABILITY": true, "CHECK": true, "COMPRESS": true, "ENABLE": true, "EXAMINE": true,
	"ID": true, "IDLE": true, "LIST": true, "LOGIN": true, "LOGOUT": true, "LSUB": true, "NAMESPACE": true, "NOOP": true,
	"NOTIFY": true, "SEARCH": true, "SELECT": true, "STARTTLS": true, "STATUS": true, "UID FETCH": true, "UID SEARCH": true,
	"UNSELECT": true,
}

// Free returns the number of commands that can be sent without waiting for an answer.
func (c *Client) Free() int { return cap(c.slots) - len(c.slots) }

// send queues and writes a command. The caller has the right to send, and a slot, which passes to the command.
func (c *Client) send(ctx context.Context, cmd *command, text *imapwire.Command) error {
	hasLiteral := func(p imapwire.Part) bool { return p.Literal != nil }
	if slices.ContainsFunc(text.Parts(), hasLiteral) {
		cmd.cont = make(chan string, 1)
	}
	if err := c.enqueue(cmd); err != nil {
		<-c.slots
		return err
	}
	if c.opts.Hooks.Changing != nil && !onlyReads[text.Verb()] {
		c.opts.Hooks.Changing()
	}
	err := c.transmit(ctx, cmd, text)
	if err == nil {
		return nil
	}
	select {
	case <-cmd.done:
		// The command was refused before it was sent completely, or the connection is lost. cmd.err is
		// the reason.
		return nil
	default:
	}
	// A part of it may be sent already, so it cannot be withdrawn.
	if b, ok := errors.AsType[*BodyError](err); ok {
		b.Conn = &ConnectionError{Host: c.opts.Host, Waiting: Waiting(cmd.verb), Err: errHalfSent}
		c.fail(b.Conn)
		<-cmd.done
		return b
	}
	c.fail(&ConnectionError{Host: c.opts.Host, Waiting: Waiting(cmd.verb), Err: err})
	<-cmd.done
	return cmd.err
}

// errHalfSent is the reason why a connection was closed.
var errHalfSent = errors.New("a message could not be sent completely")
