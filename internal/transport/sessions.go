package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// A SessionStore keeps the tickets of TLS sessions from one run to the next. They are
// secrets, so it must encrypt them. id identifies a server and the settings for it. It must be safe for
// concurrent use.
type SessionStore interface {
	// LoadSessions returns what was saved last; nil: nothing.
	LoadSessions(id string) ([]byte, error)
	SaveSessions(id string, data []byte) error
}

const (
	// maxSessions is the maximum number of sessions that are kept for a server.
	maxSessions = 3
	// sessionLife is the longest time for which a session is kept. Servers set shorter ones.
	sessionLife = 24 * time.Hour
)

// savedSession is a session that can be resumed. Chain are the certificates that the server has
// presented, beginning with its own.
type savedSession struct {
	At            int64 // seconds since 1970
	Ticket, State []byte
	Chain         [][]byte
}

// A sessionCache holds the sessions of a server. A session is used only if the current
// settings accept the certificates that it was made with: as with a new session, and at the time of use. Each
// session is used once.
type sessionCache struct {
	id     string
	store  SessionStore // nil: they are forgotten with the process
	verify func(tls.ConnectionState) error
	now    func() time.Time

	mu       sync.Mutex
	loaded   bool
	sessions []savedSession // the latest one last
}

// identity returns a text that is the same only for the same options.
func (o *TLSOptions) identity() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %v %x %d %d %d", o.Server, o.ServerName, o.SystemCerts, sha256.Sum256(o.PEM), o.MinVersion, o.MaxVersion, o.CipherSuites)
	if c := o.ClientCert; c != nil {
		for _, der := range c.Certificate {
			fmt.Fprintf(h, " %x", sha256.Sum256(der))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// load reads what is stored; c.mu must be held. What cannot be read counts as missing.
func (c *sessionCache) load() {
	if c.loaded {
		return
	}
	c.loaded = true
	if c.store == nil {
		return
	}
	data, err := c.store.LoadSessions(c.id)
	if err != nil || data == nil {
		return
	}
	var saved []savedSession
	if json.Unmarshal(data, &saved) == nil && len(saved) <= maxSessions {
		c.sessions = append(saved, c.sessions...)
	}
}

// take removes a session from the cache and returns it; nil: there is none that may be used.
func (c *sessionCache) take() *tls.ClientSessionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	for len(c.sessions) > 0 {
		last := len(c.sessions) - 1
		s := c.sessions[last]
		c.sessions = c.sessions[:last]
		if state := c.usable(&s); state != nil {
			return state
		}
	}
	return nil
}

// usable returns the session if it may be used now.
func (c *sessionCache) usable(s *savedSession) *tls.ClientSessionState {
	if age := c.now().Sub(time.Unix(s.At, 0)); age < -time.Second || age > sessionLife {
		return nil
	}
	chain := make([]*x509.Certificate, len(s.Chain))
	for i, der := range s.Chain {
		var err error
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return nil
		}
	}
	if c.verify(tls.ConnectionState{PeerCertificates: chain}) != nil {
		return nil
	}
	state, err := tls.ParseSessionState(s.State)
	if err != nil {
		return nil
	}
	session, err := tls.NewResumptionState(s.Ticket, state)
	if err != nil {
		return nil
	}
	return session
}

// add adds a session that was made with these certificates.
func (c *sessionCache) add(session *tls.ClientSessionState, chain []*x509.Certificate) {
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return
	}
	s := savedSession{At: c.now().Unix(), Ticket: bytes.Clone(ticket)}
	if s.State, err = state.Bytes(); err != nil {
		return
	}
	for _, cert := range chain {
		s.Chain = append(s.Chain, cert.Raw)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	c.sessions = append(c.sessions, s)
	c.sessions = c.sessions[max(0, len(c.sessions)-maxSessions):]
	c.save()
}

// forget drops all sessions.
func (c *sessionCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = true
	c.sessions = nil
	c.save()
}

// save writes the sessions; c.mu must be held. An error does no harm.
func (c *sessionCache) save() {
	if c.store == nil {
		return
	}
	if data, err := json.Marshal(c.sessions); err == nil {
		_ = c.store.SaveSessions(c.id, data)
	}
}

// Get implements tls.ClientSessionCache, which only a connSessions uses.
func (c *sessionCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put implements tls.ClientSessionCache.
func (c *sessionCache) Put(string, *tls.ClientSessionState) {}

// connSessions gives one connection access to the cache. It knows the certificates of the
// connection.
type connSessions struct {
	cache *sessionCache

	mu      sync.Mutex
	offered bool // a session was taken from the cache
	added   int  // sessions
	chain   []*x509.Certificate
}

// sessionsOf returns the configuration for one connection, with its access to the cache; nil: the
// configuration has no cache.
func sessionsOf(cfg *tls.Config) (*tls.Config, *connSessions) {
	cache, ok := cfg.ClientSessionCache.(*sessionCache)
	if !ok {
		return cfg, nil
	}
	s := &connSessions{cache: cache}
	cfg = cfg.Clone()
	cfg.ClientSessionCache = s
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := verify(cs); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.chain = cs.PeerCertificates
		return nil
	}
	return cfg, s
}

// Get implements tls.ClientSessionCache.
func (s *connSessions) Get(string) (*tls.ClientSessionState, bool) {
	session := s.cache.take()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = session != nil
	return session, session != nil
}

// Put implements tls.ClientSessionCache. A server may send several tickets; one for each
// connection is enough. With nil, crypto/tls says that a session is of no use.
func (s *connSessions) Put(_ string, session *tls.ClientSessionState) {
	s.mu.Lock()
	chain, first := s.chain, s.added == 0
	if session != nil {
		s.added++
	}
	s.mu.Unlock()
	if session != nil && first && len(chain) > 0 {
		s.cache.add(session, chain)
	}
}

// A ResumptionError says that a TLS handshake has failed after a session of an earlier
// connection was offered. That session is forgotten, and another attempt may succeed.
type ResumptionError struct{ Err error }

func (e *ResumptionError) Error() string { return e.Err.Error() }

func (e *ResumptionError) Unwrap() error { return e.Err }

// failed returns the error of a handshake, and forgets the sessions if one was offered.
func (s *connSessions) failed(err error) error {
	s.mu.Lock()
	offered := s.offered
	s.mu.Unlock()
	if !offered {
		return err
	}
	s.cache.forget()
	return &ResumptionError{err}
}
