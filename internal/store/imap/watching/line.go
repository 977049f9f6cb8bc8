package watching

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap/session"
	"isync/internal/transport"
)

// The limits of silence.
const (
	// silence is how long nothing may be received before the server must answer a
	// command.
	silence = 5 * time.Minute
	// answerLimit is the limit for the answer, and probeLimit that after Probe.
	answerLimit = 30 * time.Second
	probeLimit  = 5 * time.Second
	// farewellLimit is how long the end of a connection may take.
	farewellLimit = 500 * time.Millisecond
)

// pollAgain is the time after which mbsync tries again to watch a server that could not be
// watched.
const pollAgain = time.Hour

// The reasons for a mode that is not the best one.
var (
	errNoNotify  = errors.New("the server does not offer NOTIFY")
	errOverflow  = errors.New("the server reports that there are too many changes for NOTIFY")
	errNoIdle    = errors.New("the server offers neither NOTIFY nor IDLE")
	errNoBoxes   = errors.New("the server does not offer NOTIFY, and there is no mailbox to be watched with IDLE")
	errShortIdle = errors.New("the server ends IDLE at once")
	errWanted    = errors.New("all connections are needed for mail")
)

// A line is one connection to the server, and its successors.
type line struct {
	a     *Account
	index int           // of its mailbox among the preferred ones; the main line has 0
	probe chan struct{} // receives a value to test the connection now
	moved chan struct{} // receives a value when its mailbox may be another one

	// reserved: the pool has set a connection aside. It belongs to the goroutine of the
	// line once that has begun. extras are the other lines, of the main one.
	reserved bool
	extras   []*extra

	// Guarded by the mutex of the account:
	up   bool      // the connection reports changes
	err  error     // why it does not
	next time.Time // when the next attempt begins
	box  string    // the mailbox that is examined, or about to be
	// exists is the number of messages in it, if counted. events counts what was
	// reported of it.
	exists  uint32
	counted bool
	events  uint64
	// listing has the mailboxes in the answer to NOTIFY; nil: there is none under way.
	listing map[string]change
	// asked is when NOTIFY was sent. reported: after its answer, something was reported.
	asked    time.Time
	reported bool
	// late counts the renewals in a row because of a late report.
	late int

	overflow chan struct{} // receives a value when the server ends NOTIFY
	reckon   chan struct{} // receives a value when the reports may have to be renewed sooner
	// wantedEvents are those that NOTIFY asks for on this connection. They belong to the
	// goroutine of the line.
	wantedEvents []string
}

func newLine(a *Account, index int) *line {
	return &line{
		a: a, index: index,
		probe: make(chan struct{}, 1), moved: make(chan struct{}, 1), overflow: make(chan struct{}, 1),
		reckon: make(chan struct{}, 1),
	}
}

// ending is the reason why a connection is not used any more.
type ending struct {
	err error
	// atOnce: the next one may be made without a delay. untested: even if this one was not
	// stable.
	atOnce, untested bool
	// poll: the account can only be polled. firm: a later attempt will not change that.
	poll, firm bool
	// done: the line is not needed any more.
	done bool
}

// expired matches the BYE of servers that end a connection because its token has expired.
var expired = regexp.MustCompile(`(?i)expired|session invalidated`)

// lost returns the ending of a connection that was lost.
func lost(err error) ending {
	e := ending{err: err}
	if bye, ok := errors.AsType[*imapclient.ByeError](err); ok {
		e.atOnce = bye.Code.Name == "EXPIRED" || expired.MatchString(bye.Text)
	}
	return e
}

// keep watches until ctx ends, or the line is not needed any more.
func (l *line) keep(ctx context.Context) {
	defer l.end()
	var b backoff
	again := false
	for {
		e, lasted := l.try(ctx, again)
		if ctx.Err() != nil || e.done {
			return
		}
		again = false
		var delay time.Duration
		switch {
		case e.poll:
			l.endExtras()
			l.release()
			l.a.setMode(store.WatchPoll, e.err)
			delay = pollAgain
		case lasted == 0 && loginRefused(e.err):
			delay, again = b.afterRefusal()
		case e.untested:
			b.after(lasted, false)
		default:
			delay = b.after(lasted, e.atOnce)
		}
		if !e.poll {
			l.setDown(e.err, delay)
		}
		woken := l.sleep(ctx, delay, e)
		if ctx.Err() != nil {
			return
		}
		if woken {
			again = false
		}
	}
}

// try makes a connection and uses it. lasted is 0 if there was none.
func (l *line) try(ctx context.Context, again bool) (e ending, lasted time.Duration) {
	if err := l.reserve(); err != nil {
		return ending{err: err, poll: true, firm: true}, 0
	}
	if err := l.a.opts.Pool.AwaitReserved(ctx); err != nil {
		return ending{err: err}, 0
	}
	c, err := l.a.opts.Pool.DialApart(ctx, session.Apart{Hooks: l.hooks(), Login: l.a.opts.Login, Insist: again})
	if err != nil {
		return ending{err: err}, 0
	}
	begin := time.Now()
	e = l.use(ctx, c)
	l.setDown(e.err, 0)
	leave(ctx, c)
	return e, max(time.Since(begin), 1)
}

// leave ends a connection.
func leave(ctx context.Context, c *imapclient.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellLimit)
	defer cancel()
	if c.Err() != nil {
		_ = c.Close()
		return
	}
	_ = c.Leave(ctx)
}

