package imap

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/session"
	"isync/internal/store/imap/watching"
)

// Sessions are the sessions of an account. Several stores may share them. They end when the last store is
// closed. A later store opens new ones.
type Sessions struct {
	pool     *session.Pool
	account  *watching.Account // see Watch
	pipeline *pipeline
}

// NewSessions returns the sessions for stores that have these options in common: Client, Login, WatchLogin,
// IdleRefresh, MaxSessions, Warn, Notice, Listings, Server, ReadOnly, Now and Debug. It connects when a
// store uses them for the first time.
func NewSessions(o Options) *Sessions { return newSessions(o, o.sessions()) }

func newSessions(o Options, so session.Options) *Sessions {
	pool := session.NewPool(so)
	w := watching.Options{Pool: pool, Login: o.WatchLogin, IdleRefresh: o.IdleRefresh, Debug: o.Debug}
	return &Sessions{pool, watching.NewAccount(w), newPipeline(pool, o.Client.PipelineDepth)}
}

// sessions are the options that concern the sessions.
func (o *Options) sessions() session.Options {
	s := session.Options{
		Client: o.Client, Login: o.Login, MaxSessions: o.MaxSessions, Listings: o.Listings,
		Server: o.Server, ReadOnly: o.ReadOnly, Now: o.Now, Debug: o.Debug,
	}
	if warn := o.Warn; warn != nil {
		s.Limited = func(n int, err error) {
			warn(event.ConnectionsLimited{Count: n, Err: err})
		}
	}
	if notice := o.Notice; notice != nil {
		s.Measured = func(rate float64, slow bool) { notice(event.LineMeasured{Rate: rate, Compress: slow}) }
	}
	return s
}

// Options describe a store.
type Options struct {
	// Name is the store's name in the configuration.
	Name string

	// Sessions, if not nil, are those of the account. Client, Login, WatchLogin,
	// IdleRefresh, MaxSessions, Warn, Notice, Server and ReadOnly are ignored here then.
	Sessions *Sessions

	// Place identifies the account. Sections of the configuration that mean the same
	// account must have the same Place.
	Place string

	// Client describes how to connect.
	Client imapclient.Options

	// Login logs in on a new connection, after TLS has been started. It is not called
	// after a PREAUTH greeting. Several goroutines may call it at once, but only after
	// it has succeeded once. After it has failed, it is called only for other stores of
	// the account, or after an *auth.LateError. nil: only servers with a PREAUTH
	// greeting can be used.
	Login func(ctx context.Context, c *imapclient.Client) error

	// WatchLogin, if not nil, is the Login for connections that watch the account. These are
	// made at any time, and not as part of a run, so it obtains the secret anew. nil: Login.
	WatchLogin func(ctx context.Context, c *imapclient.Client) error
	// IdleRefresh is the time after which an IDLE is ended and sent again; 0:
	// watching.DefaultIdleRefresh.
	IdleRefresh time.Duration

	// MaxSessions is the maximum number of connections at the same time, including those that
	// watch the account; 0: as many as are needed and the server allows.
	MaxSessions int

	// Warn, if not nil, is called with each warning. It may be called from several
	// goroutines.
	Warn func(event.Fact)

	// Notice, if not nil, is called with each notice, from any goroutine. It must not call the
	// store.
	Notice func(event.Fact)

	// Explain, if not nil, is called with an explanation for each listed name that is not a mailbox.
	Explain func(text string)

	// Path, if HasPath is set, is the prefix of all names except INBOX.
	Path    string
	HasPath bool
	// UseNamespace uses the prefix of the personal namespace (RFC 2342), unless HasPath is set.
	UseNamespace bool
	// Delimiter is the delimiter between components of names on the server; "": ask the server.
	Delimiter string
	// SubscribedOnly lists only subscribed mailboxes, and subscribes to new ones.
	SubscribedOnly bool

	// KnownFolders are names on the server, by special uses in lower case. They apply if the
	// server gives no mailbox an attribute.
	KnownFolders map[string]string

	// Listings, if not nil, is the directory for saved listings. Account returns a text that
	// identifies the account: the server and the user. It is called after a login. Without it, or
	// with "", nothing is saved.
	Listings *memo.Dir
	Account  func(ctx context.Context) (string, error)
	// Server identifies the server and the ways to log in to it. The announcements of the server
	// are saved in Listings, unless Server is "". With ReadOnly, saved ones are only used.
	Server   string
	ReadOnly bool
	// Now returns the time; nil: time.Now.
	Now func() time.Time

	// Debug, if not nil, is called with lines of debug output. It may be called from several
	// goroutines.
	Debug func(text string)
}

