package openid

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// family is the tokens of one consent.
type family struct {
	user, client string
	scopes       []string
	at           time.Time
	revoked      bool
}

// accessToken is one of them. What the client gets is its ID, encrypted.
type accessToken struct {
	family  *family
	expires time.Time
	revoked bool
}

func (t *accessToken) good() bool {
	return t != nil && !t.revoked && !t.family.revoked && time.Now().Before(t.expires)
}

// refreshToken is good once, unless the provider keeps them.
type refreshToken struct {
	family *family
	used   bool
}

// refreshRequest is the library's view of a refresh.
type refreshRequest struct {
	family *family
	scopes []string
}

func (r *refreshRequest) GetAMR() []string                 { return nil }
func (r *refreshRequest) GetAudience() []string            { return []string{r.family.client} }
func (r *refreshRequest) GetAuthTime() time.Time           { return r.family.at }
func (r *refreshRequest) GetClientID() string              { return r.family.client }
func (r *refreshRequest) GetScopes() []string              { return r.scopes }
func (r *refreshRequest) GetSubject() string               { return r.family.user }
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }

// consenting is a request that belongs to a consent.
type consenting interface {
	op.TokenRequest
	GetClientID() string
	GetAuthTime() time.Time
}

// newFamily begins the family of a consent. s.mu is held.
func (s *state) newFamily(r consenting) *family {
	f := &family{user: r.GetSubject(), client: r.GetClientID(), scopes: slices.Clone(r.GetScopes()), at: r.GetAuthTime()}
	s.families = append(s.families, f)
	switch r := r.(type) {
	case *authRequest:
		r.family = f
		s.stats.Codes++
	case *op.DeviceAuthorizationState:
		s.stats.Devices++
	}
	return f
}

// newAccess makes an access token. s.mu is held.
func (s *state) newAccess(f *family) (id string, expires time.Time) {
	id, expires = newID(), time.Now().Add(s.cfg.Lifetime)
	s.access[id] = &accessToken{family: f, expires: expires}
	return id, expires
}

// newRefresh makes a refresh token. s.mu is held.
func (s *state) newRefresh(f *family) string {
	id := newID() + newID()
	s.refresh[id] = &refreshToken{family: f}
	return id
}

// CreateAccessToken implements op.AuthStorage: the client did not ask for a refresh token.
func (s *state) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := r.(consenting)
	if !ok {
		return "", time.Time{}, errors.New("nobody has consented to this")
	}
	if a, ok := r.(*authRequest); ok && a.family != nil {
		a.family.revoked = true
		return "", time.Time{}, oidc.ErrInvalidGrant().WithDescription("the code was used before")
	}
	id, expires := s.newAccess(s.newFamily(c))
	return id, expires, nil
}

// CreateAccessAndRefreshTokens implements op.AuthStorage.
func (s *state) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, current string) (id, refresh string, expires time.Time, err error) {
	if _, ok := r.(*refreshRequest); ok {
		return s.rotate(current)
	}
	c, ok := r.(consenting)
	if !ok {
		return "", "", time.Time{}, errors.New("nobody has consented to this")
	}
	return s.grant(c)
}

// grant gives the first tokens of a consent.
func (s *state) grant(c consenting) (id, refresh string, expires time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := c.(*authRequest); ok && a.family != nil {
		a.family.revoked = true
		return "", "", time.Time{}, oidc.ErrInvalidGrant().WithDescription("the code was used before")
	}
	f := s.newFamily(c)
	id, expires = s.newAccess(f)
	return id, s.newRefresh(f), expires, nil
}

// rotate exchanges a refresh token. If two requests use the same one at the same time, the first
// gets a new one, which the second request revokes.
func (s *state) rotate(current string) (id, refresh string, expires time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.usable(current)
	if err != nil {
		return "", "", time.Time{}, oidc.ErrInvalidGrant().WithParent(err)
	}
	s.stats.Refreshes++
	id, expires = s.newAccess(t.family)
	if s.cfg.KeepRefreshToken {
		return id, "", expires, nil
	}
	t.used = true
	return id, s.newRefresh(t.family), expires, nil
}

// usable returns a refresh token that may be used now. s.mu is held.
func (s *state) usable(token string) (*refreshToken, error) {
	t := s.refresh[token]
	switch {
	case t == nil:
		s.stats.RefusedRefreshes++
		return nil, errors.New("there is no such refresh token")
	case t.family.revoked:
		s.stats.RefusedRefreshes++
		return nil, errors.New("the consent was withdrawn")
	case t.used:
		s.stats.RefusedRefreshes++
		s.stats.Reuses++
		t.family.revoked = true
		return nil, errors.New("the refresh token was used before")
	}
	return t, nil
}

// TokenRequestByRefreshToken implements op.AuthStorage.
func (s *state) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.usable(token)
	if err != nil {
		return nil, err
	}
	return &refreshRequest{family: t.family, scopes: t.family.scopes}, nil
}

// GetRefreshTokenInfo implements op.AuthStorage.
func (s *state) GetRefreshTokenInfo(_ context.Context, clientID, token string) (userID, tokenID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.refresh[token]
	if t == nil || t.family.client != clientID {
		return "", "", op.ErrInvalidRefreshToken
	}
	return t.family.user, token, nil
}

// RevokeToken implements op.AuthStorage. Revoking a refresh token revokes all tokens of the same
// consent (RFC 7009, section 2.1).
func (s *state) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.refresh[token]; t != nil {
		t.family.revoked = true
	}
	if t := s.access[token]; t != nil {
		t.revoked = true
	}
	return nil
}

// TerminateSession implements op.AuthStorage: there are no sessions.
func (s *state) TerminateSession(context.Context, string, string) error { return nil }

// SetUserinfoFromScopes implements op.OPStorage.
func (s *state) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: what an ID token tells.
func (s *state) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info.PreferredUsername, info.Email = r.GetSubject(), r.GetSubject()
	info.Claims = maps.Clone(s.cfg.Claims)
	return nil
}

// SetUserinfoFromToken implements op.OPStorage.
func (s *state) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access[id].good() {
		return oidc.ErrAccessDenied().WithDescription("the token is not good")
	}
	info.Subject, info.PreferredUsername, info.Email = subject, subject, subject
	return nil
}

// SetIntrospectionFromToken implements op.OPStorage.
func (s *state) SetIntrospectionFromToken(_ context.Context, info *oidc.IntrospectionResponse, id, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Introspections++
	t := s.access[id]
	if !t.good() {
		return errors.New("the token is not good")
	}
	info.Subject, info.Username, info.Email = subject, cmp.Or(s.cfg.Mailboxes[subject], subject), subject
	info.ClientID, info.Scope, info.TokenType = t.family.client, t.family.scopes, oidc.BearerToken
	info.Issuer, info.Expiration = s.issuer, oidc.FromTime(t.expires)
	return nil
}

// GetPrivateClaimsFromScopes implements op.OPStorage.
func (s *state) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// Withdraw revokes all tokens of a user.
func (p *Provider) Withdraw(user string) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	for _, f := range p.state.families {
		if f.user == user {
			f.revoked = true
		}
	}
}

// ExpireAccess lets all access tokens expire that were given until now, whatever lifetime the
// clients were told. Refresh tokens stay good.
func (p *Provider) ExpireAccess() {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	for _, t := range p.state.access {
		t.expires = time.Now()
	}
}

// Families returns how many consents of a user are good, and how many were revoked.
func (p *Provider) Families(user string) (good, revoked int) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	for _, f := range p.state.families {
		switch {
		case f.user != user:
		case f.revoked:
			revoked++
		default:
			good++
		}
	}
	return good, revoked
}
