package oauth

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// requestTimeout is how long a request to a provider may take.
const requestTimeout = 30 * time.Second

// Client is this program, as a provider knows it, and what it wants.
type Client struct {
	Provider string
	ID       string
	// Secret returns the client secret; nil: there is none.
	Secret func(ctx context.Context) (string, error)
	// Tenant is that of Microsoft; "": any. Scope replaces that of the provider.
	Tenant, Scope string
	// Auth, Token and Device are the endpoints of a Custom provider, or else Issuer,
	// which tells them (RFC 8414).
	Auth, Token, Device, Issuer string
	// User is the user whose consent is asked for; "": whoever logs in.
	User string
	// HTTP makes the requests; nil: NewHTTPClient.
	HTTP *http.Client
	// Timeout limits each request; 0: 30 s.
	Timeout time.Duration

	mu    sync.Mutex
	known *endpoints
}

// endpoints are where requests go to.
type endpoints struct {
	auth, token, device string
	// issuer, if not "", must be named in the answer of the browser (RFC 9207).
	issuer string
	style  oauth2.AuthStyle
}

// NewHTTPClient returns an HTTP client for requests with secrets: it follows no redirects.
func NewHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           4,
			IdleConnTimeout:        10 * time.Second,
			TLSHandshakeTimeout:    requestTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
		},
		Timeout: requestTimeout,
		// A token must not be sent to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// http returns the HTTP client.
func (c *Client) http() *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.HTTP == nil {
		c.HTTP = NewHTTPClient()
	}
	return c.HTTP
}

