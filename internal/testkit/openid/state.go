package openid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// state is the state of the provider. It implements op.Storage, op.DeviceAuthorizationStorage and
// op.CanSetUserinfoFromRequest. This file has the part before tokens are issued.
type state struct {
	issuer string
	key    *signingKey

	mu       sync.Mutex
	cfg      Config
	requests map[string]*authRequest // by ID
	codes    map[string]*authRequest // also those that were used
	families []*family
	access   map[string]*accessToken // by ID
	refresh  map[string]*refreshToken
	devices  map[string]*device // by device code
	slow     int                // this many polls are told to slow down
	stats    Stats
}

var (
	_ op.Storage                    = (*state)(nil)
	_ op.DeviceAuthorizationStorage = (*state)(nil)
	_ op.CanSetUserinfoFromRequest  = (*state)(nil)
)

// Stats counts what was asked of the token endpoint.
type Stats struct {
	// Codes and Devices are how often a code or a device's consent was exchanged for tokens.
	Codes, Devices int
	// Refreshes are those that gave a token; RefusedRefreshes did not. Reuses are those of them
	// that came with a refresh token that was used before, for which all tokens were revoked.
	Refreshes, RefusedRefreshes, Reuses int
	// Introspections are how often a mail server asked for a token.
	Introspections int
}

// Stats returns what was counted until now.
func (p *Provider) Stats() Stats {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.stats
}

func newState(cfg Config, issuer string) (*state, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &state{
		cfg: cfg, issuer: issuer, key: &signingKey{private: key},
		requests: map[string]*authRequest{}, codes: map[string]*authRequest{},
		access: map[string]*accessToken{}, refresh: map[string]*refreshToken{}, devices: map[string]*device{},
	}, nil
}

// newID returns a random ID.
func newID() string { return rand.Text() }

func (s *state) hasUser(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.cfg.Users, user)
}

// authRequest is a request for consent.
type authRequest struct {
	oidc.AuthRequest
	id      string
	subject string // who has consented
	done    bool
	at      time.Time
	family  *family // what came of it
}

func (r *authRequest) GetID() string          { return r.id }
func (r *authRequest) GetACR() string         { return "" }
func (r *authRequest) GetAMR() []string       { return nil }
func (r *authRequest) GetAudience() []string  { return []string{r.ClientID} }
func (r *authRequest) GetAuthTime() time.Time { return r.at }
func (r *authRequest) GetClientID() string    { return r.ClientID }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}
func (r *authRequest) GetNonce() string                   { return r.Nonce }
func (r *authRequest) GetRedirectURI() string             { return r.RedirectURI }
func (r *authRequest) GetResponseType() oidc.ResponseType { return r.ResponseType }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *authRequest) GetScopes() []string                { return r.Scopes }
func (r *authRequest) GetState() string                   { return r.State }
func (r *authRequest) GetSubject() string                 { return r.subject }
func (r *authRequest) Done() bool                         { return r.done }

// CreateAuthRequest implements op.AuthStorage. The library leaves it to the client whether
// there is PKCE, and takes any loopback address.
func (s *state) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if u, err := url.Parse(r.RedirectURI); err != nil || u.Hostname() != "localhost" {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription("the redirect must go to http://localhost")
	}
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with code_challenge_method=S256 is required")
	}
	req := &authRequest{AuthRequest: *r, id: newID()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[req.id] = req
	return req, nil
}

// AuthRequestByID implements op.AuthStorage.
func (s *state) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := s.requests[id]
	if req == nil {
		return nil, errors.New("there is no such request")
	}
	seen := *req
	return &seen, nil
}

// consent notes that a user has agreed.
func (s *state) consent(id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := s.requests[id]
	switch {
	case req == nil:
		return errors.New("there is no such request")
	case !slices.Contains(s.cfg.Users, user):
		return fmt.Errorf("there is no user %q", user)
	}
	req.subject, req.done, req.at = user, true, time.Now()
	return nil
}

// SaveAuthCode implements op.AuthStorage.
func (s *state) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := s.requests[id]
	if req == nil {
		return errors.New("there is no such request")
	}
	s.codes[code] = req
	return nil
}

// AuthRequestByCode implements op.AuthStorage. A code is valid once. If it is used again, it may
// have been stolen, so its tokens are revoked (RFC 6749, section 4.1.2).
func (s *state) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	req := s.codes[code]
	if req == nil {
		return nil, errors.New("there is no such code")
	}
	if req.family != nil {
		req.family.revoked = true
		return nil, errors.New("the code was used before")
	}
	return req, nil
}

// DeleteAuthRequest implements op.AuthStorage.
func (s *state) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

// client is a program, or a mail server.
type client struct {
	id, secret string
	server     bool
	login      string
}

func (c *client) GetID() string { return c.id }

// RedirectURIs: the library compares the paths of loopback addresses, not the ports.
func (c *client) RedirectURIs() []string {
	return []string{"http://localhost", "http://localhost/", "http://localhost/callback"}
}
func (c *client) PostLogoutRedirectURIs() []string { return nil }

func (c *client) ApplicationType() op.ApplicationType {
	if c.server {
		return op.ApplicationTypeWeb
	}
	return op.ApplicationTypeNative
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.secret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodPost
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *client) GrantTypes() []oidc.GrantType {
	if c.server {
		return nil
	}
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}

func (c *client) LoginURL(id string) string           { return c.login + "?id=" + url.QueryEscape(id) }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration      { return time.Hour }
func (c *client) DevMode() bool                       { return false }
func (c *client) IsScopeAllowed(string) bool          { return true }

func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { //nolint:staticcheck // the name is the library's
	return func(scopes []string) []string { return scopes }
}

func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *client) ClockSkew() time.Duration             { return 0 }

// GetClientByClientID implements op.OPStorage.
func (s *state) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id {
	case s.cfg.ClientID:
		return &client{id: id, secret: s.cfg.ClientSecret, login: s.issuer + consentPage}, nil
	case mailServer:
		return &client{id: id, secret: mailServerSecret, server: true}, nil
	}
	return nil, oidc.ErrInvalidClient().WithDescription("there is no such client")
}

// AuthorizeClientIDSecret implements op.OPStorage.
func (s *state) AuthorizeClientIDSecret(ctx context.Context, id, secret string) error {
	c, err := s.GetClientByClientID(ctx, id)
	if err != nil {
		return err
	}
	if c.(*client).secret != secret {
		return errors.New("the client's secret is wrong")
	}
	return nil
}

// Health implements op.Storage.
func (s *state) Health(context.Context) error { return nil }

// signingKey signs ID tokens.
type signingKey struct{ private *ecdsa.PrivateKey }

func (k *signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k *signingKey) Key() any                                    { return k.private }
func (k *signingKey) ID() string                                  { return "1" }

// publicKey is what others check signatures with.
type publicKey struct{ *signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.private.PublicKey }

// SigningKey implements op.AuthStorage.
func (s *state) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

// SignatureAlgorithms implements op.AuthStorage.
func (s *state) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

// KeySet implements op.AuthStorage.
func (s *state) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

// GetKeyByIDAndClientID implements op.OPStorage: no client has a key.
func (s *state) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errors.New("the client has no key")
}

// ValidateJWTProfileScopes implements op.OPStorage: no client has a key.
func (s *state) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errors.New("the client has no key")
}
