package openid

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"isync/internal/testkit"
)

// The client that asks for tokens, unless Config has another one, and the mail server, which asks
// whether they are good.
const (
	ClientID         = "mail-program"
	mailServer       = "mail-server"
	mailServerSecret = "server-secret" //nolint:gosec // of a server that lives as long as a test
)

// Endpoint is the path of one of the provider's services, below its issuer.
type Endpoint string

// What can be asked of the provider.
const (
	Authorization Endpoint = "/authorize"
	Token         Endpoint = "/oauth/token"
	Device        Endpoint = "/device_authorization"
	Introspection Endpoint = "/oauth/introspect"
	Revocation    Endpoint = "/revoke"
	UserInfo      Endpoint = "/userinfo"
	// Discovery of OpenID Connect, and of OAuth 2.0 (RFC 8414).
	Discovery Endpoint = "/.well-known/openid-configuration"
	Metadata  Endpoint = "/.well-known/oauth-authorization-server"
)

// Config says how a provider is set up. The zero value is a good one with one user, "user", and
// a public client.
type Config struct {
	// TLS: the provider is at https, with a certificate of its CA.
	TLS bool
	// Path is the path of the issuer, such as "/tenant".
	Path string
	// Users can consent; the form has the first one filled in.
	Users []string
	// Mailboxes are those of users that have other names: a mail server is told that a token is
	// good for the mailbox.
	Mailboxes map[string]string
	// ClientID of the program, and its secret. A program without one is a public client.
	ClientID, ClientSecret string
	// Lifetime of access tokens, an hour by default; see SetLifetime.
	Lifetime time.Duration
	// KeepRefreshToken: a refresh gives no new refresh token, and the old one stays good.
	KeepRefreshToken bool
	// Claims are put into ID tokens, such as "tid" for a tenant.
	Claims map[string]any
	// DeviceInterval is how often devices may poll, a second by default, and DeviceLifetime how
	// long they may, ten minutes by default. Both are whole seconds.
	DeviceInterval, DeviceLifetime time.Duration
}

// Provider is a running OpenID provider.
type Provider struct {
	// Issuer is the URL of the provider.
	Issuer string
	// CA has signed its certificate.
	CA *testkit.CA

	cfg   Config
	addr  string
	state *state
	front *front
	tls   *tls.Config

	mu     sync.Mutex
	public *http.Server
	back   *http.Server
	mail   string // the address for mail servers
}

// Start starts a provider that is stopped with the test.
func Start(tb testing.TB, cfg Config) *Provider {
	tb.Helper()
	p := &Provider{cfg: cfg.withDefaults(), CA: testkit.NewCA(tb)}
	listener, err := listen("127.0.0.1:0")
	if err != nil {
		tb.Fatalf("openid: %v", err)
	}
	p.addr = listener.Addr().String()
	scheme := "http"
	if cfg.TLS {
		scheme = "https"
		p.tls = &tls.Config{Certificates: []tls.Certificate{p.CA.Issue(tb, testkit.CertConfig{}).TLS()}}
	}
	p.Issuer = scheme + "://" + p.addr + cfg.Path
	if err := p.furnish(); err != nil {
		listener.Close()
		tb.Fatalf("openid: %v", err)
	}
	p.serve(listener)
	// Mail servers ask at an address of their own, without TLS. It has no faults and goes on
	// when the provider is stopped: a token is good while the provider cannot be reached.
	back, err := listen("127.0.0.1:0")
	if err != nil {
		p.Stop()
		tb.Fatalf("openid: %v", err)
	}
	p.mail = back.Addr().String()
	p.back = newServer(p.front.introspection())
	go func() { _ = p.back.Serve(back) }()
	tb.Cleanup(func() {
		p.Stop()
		p.back.Close()
	})
	return p
}

