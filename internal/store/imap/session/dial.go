package session

import (
	"context"
	"errors"

	"isync/internal/auth"
	"isync/internal/imapclient"
)

// ErrNoLogin says that the server requires a login, but none is configured.
var ErrNoLogin = errors.New("the server requires a login, but the account has none")

// loginError is the error of a login.
type loginError struct{ err error }

func (e *loginError) Error() string { return "login failed: " + e.err.Error() }

func (e *loginError) Unwrap() error { return e.err }

// errLookAgain says that no session was made, but that one may have become available,
// or that another attempt may succeed. Only the loop of Pool.Take handles it.
var errLookAgain = errors.New("look for a session again")

// create makes a session, which is counted in p.dialing already, and runs f on it.
// answer is the error of f. If err is not nil, there is no session.
//
// If the session is optimistic, f is run before the server has answered the login,
// unless want.Changes is set. If a difference to the memo is found, err is
// errLookAgain.
func (p *Pool) create(ctx context.Context, gate *LoginGate, want Want, f func(*Session) error) (s *Session, answer, err error) {
	done, err := p.loginTurn(ctx, gate)
	if err == nil && !want.Changes && p.available(want.Exclusive) {
		// Another call has made one since this one has looked.
		done()
		err = errLookAgain
	}
	if err != nil {
		p.giveUp(nil)
		return nil, nil, err
	}
	s, err = p.dial(ctx)
	if err == nil && !want.Changes {
		p.askAhead(ctx, s)
	}
	asked := false
	if err == nil && s.optimistic != nil {
		if !want.Changes {
			asked, answer = true, f(s)
		}
		if err = s.confirm(ctx); err != nil {
			_ = s.Client.Close()
			if p.surprised(err) && ctx.Err() == nil {
				p.giveUp(s)
				done()
				return nil, nil, errLookAgain
			}
		}
	}
	s, err = p.admit(ctx, gate, s, want.Exclusive, err)
	done()
	if err == nil && !asked {
		answer = f(s)
	}
	return s, answer, err
}

// available reports whether there is a session to take.
func (p *Pool) available(exclusive bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pick(exclusive) != nil
}

