package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// idp is a provider whose refresh tokens can be used once: using one twice revokes all
// tokens that come from the same consent.
type idp struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	n        int
	codes    map[string]string // code challenges by code
	valid    map[string]int    // families by refresh token
	used     map[string]int
	revoked  []int
	requests []url.Values // to the token endpoint
	lifetime int          // of access tokens, in seconds
	idToken  func(scope string) string
	// answer, if not nil, replaces the answer of the token endpoint; it returns false to
	// give the usual one.
	answer func(w http.ResponseWriter, v url.Values) bool
	// pending is how many polls of a device get an error, by code.
	pending []string
	device  string
	scope   string // of the last authorization
}

func newIDP(t *testing.T) *idp {
	p := &idp{t: t, codes: map[string]string{}, valid: map[string]int{}, used: map[string]int{}, lifetime: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("/auth", p.auth)
	mux.HandleFunc("/token", p.token)
	mux.HandleFunc("/device", p.deviceCode)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// secretMark is in everything that must not be shown.
const secretMark = "s3cr3t"

func (p *idp) next(kind string) string {
	p.n++
	return fmt.Sprintf("%s-%s-%d", kind, secretMark, p.n)
}

// auth answers the browser: the user consents at once.
func (p *idp) auth(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("client_id") == "" {
		p.t.Errorf("authorization request %v", q)
	}
	code := p.next("code")
	p.codes[code], p.scope = q.Get("code_challenge"), q.Get("scope")
	to := q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, to, http.StatusFound)
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	answer := p.answer
	p.requests = append(p.requests, r.PostForm)
	p.mu.Unlock()
	if answer != nil && answer(w, r.PostForm) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v := r.PostForm
	var family int
	switch v.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(v.Get("code_verifier")))
		challenge, ok := p.codes[v.Get("code")]
		if !ok || challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			refuse(w, "invalid_grant", "")
			return
		}
		delete(p.codes, v.Get("code"))
		p.n++
		family = p.n
	case "urn:ietf:params:oauth:grant-type:device_code":
		if v.Get("device_code") != p.device {
			refuse(w, "invalid_grant", "")
			return
		}
		if len(p.pending) > 0 {
			code := p.pending[0]
			p.pending = p.pending[1:]
			refuse(w, code, "")
			return
		}
		p.n++
		family = p.n
	case "refresh_token":
		token := v.Get("refresh_token")
		if f, ok := p.used[token]; ok {
			p.revoked = append(p.revoked, f)
		}
		f, ok := p.valid[token]
		if !ok || slices.Contains(p.revoked, f) {
			refuse(w, "invalid_grant", "Token\x1b[2J has been "+secretMark[:0]+"revoked")
			return
		}
		delete(p.valid, token)
		p.used[token], family = f, f
	default:
		refuse(w, "unsupported_grant_type", "")
		return
	}
	refresh := p.next("refresh")
	p.valid[refresh] = family
	answered := map[string]any{"access_token": p.next("access"), "token_type": "Bearer", "refresh_token": refresh, "expires_in": p.lifetime}
	if p.idToken != nil {
		answered["id_token"] = p.idToken(p.scope)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answered)
}

func (p *idp) deviceCode(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.device = p.next("device")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"device_code": p.device, "user_code": "ABCD-EFGH", "verification_uri": "https://h/d\x1b", "expires_in": 600, "interval": 1,
	})
}

func refuse(w http.ResponseWriter, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

// client returns a client of the provider.
func (p *idp) client() *Client {
	return &Client{Provider: Custom, ID: "id", Auth: p.URL + "/auth", Token: p.URL + "/token", Device: p.URL + "/device", Scope: "mail", Timeout: 20 * time.Second}
}

// count returns how many requests of a kind there were.
func (p *idp) count(grantType string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.requests {
		if v.Get("grant_type") == grantType {
			n++
		}
	}
	return n
}

// issue makes a grant without a browser.
func (p *idp) issue(c *Client, expires time.Duration) *Grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	g := &Grant{
		Provider: c.Provider, Client: c.ID, Server: c.server(), Access: p.next("access"), Refresh: p.next("refresh"),
		Obtained: time.Now().UTC().Truncate(time.Second).Add(-time.Hour), Expires: time.Now().UTC().Truncate(time.Second).Add(expires),
	}
	p.valid[g.Refresh] = p.n
	return g
}

// browse does what a browser does: it follows redirects.
func browse(t *testing.T, address string) (status int, page string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(address)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text)
}

// noSecret fails if a text has something secret.
func noSecret(t *testing.T, what string, v any) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, v); strings.Contains(text, secretMark) || strings.Contains(text, "\x1b") {
			t.Errorf("%s: %q", what, text)
		}
	}
}
