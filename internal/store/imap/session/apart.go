package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
)

// ErrNoRoom says that MaxSessions allows no connection besides those for mail.
var ErrNoRoom = errors.New("no connection is left for watching: all that Connections allows are needed for mail")

// Reserve reserves one of the MaxSessions for a connection that is not a session of the pool, such as one
// of DialApart. If no session would be left for mail, it returns ErrNoRoom. AwaitReserved must be called
// before the connection is made, and Release at the end.
func (p *Pool) Reserve() error {
	most := p.opts.MaxSessions
	p.mu.Lock()
	defer p.mu.Unlock()
	if most > 0 && p.reserved+1 >= most {
		return ErrNoRoom
	}
	if p.reserved++; p.reserved == 1 {
		select {
		case <-p.wanted: // by somebody who got it
		default:
		}
	}
	return nil
}

// AwaitReserved waits until the reserved connections and the sessions together are no
// more than MaxSessions. It ends sessions that are not in use.
func (p *Pool) AwaitReserved(ctx context.Context) error {
	most := p.opts.MaxSessions
	for {
		p.dropLost()
		p.mu.Lock()
		if most == 0 || p.live()+p.dialing+p.reserved <= most {
			p.mu.Unlock()
			return nil
		}
		unused, change := p.removeUnused(), p.change
		p.mu.Unlock()
		if unused != nil {
			_ = unused.Client.Leave(ctx)
			continue
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Release ends a reservation.
func (p *Pool) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reserved--
	p.changed()
}

// Wanted receives a value when the sessions that are not reserved do not suffice for a
// pair of mailboxes. All reservations should be released then.
func (p *Pool) Wanted() <-chan struct{} { return p.wanted }

// yield asks for the reservations to be released. It reports whether there are any.
func (p *Pool) yield() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reserved == 0 {
		return false
	}
	select {
	case p.wanted <- struct{}{}:
	default:
	}
	return true
}

// removeUnused removes a session that is not in use from the pool; nil: there is none.
// p.mu must be held.
func (p *Pool) removeUnused() *Session {
	for i, s := range p.sessions {
		if s.users == 0 {
			p.record.learn(s.Client.Memo())
			p.sessions = append(p.sessions[:i:i], p.sessions[i+1:]...)
			return s
		}
	}
	return nil
}

// Probe tests the sessions that are not in use. Those that do not answer within the limit
// are closed, so that the next call does not have to find out. It waits for that.
func (p *Pool) Probe(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p.mu.Lock()
	var unused []*Session
	for _, s := range p.sessions {
		if s.users == 0 && !s.Lost() {
			s.users, s.exclusive = 1, true
			unused = append(unused, s)
		}
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range unused {
		wg.Go(func() {
			_ = s.Client.Noop(ctx) // if it fails, the connection is lost, or works
			p.Put(s, Want{Exclusive: true})
		})
	}
	wg.Wait()
}

// Apart describes a connection that is not a session of the pool.
type Apart struct {
	// Hooks replace those of Options, except Trace, Alert, Notice and Unknown.
	Hooks imapclient.Hooks
	// Login logs in; nil: Options.Login.
	Login func(ctx context.Context, c *imapclient.Client) error
	// Insist: log in although the login of a store was refused in this run.
	Insist bool
}

// DialApart opens a connection that is not a session of the pool, and logs in. It obeys
// the same rules as the sessions: until the first login of the run has succeeded, logins
// are made one by one. After the login of a store was refused, there is none in that run,
// unless a.Insist is set; after this one was refused, the stores do not log in. Whether
// this one is tried again is up to the caller. Nothing is sent optimistically.
func (p *Pool) DialApart(ctx context.Context, a Apart) (*imapclient.Client, error) {
	done, err := p.apartTurn(ctx, a.Insist)
	if err != nil {
		return nil, err
	}
	defer done()
	p.mu.Lock()
	in := p.run
	p.mu.Unlock()
	c, err := p.connectApart(ctx, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != in {
		return c, err
	}
	_, refused := errors.AsType[*auth.RefusedError](err)
	_, answered := errors.AsType[*loginError](err)
	switch {
	case err == nil:
		in.loggedIn, in.refused, in.apart = true, nil, false
		p.changed()
	case refused && !in.loggedIn:
		in.refused, in.apart = err, true
		p.changed()
	case !answered && !in.loggedIn && ctx.Err() == nil:
		in.unreached++
		in.why = err
	}
	return c, err
}

// apartTurn waits until a login may be tried. done must be called after the attempt.
func (p *Pool) apartTurn(ctx context.Context, insist bool) (done func(), err error) {
	p.mu.Lock()
	loggedIn := p.run.loggedIn
	p.mu.Unlock()
	done = func() {}
	if !loggedIn {
		select {
		case p.first <- struct{}{}:
			done = func() { <-p.first }
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.mu.Lock()
	refused := p.run.refused
	if p.run.apart {
		refused = nil
	}
	p.mu.Unlock()
	if refused != nil && !insist {
		done()
		return nil, refused
	}
	return done, nil
}

// connectApart opens a connection and logs in.
func (p *Pool) connectApart(ctx context.Context, a Apart) (*imapclient.Client, error) {
	opts := p.opts.Client
	a.Hooks.Trace, a.Hooks.Alert, a.Hooks.Notice, a.Hooks.Unknown = opts.Hooks.Trace, opts.Hooks.Alert, opts.Hooks.Notice, opts.Hooks.Unknown
	opts.Hooks = a.Hooks
	// Facts about names are valid for one run.
	opts.Ampersands = new(imapclient.Ampersands)
	opts.Namespace, opts.Memo, opts.Compression = true, nil, imapclient.CompressNever
	c, err := imapclient.Dial(ctx, opts)
	if err != nil {
		return nil, err
	}
	login := a.Login
	if login == nil {
		login = p.opts.Login
	}
	if err := logIn(ctx, c, login); err != nil {
		_ = c.Logout(ctx)
		return nil, err
	}
	if err := c.Setup(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}