// loginTurn waits until a login may be tried. Until the first login of the run has
// succeeded, logins are made one by one; calls that had to wait for it get
// errLookAgain. If the server could not be reached meanwhile, they get that error. done
// must be called after the attempt.
func (p *Pool) loginTurn(ctx context.Context, gate *LoginGate) (done func(), err error) {
	p.mu.Lock()
	loggedIn, unreached := p.run.loggedIn, p.run.unreached
	p.mu.Unlock()
	if loggedIn {
		return func() {}, nil
	}
	select {
	case p.first <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	switch {
	case p.run.loggedIn || p.unusable(gate) != nil:
		err = errLookAgain
	case p.run.unreached != unreached:
		err = p.run.why
	}
	p.mu.Unlock()
	if err != nil {
		<-p.first
		return nil, err
	}
	return func() { <-p.first }, nil
}

// giveUp notes that dialling has failed. s is the session that was not confirmed; nil:
// there was none.
func (p *Pool) giveUp(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteAnswers(s, errLookAgain)
	p.dialing--
	p.changed()
}

// dial returns a session that is ready, or optimistic: then Session.confirm must be
// called.
func (p *Pool) dial(ctx context.Context) (*Session, error) {
	s, err := p.connect(ctx)
	if _, late := errors.AsType[*auth.LateError](err); late && !p.record.suspected() {
		s, err = p.connect(ctx)
	}
	if err == nil && s.optimistic == nil {
		p.record.connected()
	}
	return s, err
}

// connect opens a connection and logs in.
func (p *Pool) connect(ctx context.Context) (s *Session, err error) {
	s = &Session{pool: p}
	opts := p.opts.Client
	opts.Namespace = p.wantsNamespace.Swap(false) || p.expectsNamespace()
	opts.Hooks.Changing = p.Outdate
	s.hook(&opts.Hooks)
	opts.Memo = p.record.expected()
	if s.Client, err = imapclient.Dial(ctx, opts); err != nil {
		return nil, err
	}
	if s.Client.Optimistic() {
		p.startLogin(ctx, s)
		return s, nil
	}
	if err := p.login(ctx, s.Client); err != nil {
		// The server may want to hear that it is not an attack.
		_ = s.Client.Logout(ctx)
		return nil, err
	}
	if err := s.Client.Setup(ctx); err != nil {
		_ = s.Client.Close()
		return nil, err
	}
	return s, nil
}

// optimistic is a login under way, on a session that is already in use.
type optimistic struct {
	login <-chan error
	setup error
}

// startLogin begins to log in. The session can be used without waiting for the answer.
func (p *Pool) startLogin(ctx context.Context, s *Session) {
	outcome := make(chan error, 1)
	s.optimistic = &optimistic{login: outcome}
	sent := s.Client.LoginSent()
	go func() { outcome <- p.login(ctx, s.Client) }()
	select {
	case <-sent:
	case err := <-outcome:
		if outcome <- err; err != nil {
			_ = s.Client.Close() // nothing more must be sent
			return
		}
	}
	s.optimistic.setup = s.Client.Setup(ctx)
}

// confirm waits until the server has answered the login, and all its announcements were
// as expected.
func (s *Session) confirm(ctx context.Context) error {
	// The error of the login is better than errors that follow from it.
	if err := <-s.optimistic.login; err != nil {
		return err
	}
	if err := s.optimistic.setup; err != nil {
		return err
	}
	if err := s.Client.Confirm(ctx); err != nil {
		return err
	}
	s.optimistic = nil
	return nil
}

// surprised reports whether a login may have failed, or was not completed, only because
// commands were sent optimistically. Then the next connection of this run waits for
// each answer.
func (p *Pool) surprised(err error) bool {
	if _, refused := errors.AsType[*auth.RefusedError](err); refused {
		return false
	}
	if _, late := errors.AsType[*auth.LateError](err); late {
		// Either the user needed a long time to enter the password, or the server does
		// not accept the first way to log in. In the latter case no run should try that
		// optimistically.
		p.record.suspect(err, errors.Is(err, imapclient.ErrNotLoggedIn))
		return true
	}
	if _, surprise := errors.AsType[*imapclient.SurpriseError](err); surprise {
		p.record.suspect(err, true)
		return true
	}
	return false
}

func (p *Pool) login(ctx context.Context, c *imapclient.Client) error {
	return logIn(ctx, c, p.opts.Login)
}

// logIn logs in by means of login, unless the greeting was PREAUTH.
func logIn(ctx context.Context, c *imapclient.Client, login func(context.Context, *imapclient.Client) error) error {
	if c.Preauth() {
		if len(c.Caps()) > 0 {
			return nil
		}
		return c.Capability(ctx)
	}
	if login == nil {
		return &loginError{ErrNoLogin}
	}
	if err := login(ctx, c); err != nil {
		// If the provider of a token cannot be reached, there was no login.
		if e, ok := errors.AsType[*auth.UnavailableError](err); ctx.Err() != nil || ok && e.Passing {
			return err
		}
		return &loginError{err}
	}
	return nil
}

// admit adds a session to the pool, or handles err if there is none. The error is
// errLookAgain if the existing sessions must suffice.
func (p *Pool) admit(ctx context.Context, gate *LoginGate, s *Session, exclusive bool, err error) (*Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	defer p.changed()
	p.noteAnswers(s, err)
	switch {
	case err == nil && p.closed:
		_ = s.Client.Close()
		return nil, errClosed
	case err == nil:
		s.users, s.exclusive = 1, exclusive
		p.run.loggedIn = true
		p.sessions = append(p.sessions, s)
		if p.run.limit > 0 {
			// It may have been lowered while this one was being made.
			p.run.limit = max(p.run.limit, p.live())
		}
		return s, nil
	case ctx.Err() != nil || p.closed:
		return nil, err
	}
	if p.live() > 0 {
		p.limitReached(err)
		return nil, errLookAgain
	}
	if _, ok := errors.AsType[*loginError](err); ok {
		gate.close(p.run, err)
		if _, refused := errors.AsType[*auth.RefusedError](err); refused {
			p.run.refused = err
		}
	} else {
		p.run.unreached++
		p.run.why = err
	}
	return nil, err
}

// limitReached notes that the server refuses further sessions: it has accepted a login
// before, so the number of sessions must be the reason. That is reported once in a run.
// p.mu must be held.
func (p *Pool) limitReached(err error) {
	p.run.limit = p.live()
	if !p.run.warned && p.opts.Limited != nil {
		p.opts.Limited(p.run.limit, err)
	}
	p.run.warned = true
}
