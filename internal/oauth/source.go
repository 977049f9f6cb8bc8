package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"isync/internal/auth"
	"isync/internal/event"
)

// SourceOptions say where a Source gets the token of an account.
type SourceOptions struct {
	// Account names the account in errors. Command is what the user enters to log in.
	Account, Command string
	Client           *Client
	Store            Store
	Lock             *Lock
	// Warn is called with facts about tokens that could not be saved.
	Warn func(event.Fact)
	// Now tells the time; nil: time.Now.
	Now func() time.Time
}

// Source returns the access token of an account, and refreshes it. It is safe for
// concurrent use, also by several processes.
type Source struct {
	o SourceOptions

	turn chan struct{} // holds a token while somebody uses the fields below
	// grant is the last one that is known.
	grant *Grant
	// dead is a refresh token that the provider has rejected, and verdict its error.
	dead    string
	verdict error
	// pause is the time before which grant is not refreshed, although it is due: the
	// provider could not do it.
	pause time.Time
	// unsaved: grant could not be saved.
	unsaved bool
	// kept, if not nil, ends the lock. It is kept while unsaved is set, since another
	// process would send the former refresh token again.
	kept func()

	mu      sync.Mutex
	refused string // the access token that the server has refused last
}

var _ auth.TokenSource = (*Source)(nil)

const (
	// pauseAfter is how long a due refresh is put off after a failure, as long as the
	// access token has not expired.
	pauseAfter = time.Minute
	// grace is how much longer a refresh goes on after the run was interrupted: the answer
	// may hold a new refresh token.
	grace = 10 * time.Second
)

// NewSource returns a Source. It does not touch the store yet.
func NewSource(o SourceOptions) *Source {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(event.Fact) {}
	}
	return &Source{o: o, turn: make(chan struct{}, 1)}
}

// Format writes the account only, whatever the verb.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "tokens of "+s.o.Account) }

// Token implements auth.TokenSource. Its errors are *auth.UnavailableError, or that of ctx.
func (s *Source) Token(ctx context.Context) (auth.Token, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return auth.Token{}, context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	g, err := s.current(ctx)
	switch {
	case err == nil:
		return auth.Token{Secret: g.Access, Expires: s.until(g)}, nil
	case ctx.Err() != nil:
		return auth.Token{}, context.Cause(ctx)
	}
	return auth.Token{}, unavailable(err)
}

// Invalidate implements auth.TokenSource.
func (s *Source) Invalidate(secret string) (renewable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = secret
	return true
}

// Flush tries once more to save a grant that could not be saved. It must be called at the
// end of the program.
func (s *Source) Flush(ctx context.Context) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	defer s.unlock()
	if !s.unsaved {
		return
	}
	if err := s.saveAgain(ctx); err != nil {
		s.o.Warn(event.TokenLost{Account: s.o.Account, Command: s.o.Command, Err: err})
		s.unsaved = false
	}
}

// unavailable adds to an error whether another try may succeed.
func unavailable(err error) error {
	e := &auth.UnavailableError{Err: err, Passing: errors.Is(err, ErrBusy)}
	_, consent := errors.AsType[*ConsentError](err)
	if r, ok := errors.AsType[*RequestError](err); ok && !consent {
		e.Passing = r.Passing()
	}
	return e
}

// until returns when the access token has to be obtained anew.
func (s *Source) until(g *Grant) time.Time {
	if at := g.renewAt(); at.IsZero() || s.o.Now().Before(at) {
		return at
	}
	if s.pause.Before(g.Expires) {
		return s.pause
	}
	return g.Expires
}

// usable reports whether the access token of a grant can be sent now, and need not be
// refreshed.
func (s *Source) usable(g *Grant) bool {
	return g != nil && s.o.Client.Owns(g) && s.good(g) && (g.Expires.IsZero() || s.o.Now().Before(s.until(g)))
}

// good reports whether an access token is usable if it has not expired.
func (s *Source) good(g *Grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.Access != "" && g.Access != s.refused
}

// unexpired reports whether an access token can be sent although it is due.
func (s *Source) unexpired(g *Grant) bool {
	return s.good(g) && s.o.Now().Before(g.Expires)
}

