package imapclient

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// deaf is in the greetings of servers that throw away what they have received when
// they let one in.
var deaf = regexp.MustCompile(`^Courier-IMAP\b`)

// aheadGrace is how long a server may take from its answer to the login to that
// to what was sent behind the login. More may be deaf.
const aheadGrace = 5 * time.Second

// SurpriseError says that a server has not done what Options.Past made us expect,
// or has broken off while we did. It is wrapped in a *ConnectionError. A new
// connection should be made without such expectations.
type SurpriseError struct {
	What string
	// Incapable: the server cannot cope with what is sent ahead. Else it has told
	// something else than before, or the connection is lost for whatever reason.
	Incapable bool
}

func (e *SurpriseError) Error() string { return "sent too much ahead: " + e.What }

// ErrNotLoggedIn is how a connection is lost on which a login has failed behind
// which commands were sent.
var ErrNotLoggedIn = errors.New("the login has failed")

// ahead is the state of a connection on which commands are sent before it is
// known what the server makes of the login: those behind it rest on what it told
// the last time. Each answer that these rest on is compared with the past, on the
// reader goroutine and therefore before any later one is looked at. Whatever
// differs ends the connection, and with it everything sent ahead. Nothing that
// changes anything must be sent until Confirm has returned.
type ahead struct {
	past *Past
	caps Caps // those of past

	sent     chan struct{} // closed when the login needs nothing more from us
	sentOnce sync.Once

	// Guarded by the mutex of the client:
	heard  *Caps      // the latest that the server has told
	login  *command   // nil until there is one
	checks []*command // whose answers are compared with the past

	loggedIn bool // of the reader goroutine
}

// expect begins to send ahead if there is a past that fits the greeting. Where
// nothing keeps others from changing what the server says, it must have told
// itself what it offers before it gets a password.
func (c *Client) expect(ctx context.Context) error {
	past := c.opts.Past
	if past == nil || c.preauth || c.deaf || c.opts.PipelineDepth == 1 {
		return nil
	}
	offered := parseCaps(past.Offered)
	a := &ahead{past: past, caps: parseCaps(past.Caps), sent: make(chan struct{})}
	if rewrites(offered) || rewrites(a.caps) {
		return nil
	}
	if known := c.Caps(); len(known) > 0 {
		if past.Greeted && known.String() == past.Offered {
			c.ahead.Store(a)
		}
		return nil
	}
	if past.Greeted || !c.Secure() {
		return nil
	}
	c.caps.Store(&offered)
	c.asked.Store(true)
	c.ahead.Store(a)
	return c.startCheck(ctx, "CAPABILITY", func() string { return a.told(past.Offered) })
}

// Ahead reports whether commands may be sent ahead of the answer to the login,
// which is true until Confirm has returned.
func (c *Client) Ahead() bool { return c.ahead.Load() != nil }

// LoginSent is closed as soon as a login needs nothing more to be sent, while
// Ahead; some mechanisms have to be answered first.
func (c *Client) LoginSent() <-chan struct{} { return c.ahead.Load().sent }

// Confirm waits until the server has confirmed everything that was expected. It
// must be called, after the login has succeeded, before anything is sent that
// changes something.
func (c *Client) Confirm(ctx context.Context) error {
	a := c.ahead.Load()
	if a == nil {
		return nil
	}
	c.mu.Lock()
	checks := a.checks
	c.mu.Unlock()
	for _, cmd := range checks {
		if cmd.done == nil {
			return c.lost(cmd.verb, transport.ErrClosed) // it was not even sent
		}
		// What was refused has been compared as well.
		if err := tolerate(c.wait(ctx, cmd)); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.lost("", c.err)
	}
	c.ahead.Store(nil)
	if a.heard != nil {
		c.caps.Store(a.heard)
	}
	told := *a.past
	if told.Namespace == nil {
		told.Namespace = c.told.Namespace // which was not asked for before
	}
	c.told = told
	return nil
}

// told compares what the server has told of its capabilities with what it should
// have, and forgets it; c.mu is held. It returns what is wrong.
func (a *ahead) told(want string) (wrong string) {
	heard := a.heard
	a.heard = nil
	switch {
	case heard == nil:
		return "the server does not tell its capabilities"
	case heard.String() != want:
		return "the server has other capabilities than before"
	}
	return ""
}

// startCheck starts a command without arguments whose outcome is compared with
// the past.
func (c *Client) startCheck(ctx context.Context, verb string, compare func() string) error {
	return c.start(ctx, c.checked(new(command), compare), imapwire.NewCommand(verb))
}