// use watches on a connection in the best way.
func (l *line) use(ctx context.Context, c *imapclient.Client) ending {
	if l.index > 0 {
		return l.idle(ctx, c, nil)
	}
	names, err := askNames(ctx, c)
	if err != nil {
		return lost(err)
	}
	l.a.learn(names)
	l.a.mu.Lock()
	clear(l.a.unusable)
	l.a.mu.Unlock()
	e, why := l.notify(ctx, c)
	if why == nil {
		return e
	}
	l.a.debugf("watching without NOTIFY: %v", why)
	return l.idle(ctx, c, why)
}

// askNames asks for the namespaces, and for the delimiter if it is not part of that.
func askNames(ctx context.Context, c *imapclient.Client) (*Names, error) {
	ctx, cancel := within(ctx, answerLimit)
	defer cancel()
	n := new(Names)
	if c.Caps().Has("NAMESPACE") {
		ns, err := c.Namespace(ctx)
		if err != nil && !refused(err) {
			return nil, err
		}
		n.Namespace = ns
		if ns != nil && len(ns.Personal) > 0 {
			n.Delim = ns.Personal[0].Delim
		}
	}
	if n.Delim != "" {
		return n, nil
	}
	entries, err := c.List(ctx, imapclient.ListRequest{Patterns: []string{""}})
	if err != nil && !refused(err) {
		return nil, err
	}
	for _, e := range entries {
		if n.Delim == "" {
			n.Delim = e.Delim
		}
	}
	return n, nil
}

// refused reports whether a command was refused, or its answer is invalid, and the connection still works.
func refused(err error) bool {
	_, no := errors.AsType[*imapclient.ResponseError](err)
	_, garbled := errors.AsType[*imapclient.AnswerError](err)
	return no || garbled
}

// loginRefused reports whether the server has refused the login, now or before, or there is
// no token to log in with.
func loginRefused(err error) bool {
	if e, ok := errors.AsType[*auth.UnavailableError](err); ok {
		return !e.Passing
	}
	_, refused := errors.AsType[*auth.RefusedError](err)
	_, repeated := errors.AsType[*auth.RepeatError](err)
	return refused || repeated || errors.Is(err, session.ErrNoLogin)
}

// sleep waits before the next attempt. woken: it was interrupted.
func (l *line) sleep(ctx context.Context, delay time.Duration, e ending) (woken bool) {
	t := time.NewTimer(delay)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return false
		case <-ctx.Done():
			return true
		case <-l.probe:
			if !e.firm {
				return true
			}
		case <-l.moved:
			if e.poll && errors.Is(e.err, errNoBoxes) {
				return true
			}
		case <-l.wanted():
			l.endExtras()
			l.release()
		}
	}
}

// wanted receives a value when the connections are needed for mail. Only the main line
// heeds that.
func (l *line) wanted() <-chan struct{} {
	if l.index > 0 {
		return nil
	}
	return l.a.opts.Pool.Wanted()
}

// reserve makes the pool set a connection aside.
func (l *line) reserve() error {
	if l.reserved {
		return nil
	}
	err := l.a.opts.Pool.Reserve()
	l.reserved = err == nil
	return err
}

// release gives the reserved connection back.
func (l *line) release() {
	if l.reserved {
		l.reserved = false
		l.a.opts.Pool.Release()
	}
}

// setUp notes that the connection reports changes.
func (l *line) setUp() {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.up, l.err, l.next = true, nil, time.Time{}
	if l.index > 0 {
		l.a.publish()
	}
}

// setDown notes that the connection does not report changes, and when the next attempt
// begins; 0: that is not decided.
func (l *line) setDown(err error, delay time.Duration) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.abandonListing()
	l.up, l.err, l.box = false, err, ""
	if l.index == 0 {
		l.a.polling, l.a.expected = false, nil
	}
	if delay > 0 {
		l.next = time.Now().Add(delay)
		l.a.publish()
	}
}

// end ends the line.
func (l *line) end() {
	l.endExtras()
	l.release()
	l.a.removeLine(l)
}

// removeLine removes a line that is not the main one.
func (a *Account) removeLine(l *line) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, o := range a.lines {
		if o == l && i > 0 {
			a.lines = append(a.lines[:i:i], a.lines[i+1:]...)
			a.publish()
			return
		}
	}
}

// hooks are those of a connection of the line.
func (l *line) hooks() imapclient.Hooks {
	return imapclient.Hooks{
		Exists:        l.noteExists,
		Expunge:       func(uint32) { l.noteGone(1) },
		Vanished:      l.noteVanished,
		Fetch:         func(*imapwire.Fetch) { l.touch() },
		Unreadable:    func(imapwire.Kind) { l.touch() },
		BoxStatus:     l.noteStatus,
		List:          l.noteList,
		UnreadableBox: l.a.missed,
		Overflow:      func() { notify(l.overflow) },
	}
}

// within limits how long an answer may take.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &transport.TimeoutError{After: limit})
}

// quiet returns a timer for the moment at which the server has been silent for too long.
func quiet(c *imapclient.Client) *time.Timer {
	return time.NewTimer(time.Until(c.Heard().Add(silence)))
}

// silent reports whether the server has been silent for too long.
func silent(c *imapclient.Client) bool { return time.Since(c.Heard()) >= silence }

func (a *Account) debugf(format string, args ...any) {
	if a.opts.Debug != nil {
		a.opts.Debug(fmt.Sprintf(format, args...))
	}
}