// request returns a context for one request to the provider.
func (c *Client) request(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.Timeout
	if limit == 0 {
		limit = requestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return context.WithValue(ctx, oauth2.HTTPClient, c.http()), cancel
}

// server names the provider in a Grant. It does not need the network.
func (c *Client) server() string {
	if c.Issuer != "" {
		return c.Issuer
	}
	p, err := providerNamed(c.Provider)
	if err != nil {
		return c.Provider
	}
	return p.withTenant(c.Token, p.token, c.Tenant)
}

// Owns reports whether a grant belongs to this client, this provider and, if it is known, this
// user. The tokens of another grant must not be sent: an account of another configuration file
// may have the same name, and so the same store.
func (c *Client) Owns(g *Grant) bool {
	sameUser := g.User == "" || c.User == "" || strings.EqualFold(g.User, c.User)
	return g.Provider == c.Provider && g.Client == c.ID && g.Server == c.server() && sameUser
}

// withTenant returns an address, or the one of the table with the tenant.
func (p *provider) withTenant(given, usual, tenant string) string {
	if given != "" {
		return given
	}
	if tenant == "" {
		tenant = tenantDefault
	}
	return strings.Replace(usual, "TENANT", url.PathEscape(tenant), 1)
}

// endpoints returns where requests go to. It may ask the issuer.
func (c *Client) endpoints(ctx context.Context) (*endpoints, error) {
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	p, err := providerNamed(c.Provider)
	if err != nil {
		return nil, err
	}
	e := &endpoints{style: oauth2.AuthStyleInParams}
	if c.Issuer != "" {
		if e, err = c.discover(ctx); err != nil {
			return nil, err
		}
	}
	e.auth = p.withTenant(c.Auth, cmp(e.auth, p.auth), c.Tenant)
	e.token = p.withTenant(c.Token, cmp(e.token, p.token), c.Tenant)
	e.device = p.withTenant(c.Device, cmp(e.device, p.device), c.Tenant)
	for _, address := range []string{e.auth, e.token, e.device} {
		if address == "" {
			continue
		}
		if err := CheckURL(address); err != nil {
			return nil, err
		}
	}
	if e.token == "" {
		return nil, fmt.Errorf("%s names no token endpoint", hostOf(c.Issuer))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = e
	return e, nil
}

func cmp(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// metadata is what an issuer tells of itself (RFC 8414 §2).
type metadata struct {
	Issuer  string   `json:"issuer"`
	Auth    string   `json:"authorization_endpoint"`
	Token   string   `json:"token_endpoint"`
	Device  string   `json:"device_authorization_endpoint"`
	Methods []string `json:"token_endpoint_auth_methods_supported"`
	// Names: the answer of the browser holds the issuer (RFC 9207).
	Names bool `json:"authorization_response_iss_parameter_supported"`
}

// maxMetadata limits the metadata of an issuer, in bytes.
const maxMetadata = 1 << 20

// wellKnown returns where the metadata of an issuer may be: as in RFC 8414, and as in OpenID
// Connect Discovery.
func wellKnown(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	base := u.Scheme + "://" + u.Host
	return []string{
		base + "/.well-known/oauth-authorization-server" + path,
		base + path + "/.well-known/openid-configuration",
	}, nil
}

// discover asks the issuer for its endpoints.
func (c *Client) discover(ctx context.Context) (*endpoints, error) {
	if err := CheckURL(c.Issuer); err != nil {
		return nil, err
	}
	places, err := wellKnown(c.Issuer)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, place := range places {
		m, err := c.metadata(ctx, place)
		if err != nil {
			if failed == nil || err.Status != http.StatusNotFound {
				failed = err
			}
			if err.Status == 0 {
				break // the other place is on the same server
			}
			continue
		}
		if strings.TrimSuffix(m.Issuer, "/") != strings.TrimSuffix(c.Issuer, "/") {
			return nil, fmt.Errorf("%s: its issuer is '%s'; OAuthIssuer must be the same", hostOf(place), clean(m.Issuer))
		}
		e := &endpoints{auth: m.Auth, token: m.Token, device: m.Device, style: oauth2.AuthStyleInParams}
		if m.Names {
			e.issuer = m.Issuer
		}
		// Without a list it is Basic (RFC 8414 §2). Of both, parameters are more common.
		if c.Secret != nil && !slices.Contains(m.Methods, "client_secret_post") && (m.Methods == nil || slices.Contains(m.Methods, "client_secret_basic")) {
			e.style = oauth2.AuthStyleInHeader
		}
		return e, nil
	}
	return nil, failed
}

// metadata fetches the metadata of an issuer.
func (c *Client) metadata(ctx context.Context, place string) (*metadata, *RequestError) {
	ctx, cancel := c.request(ctx)
	defer cancel()
	failed := func(status int, err error) *RequestError {
		return &RequestError{Server: hostOf(place), What: "find its endpoints", Status: status, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, failed(0, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http().Do(req)
	if err != nil {
		if e, ok := errors.AsType[*RequestError](requestError(ctx, place, "find its endpoints", err)); ok {
			return nil, e
		}
		return nil, failed(0, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, failed(resp.StatusCode, fmt.Errorf("the answer has status %d", resp.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return nil, failed(0, errors.New("the answer is not complete"))
	}
	m, err := parseMetadata(data)
	if err != nil {
		return nil, failed(resp.StatusCode, err)
	}
	return m, nil
}

// parseMetadata reads the metadata of an issuer.
func parseMetadata(data []byte) (*metadata, error) {
	m := &metadata{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, errors.New("the answer is not JSON")
	}
	return m, nil
}

// config returns the configuration for the library.
func (c *Client) config(ctx context.Context, e *endpoints, scope string) (*oauth2.Config, error) {
	cfg := &oauth2.Config{
		ClientID: c.ID,
		Endpoint: oauth2.Endpoint{AuthURL: e.auth, TokenURL: e.token, DeviceAuthURL: e.device, AuthStyle: e.style},
		Scopes:   strings.Fields(scope),
	}
	if c.Secret != nil {
		secret, err := c.Secret(ctx)
		if err != nil {
			return nil, err
		}
		cfg.ClientSecret = secret
	}
	return cfg, nil
}

// grant makes a Grant of an answer. from is the time of the request.
func (c *Client) grant(t *oauth2.Token, scope string, from time.Time) (*Grant, error) {
	if !isToken(t.AccessToken) || !isToken(t.RefreshToken) {
		return nil, errors.New("the token has characters that a token cannot have")
	}
	g := &Grant{
		Provider: c.Provider, Client: c.ID, Server: c.server(), User: c.User, Scope: scope,
		Access: t.AccessToken, Refresh: t.RefreshToken, Obtained: from.UTC().Truncate(time.Second),
	}
	if !t.Expiry.IsZero() {
		// The library has added the lifetime to the time of the answer.
		g.Expires = from.Add(time.Duration(t.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
		if t.ExpiresIn == 0 {
			g.Expires = t.Expiry.UTC().Truncate(time.Second)
		}
	}
	return g, nil
}
