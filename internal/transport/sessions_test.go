package transport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"isync/internal/testkit"
)

// memoryStore is a SessionStore.
type memoryStore struct {
	mu   sync.Mutex
	data map[string][]byte
}

func (s *memoryStore) LoadSessions(id string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[id], nil
}

func (s *memoryStore) SaveSessions(id string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		s.data = make(map[string][]byte)
	}
	s.data[id] = data
	return nil
}

// replace replaces all that is saved.
func (s *memoryStore) replace(f func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, data := range s.data {
		s.data[id] = f(data)
	}
}

// tlsServer serves connections with TLS: it sends a line to each.
func tlsServer(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.WriteString(c, "hello")
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// connectTLS connects, and reports whether a session was resumed.
func connectTLS(t *testing.T, addr string, o TLSOptions) (resumed bool, err error) {
	t.Helper()
	cfg, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	return connectWith(t, addr, cfg)
}

func connectWith(t *testing.T, addr string, cfg *tls.Config) (resumed bool, err error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := NewLink(conn, 10*time.Second).StartTLS(context.Background(), cfg)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil { // with TLS 1.3, the ticket comes with it
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume, nil
}

// TestSessionsResumed: a session is resumed by another process, unless a setting has changed,
// or what is saved is damaged or old.
func TestSessionsResumed(t *testing.T) {
	ca, other := testkit.NewCA(t), testkit.NewCA(t)
	cert := ca.Issue(t, testkit.CertConfig{}).TLS()
	client := ca.Issue(t, testkit.CertConfig{Client: true}).TLS()
	alter := func(f func(*savedSession)) func(*memoryStore) {
		return func(s *memoryStore) {
			s.replace(func(data []byte) []byte {
				var saved []savedSession
				if err := json.Unmarshal(data, &saved); err != nil || len(saved) == 0 {
					t.Error(err)
				}
				for i := range saved {
					f(&saved[i])
				}
				data, _ = json.Marshal(saved)
				return data
			})
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*TLSOptions)
		alter  func(*memoryStore)
		want   bool
	}{
		{"the same", nil, nil, true},
		{"another server", func(o *TLSOptions) { o.Server = "other" }, nil, false},
		{"another certificate is trusted, too", func(o *TLSOptions) { o.PEM = slices.Concat(o.PEM, other.PEM()) }, nil, false},
		{"the system is trusted, too", func(o *TLSOptions) { o.SystemCerts = true }, nil, false},
		{"a client certificate", func(o *TLSOptions) { o.ClientCert = &client }, nil, false},
		{"other ciphers", func(o *TLSOptions) {
			o.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}, nil, false},
		{"other versions", func(o *TLSOptions) { o.MinVersion = tls.VersionTLS11 }, nil, false},
		{"nothing is saved", func(o *TLSOptions) { o.Sessions = nil }, nil, false},
		{"no JSON", nil, func(s *memoryStore) { s.replace(func([]byte) []byte { return []byte("damaged") }) }, false},
		{"empty", nil, func(s *memoryStore) { s.replace(func([]byte) []byte { return []byte("[{}]") }) }, false},
		{"a damaged state", nil, alter(func(s *savedSession) { s.State = s.State[:len(s.State)/2] }), false},
		{"a damaged ticket", nil, alter(func(s *savedSession) { s.Ticket[len(s.Ticket)/2] ^= 1 }), false},
		{"a damaged certificate", nil, alter(func(s *savedSession) { s.Chain[0] = []byte("x") }), false},
		{"no certificate", nil, alter(func(s *savedSession) { s.Chain = nil }), false},
		{"another certificate", nil, alter(func(s *savedSession) { s.Chain = [][]byte{other.Issue(t, testkit.CertConfig{}).TLS().Certificate[0]} }), false},
		{"old", nil, alter(func(s *savedSession) { s.At -= 25 * 3600 }), false},
		{"from the future", nil, alter(func(s *savedSession) { s.At += 3600 }), false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+", "+tls.VersionName(version), func(t *testing.T) {
				addr := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version})
				store := new(memoryStore)
				o := TLSOptions{ServerName: "localhost", PEM: ca.PEM(), Server: addr, Sessions: store}
				if resumed, err := connectTLS(t, addr, o); err != nil || resumed {
					t.Fatal(resumed, err)
				}
				if tt.alter != nil {
					tt.alter(store)
				}
				if tt.change != nil {
					tt.change(&o)
				}
				if resumed, err := connectTLS(t, addr, o); err != nil || resumed != tt.want {
					t.Errorf("resumed %v, %v", resumed, err)
				}
			})
		}
	}
}

// TestSessionsDistrusted: a session is not even offered if the certificate that it was made with is
// not accepted any more. Then the server can present another one.
func TestSessionsDistrusted(t *testing.T) {
	ca := testkit.NewCA(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		offered := make(chan bool, 10)
		server := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testkit.CertConfig{}).TLS()}, MinVersion: version, MaxVersion: version}
		server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered <- slices.Contains(h.Extensions, 41)
			return nil, nil
		}
		addr := tlsServer(t, server)
		cfg, err := TLSOptions{ServerName: "localhost", PEM: ca.PEM(), Server: addr}.Config()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			cache := cfg.ClientSessionCache.(*sessionCache)
			if i == 2 {
				cache.verify = func(tls.ConnectionState) error { return errors.New("it has expired") }
			}
			resumed, err := connectWith(t, addr, cfg)
			if err != nil || resumed != (i == 1) {
				t.Errorf("%s, connection %d: resumed %v, %v", tls.VersionName(version), i+1, resumed, err)
			}
			if got := <-offered; version == tls.VersionTLS13 && got != (i == 1) {
				t.Errorf("connection %d: offered %v", i+1, got)
			}
		}
	}
}

// TestSessionsRefused: if a server cannot cope with a session that is offered, it is forgotten.
func TestSessionsRefused(t *testing.T) {
	ca := testkit.NewCA(t)
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testkit.CertConfig{}).TLS()}}
	server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(h.Extensions, 41) {
			return nil, errors.New("cannot cope")
		}
		return nil, nil
	}
	addr := tlsServer(t, server)
	store := new(memoryStore)
	o := TLSOptions{ServerName: "localhost", PEM: ca.PEM(), Server: addr, Sessions: store}
	for i := range 3 {
		resumed, err := connectTLS(t, addr, o)
		var again *ResumptionError
		if resumed || (err != nil) != (i == 1) || i == 1 && !errors.As(err, &again) {
			t.Errorf("connection %d: %v %v", i+1, resumed, err)
		}
	}
}

// FuzzSessions: whatever is saved, no session is used that is not one.
func FuzzSessions(f *testing.F) {
	f.Add([]byte(`[{"At":1,"Ticket":"AA==","State":"AA==","Chain":["AA=="]}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		store := &memoryStore{data: map[string][]byte{"id": data}}
		c := &sessionCache{id: "id", store: store, verify: func(tls.ConnectionState) error { return nil }, now: func() time.Time { return time.Unix(1, 0) }}
		for range maxSessions + 1 {
			if s := c.take(); s == nil {
				return
			}
		}
		t.Error("more sessions than there can be")
	})
}
