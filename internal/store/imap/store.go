package imap

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/imapclient"
	"isync/internal/listcache"
	"isync/internal/store"
)

// Sessions are the sessions of an account. Several stores may share them; they
// end with the last of those, until there is another one.
type Sessions struct{ pool *pool }

// NewSessions returns the sessions for stores that have these options in common:
// Client, Login, MaxSessions, Warn, Listings, Server, ReadOnly, Now and Debug. It connects when a store uses them for the
// first time.
func NewSessions(o Options) *Sessions { return &Sessions{newPool(&o)} }

// Options describe a store.
type Options struct {
	// Name is the store's name in the configuration.
	Name string

	// Sessions, if not nil, are those of the account. Client, Login, MaxSessions,
	// Warn, Server and ReadOnly are ignored here then.
	Sessions *Sessions

	// Client tells how to connect.
	Client imapclient.Options

	// Login logs in on a new connection, after TLS has been started; it is not
	// called if the server has greeted us as logged in. It may be called by
	// several goroutines at once, but not before it has succeeded once, and
	// once it has failed only for other stores of the account, or after a
	// *LateError. nil: there is no other way than such a greeting.
	Login func(ctx context.Context, c *imapclient.Client) error

	// MaxSessions is how many sessions there may be at a time; 0: as many as
	// are needed and the server grants.
	MaxSessions int

	// Warn, if not nil, is told what the user should know. It may be called
	// from several goroutines. The hint says what to do about it; it may be empty.
	Warn func(text, hint string)

	// Explain, if not nil, is told which of what the server lists is no mailbox.
	Explain func(text string)

	// Path, if HasPath, is put before mailbox names other than INBOX, as it is.
	Path    string
	HasPath bool
	// UseNamespace puts the prefix of the personal namespace there (RFC 2342),
	// unless HasPath.
	UseNamespace bool
	// Delimiter is between the components of names on the server; "" asks it.
	Delimiter string
	// SubscribedOnly lists only mailboxes that are subscribed, and subscribes
	// those it creates.
	SubscribedOnly bool

	// Listings, if not nil, is where listings are remembered from one run to the
	// next. Account tells the account, that is the server and the user, from all
	// others; it is called after a login. Without it, or with "", nothing is
	// remembered.
	Listings *listcache.Dir
	Account  func(ctx context.Context) (string, error)
	// Server tells the server, and the ways to log in to it, from all others. What
	// it has told about itself is remembered in Listings, unless Server is "", or
	// only used, if ReadOnly.
	Server   string
	ReadOnly bool
	// Now tells the time; nil: time.Now.
	Now func() time.Time

	// Debug, if not nil, is told what is of interest only to those who look for
	// the reason of something. It may be called from several goroutines.
	Debug func(text string)
}

// Store implements store.Store.
type Store struct {
	opts   Options
	pool   *pool
	door   door
	layout layoutCache
	// plainSelect: the server does not take parameters of SELECT.
	plainSelect atomic.Bool
	// noValidity: the warning about a missing UIDVALIDITY was shown.
	noValidity atomic.Bool
	// plainExpunge: the server has refused UID EXPUNGE.
	plainExpunge atomic.Bool

	mu      sync.Mutex
	caps    *store.Caps // once known
	closed  bool
	leftOut map[string]bool // names on the server, see leaveOut

	survey survey // see Trace
}

var _ store.Store = (*Store)(nil)

// New returns a store. It connects when it is used for the first time.
func New(opts Options) *Store {
	if opts.Sessions == nil {
		opts.Sessions = NewSessions(opts)
	}
	opts.Sessions.pool.join()
	return &Store{opts: opts, pool: opts.Sessions.pool}
}

// Name implements store.Store.
func (s *Store) Name() string { return s.opts.Name }

func (s *Store) warn(text, hint string) {
	if s.opts.Warn != nil {
		s.opts.Warn(text, hint)
	}
}

// Caps implements store.Store.
func (s *Store) Caps(ctx context.Context) (store.Caps, error) {
	s.mu.Lock()
	known := s.caps
	s.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var caps store.Caps
	err := s.ask(ctx, func(c *imapclient.Client) error {
		uidplus := c.Caps().Has("UIDPLUS") // RFC 4315
		caps = store.Caps{CRLF: true, NeedsSize: true, ReportsUIDs: uidplus, SelectiveExpunge: uidplus}
		return nil
	})
	if err != nil {
		return store.Caps{}, s.storeError(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caps = &caps
	return caps, nil
}

// Close implements store.Store. It says goodbye to the server, which may take a
// few seconds behind a tunnel that does not answer.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		s.pool.leave()
	}
	return nil
}

// ask is share for f that changes nothing: it may be run before it is known what
// the server makes of the login. It may be run again if things turn out to be
// otherwise than expected.
func (s *Store) ask(ctx context.Context, f func(c *imapclient.Client) error) error {
	sess, answer, err := s.pool.ask(ctx, &s.door, false, func(sess *session) error { return f(sess.client) })
	if err != nil || answer != nil {
		return cmp.Or(err, answer)
	}
	s.pool.put(sess)
	return nil
}

// share runs f on any session: an idle one, one of an open mailbox, or a new
// one. If the session turns out to have been lost while it was idle, f is run
// once more.
func (s *Store) share(ctx context.Context, f func(c *imapclient.Client) error) error {
	for {
		sess, used, err := s.pool.any(ctx, &s.door)
		if err != nil {
			return err
		}
		err = f(sess.client)
		s.pool.put(sess)
		if !used || !isLost(err) || ctx.Err() != nil {
			return err
		}
	}
}

// isLost reports whether the error means that the connection is gone.
func isLost(err error) bool {
	_, lost := errors.AsType[*imapclient.ConnectionError](err)
	return lost
}

// storeError makes err one of the whole store, unless it already says how far
// it reaches, or that we were told to stop.
func (s *Store) storeError(err error) error {
	if err == nil || classified(err) {
		return err
	}
	return &store.StoreError{Store: s.opts.Name, Err: err}
}

// boxError makes err one of the mailbox, or of the store if the connection is
// lost.
func (s *Store) boxError(box string, err error) error {
	switch {
	case err == nil, classified(err):
		return err
	case isLost(err):
		return s.storeError(err)
	}
	return &store.BoxError{Store: s.opts.Name, Box: box, Err: err}
}

// classified reports whether an error is of package store already, or plainly
// the end of a context.
func classified(err error) bool {
	switch err { //nolint:errorlint // wrapped ones are for the caller to wrap
	case context.Canceled, context.DeadlineExceeded:
		return true
	}
	if _, ok := errors.AsType[*store.StoreError](err); ok {
		return true
	}
	_, ok := errors.AsType[*store.BoxError](err)
	return ok
}