func (c Config) withDefaults() Config {
	if c.Users == nil {
		c.Users = []string{"user"}
	}
	if c.ClientID == "" {
		c.ClientID = ClientID
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	if c.DeviceInterval == 0 {
		c.DeviceInterval = time.Second
	}
	if c.DeviceLifetime == 0 {
		c.DeviceLifetime = 10 * time.Minute
	}
	return c
}

// furnish makes the provider of the library, with its state and the front.
func (p *Provider) furnish() error {
	var err error
	if p.state, err = newState(p.cfg, p.Issuer); err != nil {
		return err
	}
	conf := &op.Config{
		CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: p.cfg.DeviceLifetime, PollInterval: p.cfg.DeviceInterval,
			UserFormURL: p.Issuer + devicePage, UserCode: op.UserCodeBase20,
		},
	}
	if _, err := rand.Read(conf.CryptoKey[:]); err != nil {
		return err
	}
	provider, err := op.NewProvider(conf, p.state, op.StaticIssuer(p.Issuer), op.WithAllowInsecure(),
		op.WithCustomAuthEndpoint(op.NewEndpoint(string(Authorization))),
		op.WithCustomTokenEndpoint(op.NewEndpoint(string(Token))),
		op.WithCustomDeviceAuthorizationEndpoint(op.NewEndpoint(string(Device))),
		op.WithCustomIntrospectionEndpoint(op.NewEndpoint(string(Introspection))),
		op.WithCustomRevocationEndpoint(op.NewEndpoint(string(Revocation))),
		op.WithCustomUserinfoEndpoint(op.NewEndpoint(string(UserInfo))))
	if err != nil {
		return err
	}
	p.front = newFront(p.cfg, p.state, provider)
	return nil
}

// listen listens on an address. If the port was just closed, it waits a moment.
func listen(addr string) (net.Listener, error) {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// newServer makes a server that logs no errors of clients.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
}

func (p *Provider) serve(l net.Listener) {
	server := newServer(p.front)
	p.mu.Lock()
	p.public = server
	p.mu.Unlock()
	if p.tls != nil {
		l = tls.NewListener(l, p.tls)
	}
	go func() { _ = server.Serve(l) }()
}

// Stop makes the provider unreachable: it closes all connections, and accepts no others. Its
// state stays the same.
func (p *Provider) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.public != nil {
		p.public.Close()
		p.public = nil
	}
}

// Restart makes the provider reachable again, at the same address.
func (p *Provider) Restart(tb testing.TB) {
	tb.Helper()
	p.Stop()
	l, err := listen(p.addr)
	if err != nil {
		tb.Fatalf("openid: %v", err)
	}
	p.serve(l)
}

// URL is where an endpoint is.
func (p *Provider) URL(e Endpoint) string {
	if e == Metadata {
		// RFC 8414, section 3.1: the path of the issuer is behind the well-known one.
		return p.Issuer[:len(p.Issuer)-len(p.cfg.Path)] + string(e) + p.cfg.Path
	}
	return p.Issuer + string(e)
}

// IntrospectionURL is where a mail server asks whether a token is good. It contains the
// credentials of the mail server.
func (p *Provider) IntrospectionURL() string {
	u := url.URL{Scheme: "http", User: url.UserPassword(mailServer, mailServerSecret), Host: p.mail, Path: p.cfg.Path + string(Introspection)}
	return u.String()
}

// OAuth is the configuration with which Dovecot accepts the tokens of this provider.
func (p *Provider) OAuth() *testkit.DovecotOAuth {
	return &testkit.DovecotOAuth{IntrospectionURL: p.IntrospectionURL(), ConfigurationURL: p.URL(Discovery)}
}

// Client returns an HTTP client that trusts the provider.
func (p *Provider) Client() *http.Client {
	return &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.CA.Pool()}, DisableKeepAlives: true},
	}
}

// SetLifetime sets the lifetime of access tokens that are given from now on.
func (p *Provider) SetLifetime(d time.Duration) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	p.state.cfg.Lifetime = d
}

// Secrets returns all secrets that the provider has sent or received: tokens, codes, verifiers and
// the client secret.
func (p *Provider) Secrets() []string { return p.front.known() }

// Tokens is what a consent gave.
type Tokens struct {
	Access, Refresh string
	Expires         time.Time
}

// Consent consents for a user, as if the program had asked and the user had agreed, and returns the
// tokens.
func (p *Provider) Consent(tb testing.TB, user string, scopes ...string) Tokens {
	tb.Helper()
	id, refresh, expires, err := p.state.grant(&authRequest{
		AuthRequest: oidc.AuthRequest{ClientID: p.cfg.ClientID, Scopes: append([]string{oidc.ScopeOfflineAccess}, scopes...)},
		subject:     user,
	})
	if err == nil && !p.state.hasUser(user) {
		err = errors.New("there is no user " + user)
	}
	var access string
	if err == nil {
		access, err = op.CreateBearerToken(id, user, p.front.provider.Crypto())
	}
	if err != nil {
		tb.Fatalf("openid: %v", err)
	}
	p.front.remember(access, refresh)
	return Tokens{Access: access, Refresh: refresh, Expires: expires}
}