// Store implements store.Store.
type Store struct {
	opts  Options
	pool  *session.Pool
	gate  session.LoginGate
	sets  *setLengths
	facts atomic.Pointer[runFacts] // see run
	// many is manyMessages, except in tests.
	many uint64

	mu     sync.Mutex
	closed bool
	ends   map[string]boxEnd // of mailboxes that were closed, by their names on the server
}

var _ store.Store = (*Store)(nil)

// New returns a store. It connects when it is used for the first time.
func New(opts Options) *Store {
	if opts.Sessions == nil {
		opts.Sessions = NewSessions(opts)
	}
	pool := opts.Sessions.pool
	pool.Join()
	return &Store{opts: opts, pool: pool, sets: &setLengths{pool.Record(), opts.debugf}, many: manyMessages}
}

// Name implements store.Store.
func (s *Store) Name() string { return s.opts.Name }

func (s *Store) warn(f event.Fact) {
	if s.opts.Warn != nil {
		s.opts.Warn(f)
	}
}

// Caps implements store.Store.
func (s *Store) Caps(ctx context.Context) (store.Caps, error) {
	r := s.run()
	r.mu.Lock()
	known := r.caps
	r.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var caps store.Caps
	err := s.ask(ctx, func(sess *session.Session) error {
		uidplus := sess.Client.Caps().Has("UIDPLUS") // RFC 4315
		caps = store.Caps{CRLF: true, NeedsSize: true, ReportsUIDs: uidplus, SelectiveExpunge: uidplus}
		return nil
	})
	if err != nil {
		return store.Caps{}, s.storeError(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caps = &caps
	return caps, nil
}

// Close implements store.Store. It logs out, which may take a few seconds if a tunnel does not answer.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		s.pool.Leave()
	}
	return nil
}

// ask is share for an f that changes nothing. f may run before the login is confirmed. It may run again if
// the server is not as expected.
func (s *Store) ask(ctx context.Context, f func(sess *session.Session) error) error {
	return s.on(ctx, session.Want{}, f)
}

// share runs f on any session: an idle one, that of an open mailbox, or a new one. If the session was lost
// while it was idle, f runs again.
func (s *Store) share(ctx context.Context, f func(c *imapclient.Client) error) error {
	return s.on(ctx, session.Want{Changes: true}, func(sess *session.Session) error { return f(sess.Client) })
}

func (s *Store) on(ctx context.Context, want session.Want, f func(sess *session.Session) error) error {
	sess, answer, err := s.pool.Take(ctx, &s.gate, want, f)
	if err != nil || answer != nil {
		return cmp.Or(err, answer)
	}
	s.pool.Put(sess, want)
	return nil
}

// isLost reports whether the error means that the connection is gone.
func isLost(err error) bool {
	_, lost := errors.AsType[*imapclient.ConnectionError](err)
	return lost
}

// storeError makes err an error of the whole store, unless it is classified already, or is the end of a
// context.
func (s *Store) storeError(err error) error {
	if err == nil || classified(err) {
		return err
	}
	return &store.StoreError{Store: s.opts.Name, Err: judged(err)}
}

// boxError makes err an error of the mailbox, or of the store if the connection is lost.
func (s *Store) boxError(box string, err error) error {
	switch {
	case err == nil, classified(err):
		return err
	case isLost(err):
		return s.storeError(err)
	}
	return &store.BoxError{Store: s.opts.Name, Box: box, Err: judged(err)}
}

// classified reports whether an error is from package store already, or is the end of a context.
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
