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

// A SessionStore keeps the tickets of TLS sessions between runs. They are secrets, so it must
// encrypt them. id identifies a server and the settings for it. It must be safe for concurrent
// use.
type SessionStore interface {
	// LoadSessions returns the data that was saved last; nil: none.
	LoadSessions(id string) ([]byte, error)
	SaveSessions(id string, data []byte) error
}

const (
	// maxSessions is the maximum number of sessions that are kept for each server.
	maxSessions = 3
	// sessionLife is the maximum age of a session. Servers set shorter limits.
	sessionLife = 24 * time.Hour
)

// savedSession is a session that can be resumed. Chain is the certificate chain of the server,
// its own certificate first.
type savedSession struct {
	At            int64 // seconds since 1970
	Ticket, State []byte
	Chain         [][]byte
}

// A sessionCache holds the sessions of a server. Before a session is used, its certificates are
// verified again with the current settings and time, as in a full handshake. Each session is used
// only once.
type sessionCache struct {
	id     string
	store  SessionStore // nil: sessions are kept only in memory
	verify func(tls.ConnectionState) error
	now    func() time.Time

	mu       sync.Mutex
	loaded   bool
	sessions []savedSession // the latest one last
}

// identity returns a text that identifies the options.
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

// load reads the stored sessions. Unreadable data counts as missing. The caller holds c.mu.
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

// take removes a session from the cache and returns it; nil: there is no usable one.
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

// usable returns the session if it may be used now, and otherwise nil.
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

// add adds a session that was made with the certificates in chain.
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

// save writes the sessions. Errors are ignored: the next connection then makes a full handshake.
// The caller holds c.mu.
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

// connSessions gives one connection access to the cache. It knows the certificates of that
// connection.
type connSessions struct {
	cache *sessionCache

	mu      sync.Mutex
	offered bool // a session was taken from the cache
	added   int  // sessions
	chain   []*x509.Certificate
}

// sessionsOf returns a copy of cfg for one connection, and the connection's access to the cache;
// nil: cfg has no cache.
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

// Put implements tls.ClientSessionCache. A server may send several tickets; one per connection is
// enough. crypto/tls passes nil for a session that is not usable any more.
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

// A ResumptionError reports that a TLS handshake that offered a session of an earlier connection
// has failed. All sessions of the server are forgotten, and another attempt may succeed.
type ResumptionError struct{ Err error }

func (e *ResumptionError) Error() string { return e.Err.Error() }

func (e *ResumptionError) Unwrap() error { return e.Err }

// failed returns the error of a handshake. If a session was offered, it forgets all sessions.
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
