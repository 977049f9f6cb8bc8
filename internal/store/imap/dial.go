package imap

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
)

// dial makes a new session; p.dialing counts it already. again says to look
// once more for one that is there. If the session is unconfirmed, confirm must be
// called, and counts for the rest of dial.
func (p *pool) dial(ctx context.Context, d *door, exclusive bool) (s *session, again bool, err error) {
	turn, again, err := p.turn(ctx, d)
	if err != nil || again {
		p.dialed()
		return nil, again, err
	}
	s, err = p.start(ctx)
	if _, late := errors.AsType[*LateError](err); late && !p.past.suspected() {
		s, err = p.start(ctx)
	}
	if err == nil && s.unconfirmed != nil {
		s.unconfirmed.exclusive, s.unconfirmed.turn = exclusive, turn
		return s, false, nil
	}
	defer turn()
	if err == nil {
		p.past.connected()
	}
	return p.admit(ctx, d, s, exclusive, err)
}

// dialed notes that dialing has led to nothing.
func (p *pool) dialed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	p.changed()
}

// turn waits until a login may be tried: the first one is made alone. again tells
// those who have waited for it to start over; else done must be called when the
// login has been tried.
func (p *pool) turn(ctx context.Context, d *door) (done func(), again bool, err error) {
	p.mu.Lock()
	loggedIn := p.loggedIn
	p.mu.Unlock()
	if loggedIn {
		return func() {}, false, nil
	}
	select {
	case p.first <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	p.mu.Lock()
	again = p.loggedIn || p.unusable(d) != nil
	p.mu.Unlock()
	if again {
		<-p.first
	}
	return func() { <-p.first }, again, nil
}

// admit counts a session among those of the pool, or finds out what follows if
// there is none because of err.
func (p *pool) admit(ctx context.Context, d *door, s *session, exclusive bool, err error) (_ *session, again bool, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	defer p.changed()
	switch {
	case err == nil && p.closed:
		_ = s.client.Close()
		return nil, false, errClosed
	case err == nil:
		s.users, s.exclusive = 1, exclusive
		p.loggedIn = true
		p.sessions = append(p.sessions, s)
		if p.limit > 0 {
			// It may have been lowered while this one was being made.
			p.limit = max(p.limit, p.live())
		}
		return s, false, nil
	case ctx.Err() != nil || p.closed:
		return nil, false, err
	}
	if p.live() > 0 {
		p.limitReached(err)
		return nil, true, nil
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		d.refused = err
	}
	return nil, false, err
}

// unconfirmed is a login under way, on a session that is in use already.
type unconfirmed struct {
	login     <-chan error
	settled   error // of what was sent behind it
	exclusive bool
	turn      func()
}

// confirm waits for what the server says to the login, and to all that was
// expected of it, and does the rest of dial.
func (p *pool) confirm(ctx context.Context, d *door, s *session) (_ *session, again bool, err error) {
	u := s.unconfirmed
	defer u.turn()
	// How the login has come out tells more than what follows from that.
	if err = <-u.login; err == nil {
		if err = u.settled; err == nil {
			err = s.client.Confirm(ctx)
		}
	}
	if err == nil {
		s.unconfirmed = nil
		return p.admit(ctx, d, s, u.exclusive, nil)
	}
	_ = s.client.Close()
	if again := p.mayBeOfAhead(err); again && ctx.Err() == nil {
		p.dialed()
		return nil, true, nil
	}
	return p.admit(ctx, d, nil, u.exclusive, err)
}

// mayBeOfAhead reports whether a login may have failed, or was not tried to the
// end, only because commands were sent ahead.
func (p *pool) mayBeOfAhead(err error) bool {
	if refusal, ok := errors.AsType[Refusal](err); ok && refusal.LoginRefused() {
		return false
	}
	if _, late := errors.AsType[*LateError](err); late {
		// Either it took the user long to give the password, or the first way to
		// log in is of no use, in which case no run should try that ahead.
		p.past.suspect(err, errors.Is(err, imapclient.ErrNotLoggedIn))
		return true
	}
	if _, surprise := errors.AsType[*imapclient.SurpriseError](err); surprise {
		p.past.suspect(err, true)
		return true
	}
	return false
}

// Refusal is an error of Options.Login that says whether user name and password,
// or what stands in for them, were refused: then they are not tried again.
type Refusal interface {
	error
	LoginRefused() bool
}

// limitReached notes that there cannot be more sessions than there are: the server
// has let us in before, so it must be that it does not want more of us. One warning
// is enough for all that were refused. p.mu is held.
func (p *pool) limitReached(err error) {
	p.limit = p.live()
	if !p.warned && p.opts.Warn != nil {
		p.opts.Warn(fmt.Sprintf("going on with %d connection(s), since there was no further one: %v", p.limit, err),
			fmt.Sprintf("with Connections %d for the account it is not asked for", p.limit))
	}
	p.warned = true
}

// loginError is the error of a login.
type loginError struct{ err error }

func (e *loginError) Error() string { return "login failed: " + e.err.Error() }

func (e *loginError) Unwrap() error { return e.err }

// LateError is what Options.Login fails with if the server has closed the
// connection before anything was sent to log in, most likely because it took the
// user long to give the password. It gets another connection then, once.
type LateError struct{ Err error } // of the connection

func (e *LateError) Error() string { return e.Err.Error() }

// Unwrap returns how the connection has ended.
func (e *LateError) Unwrap() error { return e.Err }

// start connects and logs in.
func (p *pool) start(ctx context.Context) (s *session, err error) {
	s = &session{}
	opts := p.opts.Client
	opts.Namespace = p.wantsNamespace.Swap(false)
	hooks := p.opts.Client.Hooks
	opts.Hooks.Fetch = func(f *imapwire.Fetch) {
		s.noteFetch(f)
		if hooks.Fetch != nil {
			hooks.Fetch(f)
		}
	}
	opts.Hooks.Exists = func(n uint32) {
		s.noteExists(n)
		if hooks.Exists != nil {
			hooks.Exists(n)
		}
	}
	opts.Hooks.Unreadable = func(kind imapwire.Kind) {
		s.noteUnreadable(kind)
		if hooks.Unreadable != nil {
			hooks.Unreadable(kind)
		}
	}
	opts.Hooks.Expunge = func(seq uint32) {
		s.noteExpunge(seq)
		if hooks.Expunge != nil {
			hooks.Expunge(seq)
		}
	}
	opts.Hooks.Vanished = func(uids mail.UIDSet) {
		s.noteVanished(uids)
		if hooks.Vanished != nil {
			hooks.Vanished(uids)
		}
	}
	opts.Past = p.past.expected()
	if s.client, err = imapclient.Dial(ctx, opts); err != nil {
		return nil, err
	}
	if s.client.Ahead() {
		p.startAhead(ctx, s)
		return s, nil
	}
	if err := p.login(ctx, s.client); err != nil {
		// The server may want to hear that it is not an attack.
		_ = s.client.Logout(ctx)
		return nil, err
	}
	if err := s.client.Settle(ctx); err != nil {
		_ = s.client.Close()
		return nil, err
	}
	return s, nil
}

// startAhead begins to log in, and makes the session usable without waiting for the
// outcome.
func (p *pool) startAhead(ctx context.Context, s *session) {
	outcome := make(chan error, 1)
	s.unconfirmed = &unconfirmed{login: outcome}
	sent := s.client.LoginSent()
	go func() { outcome <- p.login(ctx, s.client) }()
	select {
	case <-sent:
	case err := <-outcome:
		if outcome <- err; err != nil {
			_ = s.client.Close() // nothing more must be sent
			return
		}
	}
	s.unconfirmed.settled = s.client.Settle(ctx)
}

func (p *pool) login(ctx context.Context, c *imapclient.Client) error {
	if c.Preauth() {
		if len(c.Caps()) > 0 {
			return nil
		}
		return c.Capability(ctx)
	}
	if p.opts.Login == nil {
		return &loginError{errNoLogin}
	}
	if err := p.opts.Login(ctx, c); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &loginError{err}
	}
	return nil
}
