package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// consentTimeout is how long the user has to answer in the browser.
const consentTimeout = 5 * time.Minute

// Mode is how the user gives consent.
type Mode uint8

// The modes.
const (
	// Browser opens a browser, which returns to this program.
	Browser Mode = iota
	// Paste does not open a browser. The address that the browser shows in the end can
	// be pasted.
	Paste
	// Device shows a code, which the user enters on any device (RFC 8628).
	Device
)

// DeviceCode is what the user needs to authorize a device.
type DeviceCode struct {
	// Visit is the address to visit, and Code what to enter there. Complete is an address
	// that holds the code; "": there is none.
	Visit, Code, Complete string
	Expires               time.Time
}

// Dialog is how Authorize talks to the user.
type Dialog struct {
	// Visit tells the user to visit an address. The browser will return to a port of this
	// computer.
	Visit func(address string, port int)
	// Open opens a browser. nil, or an error: the user has to do it.
	Open func(ctx context.Context, address string) error
	// Paste asks for the address that the browser shows in the end. nil, or ErrNoPaste:
	// it cannot be pasted.
	Paste func(ctx context.Context) (string, error)
	// Code tells the user what to do on another device.
	Code func(DeviceCode)
	// Again tells the user that the account is a personal one, or one of an organization,
	// so that a different consent is needed.
	Again func(personal bool)
}

// ErrNoPaste says that nothing can be pasted.
var ErrNoPaste = errors.New("there is no terminal")

// Errors of an authorization.
var (
	// ErrState: the answer of the browser belongs to another question.
	ErrState = errors.New("the answer of the browser does not belong to this login (wrong state)")
	// ErrIssuer: it comes from another provider.
	ErrIssuer = errors.New("the answer of the browser comes from another provider")
	// ErrNoConsent: the user has not answered in time.
	ErrNoConsent = errors.New("the access was not allowed in time")
	// ErrNoEndpoint: the provider has no page for users.
	ErrNoEndpoint = errors.New("the provider has no address for a login in the browser (OAuthAuthURL); try --device")
	// ErrNoDevice: the provider cannot authorize devices.
	ErrNoDevice = errors.New("the provider does not support --device (use --no-browser)")
)

// RefusedError says that the provider, or the user at the provider, has refused consent.
type RefusedError struct {
	Code, Description string
}

func (e *RefusedError) Error() string {
	text := "the provider refused the access: " + e.Code
	if e.Description != "" {
		text += " (" + e.Description + ")"
	}
	return text
}

// Authorize asks the user for consent, and returns what the provider has granted.
func (c *Client) Authorize(ctx context.Context, mode Mode, d Dialog) (*Grant, error) {
	p, err := providerNamed(c.Provider)
	if err != nil {
		return nil, err
	}
	if mode == Device && p.noDevice != "" {
		return nil, fmt.Errorf("%w: %s", ErrNoDevice, p.noDevice)
	}
	scope := c.Scope
	if scope == "" {
		scope = p.scope
		if c.Provider == Microsoft && (strings.EqualFold(c.Tenant, tenantConsumers) || c.Tenant == tenantPersonal) {
			scope = scopePersonal
		}
	}
	g, tenant, err := c.consent(ctx, mode, d, scope)
	if err != nil || c.Provider != Microsoft || c.Scope != "" || tenant == "" {
		return g, err
	}
	right := scopeOrganisation
	if tenant == tenantPersonal {
		right = scopePersonal
	}
	if right == scope {
		return g, nil
	}
	if d.Again != nil {
		d.Again(tenant == tenantPersonal)
	}
	g, _, err = c.consent(ctx, mode, d, right)
	return g, err
}

// consent asks for consent to a scope. tenant is that of Microsoft, if it is known.
func (c *Client) consent(ctx context.Context, mode Mode, d Dialog, scope string) (g *Grant, tenant string, err error) {
	e, err := c.endpoints(ctx)
	if err != nil {
		return nil, "", err
	}
	cfg, err := c.config(ctx, e, scope)
	if err != nil {
		return nil, "", err
	}
	var from time.Time
	var t *oauth2.Token
	if mode == Device {
		t, from, err = c.device(ctx, cfg, d)
	} else {
		t, from, err = c.browser(ctx, mode, cfg, e, d)
	}
	if err != nil {
		return nil, "", err
	}
	if g, err = c.grant(t, scope, from); err != nil {
		return nil, "", fmt.Errorf("%s: %w", hostOf(e.token), err)
	}
	id, _ := t.Extra("id_token").(string)
	return g, tenantOf(id), nil
}