// checked makes a command one whose outcome is compared with the past, if there
// is any. compare is called with c.mu held.
func (c *Client) checked(cmd *command, compare func() string) *command {
	a := c.ahead.Load()
	if a == nil {
		return cmd
	}
	cmd.check = func(error) error {
		c.mu.Lock()
		wrong := compare()
		c.mu.Unlock()
		if wrong != "" {
			return c.lost(cmd.verb, &SurpriseError{What: wrong})
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.checks = append(a.checks, cmd)
	return cmd
}

// loginCommand makes a command the login.
func (c *Client) loginCommand(cmd *command) *command {
	a := c.ahead.Load()
	if a == nil {
		return cmd
	}
	cmd.check = func(err error) error {
		if err != nil {
			// Everything behind it would get a nonsensical answer.
			return c.lost("", ErrNotLoggedIn)
		}
		a.loggedIn = true
		c.mu.Lock()
		wrong := ""
		if a.past.Told || a.heard != nil {
			wrong = a.told(a.past.Caps)
		}
		c.mu.Unlock()
		if wrong != "" {
			return c.lost(cmd.verb, &SurpriseError{What: wrong})
		}
		if len(*c.queue.Load()) > 1 {
			c.grace = time.AfterFunc(aheadGrace, func() {
				c.fail(c.lost("", &SurpriseError{What: "the server does not answer what was sent behind the login", Incapable: true}))
			})
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.login = cmd
	return cmd
}

// loginSent notes that the login needs nothing more to be sent.
func (c *Client) loginSent() {
	if a := c.ahead.Load(); a != nil {
		a.sentOnce.Do(func() { close(a.sent) })
	}
}

// oneStep tells whether a mechanism has said everything with its initial
// response.
func oneStep(name string) bool {
	return slices.Contains([]string{sasl.Plain, sasl.External, sasl.OAuthBearer, "XOAUTH2"}, name)
}

// heardOf is told of every response while commands are sent ahead, before it is
// dispatched. Its error ends the connection.
func (c *Client) heardOf(a *ahead, r *imapwire.Response) error {
	if a.loggedIn || r.Kind != imapwire.KindStatus || r.Tag == "" {
		return nil
	}
	// Behind the login nothing can be answered before it is.
	c.mu.Lock()
	login := a.login
	c.mu.Unlock()
	for _, cmd := range *c.queue.Load() {
		switch {
		case cmd.tag == r.Tag:
			return nil
		case cmd == login:
			return c.lost("", &SurpriseError{What: "the server does not wait for the login to be finished", Incapable: true})
		}
	}
	return nil
}

// otherReasons are codes of a BYE that is about the user, or the server.
var otherReasons = []string{
	imapwire.CodeUnavailable, imapwire.CodeAuthFailed, "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN",
	"INUSE", "LIMIT", imapwire.CodeOverQuota, "SERVERBUG",
}

// brokenOff makes a surprise of how a connection has ended on which commands are
// sent ahead, unless it is known to have other reasons.
func brokenOff(err error) error {
	lost, ok := errors.AsType[*ConnectionError](err)
	if !ok || errors.Is(err, ErrNotLoggedIn) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, known := errors.AsType[*SurpriseError](err); known {
		return err
	}
	if bye, ok := errors.AsType[*ByeError](err); ok && slices.Contains(otherReasons, bye.Code.Name) {
		return err
	}
	return &ConnectionError{Host: lost.Host, Waiting: lost.Waiting, Err: &surprisingEnd{lost.Err}}
}

// surprisingEnd is an end of a connection that is taken for a surprise, though it
// is told as what it was.
type surprisingEnd struct{ err error }

func (e *surprisingEnd) Error() string { return e.err.Error() }

// Unwrap returns what it was, and what it is taken for.
func (e *surprisingEnd) Unwrap() []error { return []error{e.err, &SurpriseError{What: e.err.Error()}} }

// sameNamespace compares an answer to NAMESPACE with the past.
func (a *ahead) sameNamespace(ns *imapwire.Namespace) string {
	if !reflect.DeepEqual(ns, a.past.Namespace) {
		return "the server has other namespaces than before"
	}
	return ""
}

// parseCaps is the inverse of Caps.String.
func parseCaps(s string) Caps {
	c := Caps{}
	for name := range strings.FieldsSeq(s) {
		c[name] = struct{}{}
	}
	return c
}