// current returns a grant whose access token can be sent now.
func (s *Source) current(ctx context.Context) (*Grant, error) {
	defer s.unlock()
	if s.unsaved && s.saveAgain(ctx) != nil {
		// The store still has the former grant.
		if s.usable(s.grant) {
			return s.grant, nil
		}
		return s.refresh(ctx, s.grant)
	}
	if s.usable(s.grant) {
		return s.grant, nil
	}
	if g, err := s.load(ctx); err != nil {
		return nil, err
	} else if s.usable(g) {
		s.grant = g
		return g, nil
	}
	if s.kept == nil {
		var err error
		if s.kept, err = s.o.Lock.Acquire(ctx); err != nil {
			return nil, storeError(s.o.Store, err)
		}
	}
	// Another process may have refreshed it meanwhile, or was killed while it did.
	if f, ok := s.o.Store.(*FileStore); ok {
		if err := f.Recover(ctx); err != nil {
			return nil, err
		}
	}
	g, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if s.usable(g) {
		s.grant = g
		return g, nil
	}
	return s.refresh(ctx, g)
}

// unlock releases the lock, unless a grant is still unsaved.
func (s *Source) unlock() {
	if s.kept != nil && !s.unsaved {
		s.kept()
		s.kept = nil
	}
}

// load reads the grant.
func (s *Source) load(ctx context.Context) (*Grant, error) {
	g, err := s.o.Store.Load(ctx)
	if errors.Is(err, ErrDamaged) {
		return nil, s.needsConsent(Damaged, err)
	}
	return g, err
}

func (s *Source) needsConsent(why Reason, err error) error {
	return &ConsentError{Account: s.o.Account, Reason: why, Err: err}
}

// refresh refreshes a grant, and saves the new one. The lock must be held. If the provider
// or the store fails, but the access token has not expired yet, it is used.
func (s *Source) refresh(ctx context.Context, g *Grant) (*Grant, error) {
	switch {
	case g == nil:
		return nil, s.needsConsent(NoToken, nil)
	case !s.o.Client.Owns(g):
		return nil, s.needsConsent(OtherClient, nil)
	case g.Refresh == "":
		return nil, s.needsConsent(NoRefresh, nil)
	case g.Refresh == s.dead:
		return nil, s.verdict
	}
	room, err := s.o.Store.Reserve(ctx)
	if err == nil {
		var next *Grant
		if next, err = s.request(ctx, g); err == nil {
			s.grant, s.unsaved = next, true
			if err := s.save(ctx, room); err != nil {
				s.o.Warn(event.TokenUnsaved{Account: s.o.Account, Err: err})
			}
			return next, nil
		}
		room.Discard()
	}
	if r, ok := errors.AsType[*RequestError](err); ok && r.needsConsent() {
		s.dead, s.verdict = g.Refresh, s.needsConsent(Rejected, err)
		return nil, s.verdict
	}
	if s.unexpired(g) {
		s.grant, s.pause = g, s.o.Now().Add(pauseAfter)
		return g, nil
	}
	return nil, err
}

// request asks the provider for a new access token.
func (s *Source) request(ctx context.Context, g *Grant) (*Grant, error) {
	const what = "refresh the token"
	c := s.o.Client
	// The answer must not be lost because the user interrupts the run.
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel(context.Cause(ctx))
		case <-inner.Done():
		}
	})()
	e, err := c.endpoints(inner)
	if err != nil {
		return nil, err
	}
	cfg, err := c.config(inner, e, g.Scope)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // nothing is lost yet
	}
	limited, done := c.request(inner)
	defer done()
	from := s.o.Now()
	t, err := cfg.TokenSource(limited, &oauth2.Token{RefreshToken: g.Refresh}).Token()
	if err != nil {
		return nil, requestError(limited, e.token, what, err)
	}
	next, err := c.grant(t, g.Scope, from)
	if err != nil {
		return nil, &RequestError{Server: hostOf(e.token), What: what, Status: http.StatusOK, Err: err}
	}
	if next.User = g.User; next.Access == g.Access && !s.good(next) {
		return nil, &RequestError{Server: hostOf(e.token), What: what, Status: http.StatusOK, Err: errors.New("it returned the token that the mail server has refused")}
	}
	return next, nil
}

// saveAgain saves the grant that could not be saved before.
func (s *Source) saveAgain(ctx context.Context) error {
	room, err := s.o.Store.Reserve(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	return s.save(ctx, room)
}

// save saves the grant. It does not end early.
func (s *Source) save(ctx context.Context, room Reserved) error {
	if err := room.Save(context.WithoutCancel(ctx), s.grant); err != nil {
		return err
	}
	s.unsaved = false
	return nil
}