// tenantOf returns the tenant in an ID token (OpenID Connect Core §2); "": there is none.
// The token comes from the provider itself over TLS, so its signature need not be checked.
func tenantOf(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return ""
	}
	var claims struct {
		Tenant string `json:"tid"`
	}
	if json.Unmarshal(data, &claims) != nil {
		return ""
	}
	return strings.ToLower(claims.Tenant)
}

// browser obtains a token by the authorization code flow (RFC 6749 §4.1, RFC 8252).
func (c *Client) browser(ctx context.Context, mode Mode, cfg *oauth2.Config, e *endpoints, d Dialog) (*oauth2.Token, time.Time, error) {
	var from time.Time
	if e.auth == "" {
		return nil, from, ErrNoEndpoint
	}
	r, err := listenRedirect()
	if err != nil {
		return nil, from, err
	}
	defer r.close()
	cfg.RedirectURL = r.address()
	question := question{state: rand.Text(), issuer: e.issuer}
	verifier := oauth2.GenerateVerifier()
	address := cfg.AuthCodeURL(question.state, c.authParams(verifier)...)

	limited, cancel := context.WithTimeoutCause(ctx, consentTimeout, ErrNoConsent)
	defer cancel()
	if mode == Paste || d.Open == nil || d.Open(limited, address) != nil {
		d.Visit(address, r.port)
	} else {
		d.Paste = nil
	}
	code, err := c.await(limited, r, question, d)
	if err != nil {
		return nil, from, err
	}
	r.close()
	limited, done := c.request(ctx)
	defer done()
	from = time.Now()
	t, err := cfg.Exchange(limited, code, oauth2.VerifierOption(verifier))
	return t, from, requestError(limited, e.token, "exchange the code for a token", err)
}

// authParams returns the parameters of the request for an authorization.
func (c *Client) authParams(verifier string) []oauth2.AuthCodeOption {
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if p, err := providerNamed(c.Provider); err == nil {
		for name, values := range p.params {
			opts = append(opts, oauth2.SetAuthURLParam(name, values[0]))
		}
	}
	if c.User != "" {
		opts = append(opts, oauth2.SetAuthURLParam("login_hint", c.User))
	}
	return opts
}

// await waits until the browser returns, or the address is pasted.
func (c *Client) await(ctx context.Context, r *redirect, q question, d Dialog) (string, error) {
	type answer struct {
		code string
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer, 2)
	pasting := make(chan struct{})
	defer func() {
		cancel()
		<-pasting
	}()
	go func() {
		defer close(pasting)
		if d.Paste == nil {
			return
		}
		text, err := d.Paste(ctx)
		switch {
		case errors.Is(err, ErrNoPaste), ctx.Err() != nil:
			return
		case err != nil:
			answers <- answer{err: err}
			return
		}
		code, err := q.pasted(text)
		answers <- answer{code, err}
	}()
	stop := r.serve(q, func(code string, err error) { answers <- answer{code, err} })
	defer stop()
	select {
	case a := <-answers:
		return a.code, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// question is what an answer of the browser must fit.
type question struct {
	state  string
	issuer string // "": it need not be named
}

// pasted reads the address that the browser shows in the end.
func (q question) pasted(text string) (code string, err error) {
	text = strings.TrimSpace(text)
	_, query, ok := strings.Cut(text, "?")
	if !ok {
		return "", errors.New("this is not the address that the browser shows in the end; it begins with http://localhost")
	}
	query, _, _ = strings.Cut(query, "#")
	// The error would quote the code.
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("this is not the address that the browser shows in the end: it is not complete")
	}
	return q.code(values)
}

// code returns the code of an answer (RFC 6749 §4.1.2).
func (q question) code(v url.Values) (string, error) {
	if subtle.ConstantTimeCompare([]byte(v.Get("state")), []byte(q.state)) != 1 {
		return "", ErrState
	}
	if q.issuer != "" && v.Get("iss") != q.issuer {
		return "", ErrIssuer
	}
	if code := v.Get("error"); code != "" {
		e := &RefusedError{Code: "unknown error", Description: clean(v.Get("error_description"))}
		if isErrorCode(code) {
			e.Code = code
		}
		return "", e
	}
	code := v.Get("code")
	if code == "" {
		return "", errors.New("the answer of the browser has no code")
	}
	return code, nil
}
