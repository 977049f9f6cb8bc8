package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// opened is a dialog whose browser is f.
func opened(f func(address string)) Dialog {
	return Dialog{Open: func(_ context.Context, address string) error {
		go f(address)
		return nil
	}}
}

func TestBrowser(t *testing.T) {
	p := newIDP(t)
	c := p.client()
	c.User = "me@example.org"
	done := make(chan string, 1)
	g, err := c.Authorize(t.Context(), Browser, opened(func(address string) {
		u, _ := url.Parse(address)
		q := u.Query()
		if to := q.Get("redirect_uri"); !strings.HasPrefix(to, "http://localhost:") || strings.HasSuffix(to, "/") || q.Get("login_hint") != c.User || q.Get("scope") != "mail" {
			t.Errorf("got %v", q)
		}
		// A browser asks for an icon, too.
		root := q.Get("redirect_uri")
		if status, _ := browse(t, root+"/favicon.ico"); status != http.StatusNotFound {
			t.Errorf("icon: status %d", status)
		}
		if status, _ := browse(t, root+"/"); status != http.StatusNotFound {
			t.Errorf("root: status %d", status)
		}
		_, page := browse(t, address)
		done <- page
	}))
	if err != nil {
		t.Fatal(err)
	}
	if page := <-done; !strings.Contains(page, "You can close this window") {
		t.Errorf("page %s", page)
	}
	if g.Access == "" || g.Refresh == "" || g.Client != "id" || !c.Owns(g) || g.User != c.User {
		t.Errorf("got %v", g)
	}
	if left := time.Until(g.Expires); left < 50*time.Minute || left > time.Hour {
		t.Errorf("expires in %v", left)
	}
	noSecret(t, "grant", g)
	noSecret(t, "grant value", []any{g, struct{ g *Grant }{g}.g})
}

// The parameters of Google.
func TestGoogleParams(t *testing.T) {
	c := &Client{Provider: Google, ID: "id", HTTP: &http.Client{}}
	ctx, cancel := context.WithCancel(t.Context())
	var address string
	_, err := c.Authorize(ctx, Paste, Dialog{Visit: func(a string, _ int) {
		address = a
		cancel()
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	u, _ := url.Parse(address)
	q := u.Query()
	if u.Host != "accounts.google.com" || q.Get("access_type") != "offline" || q.Get("prompt") != "consent" || q.Get("scope") != "https://mail.google.com/" {
		t.Errorf("got %s", address)
	}
	if _, err := c.Authorize(t.Context(), Device, Dialog{}); !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "Google") {
		t.Errorf("device: %v", err)
	}
}

// TestAnswers: wrong answers of the browser end the login.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		want        error
		text        string
	}{
		{"wrong state", "code=x&state=wrong", ErrState, ""},
		{"no state", "code=x", ErrState, ""},
		{"refused", "error=access_denied&error_description=no%1b%5b2J+way&state=STATE", nil, "the provider refused the access: access_denied (no[2J way)"},
		{"odd error", "error=%1b%5b2J+x&state=STATE", nil, "the provider refused the access: unknown error"},
		{"no code", "code=&state=STATE", nil, "the answer of the browser has no code"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newIDP(t)
			done := make(chan struct{})
			_, err := p.client().Authorize(t.Context(), Browser, opened(func(address string) {
				defer close(done)
				u, _ := url.Parse(address)
				q := u.Query()
				status, page := browse(t, q.Get("redirect_uri")+"/?"+strings.ReplaceAll(tt.query, "STATE", q.Get("state")))
				if status != http.StatusBadRequest || !strings.Contains(page, "did not get access") {
					t.Errorf("status %d, %s", status, page)
				}
			}))
			<-done
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || tt.text != "" && err.Error() != tt.text {
				t.Errorf("got %v", err)
			}
			if p.count("authorization_code") > 0 {
				t.Error("a code was sent to the provider")
			}
		})
	}
}

// TestForeignNames: pages of web sites cannot answer by means of a name that leads here.
func TestForeignNames(t *testing.T) {
	r, err := listenRedirect()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	answered := false
	defer r.serve(question{state: "s"}, func(string, error) { answered = true })()
	req, _ := http.NewRequest(http.MethodGet, r.address()+"/?code=c&state=s", nil)
	req.Host = "evil.example:" + strconv.Itoa(r.port)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound || answered {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestPortTaken: a port that another program has for IPv6 is not used.
func TestPortTaken(t *testing.T) {
	six, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	six.Close()
	for range 5 {
		r, err := listenRedirect()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.listeners) != 2 || r.listeners[1].Addr().(*net.TCPAddr).Port != r.port {
			t.Errorf("listens on %v", r.listeners)
		}
		// It is taken now: nobody else can have it.
		for _, host := range []string{"127.0.0.1", "::1"} {
			if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(r.port))); err == nil {
				l.Close()
				t.Errorf("%s: the port is free", host)
			}
		}
		r.close()
	}
}

func TestPaste(t *testing.T) {
	p := newIDP(t)
	address := make(chan string, 1)
	paste := func(change func(string) string) error {
		_, err := p.client().Authorize(t.Context(), Paste, Dialog{
			Visit: func(a string, port int) {
				if port == 0 {
					t.Error("no port")
				}
				address <- a
			},
			Paste: func(context.Context) (string, error) {
				c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				r, err := c.Get(<-address)
				if err != nil {
					return "", err
				}
				r.Body.Close()
				return change(r.Header.Get("Location")), nil
			},
		})
		if err != nil {
			noSecret(t, "error", err.Error())
		}
		return err
	}
	if err := paste(func(s string) string { return " " + s + "#x\n" }); err != nil {
		t.Error(err)
	}
	if err := paste(func(s string) string { return strings.ReplaceAll(s, "state=", "state=x") }); !errors.Is(err, ErrState) {
		t.Errorf("got %v", err)
	}
	if err := paste(func(string) string { return "hello" }); err == nil {
		t.Error("anything can be pasted")
	}
	if err := paste(func(s string) string { return s + "%" }); err == nil {
		t.Error("an address that is cut off is accepted")
	}
}

func FuzzPasted(f *testing.F) {
	f.Add("http://localhost:1?code=c&state=s")
	f.Add("?error=e&error_description=%ff&state=s")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := question{state: "s"}.pasted(text)
		if (code == "") == (err == nil) {
			t.Errorf("%q, %v", code, err)
		}
		if err != nil && (strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 2000) {
			t.Errorf("%q", err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://h","token_endpoint":"https://h/t"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseMetadata(data); (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}

func FuzzGrant(f *testing.F) {
	f.Add([]byte(`{"version":1,"provider":"google","access_token":"a"}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := decodeGrant(data)
		if err != nil || g == nil {
			return
		}
		again, err := encodeGrant(g)
		if err != nil {
			t.Skip() // a year beyond 9999
		}
		if b, err := decodeGrant(again); err != nil || b.Access != g.Access || b.Refresh != g.Refresh {
			t.Errorf("%v", err)
		}
	})
}

func FuzzIDToken(f *testing.F) {
	f.Add("a.eyJ0aWQiOiJ4In0.b")
	f.Fuzz(func(_ *testing.T, s string) { tenantOf(s) })
}

// idTokenFor makes an ID token of a tenant.
func idTokenFor(tenant string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"`+tenant+`"}`)) + ".sig"
}

// TestTenant: the ID token of Microsoft tells which scope is the right one.
func TestTenant(t *testing.T) {
	for _, tt := range []struct {
		name, configured, tenant, scope string
		scopes                          []string
	}{
		{"work", "", "11111111-2222-3333-4444-555555555555", "", []string{scopeOrganisation}},
		{"personal", "", tenantPersonal, "", []string{scopeOrganisation, scopePersonal}},
		{"consumers", "consumers", tenantPersonal, "", []string{scopePersonal}},
		{"consumers, but work", "consumers", "11111111-2222-3333-4444-555555555555", "", []string{scopePersonal, scopeOrganisation}},
		{"configured", "", tenantPersonal, "mine", []string{"mine"}},
		{"no ID token", "", "", "", []string{scopeOrganisation}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newIDP(t)
			if tt.tenant != "" {
				p.idToken = func(string) string { return idTokenFor(tt.tenant) }
			}
			c := p.client()
			c.Provider, c.Tenant, c.Scope = Microsoft, tt.configured, tt.scope
			var scopes []string
			again := 0
			d := Dialog{
				Open: func(_ context.Context, address string) error {
					u, _ := url.Parse(address)
					scopes = append(scopes, u.Query().Get("scope"))
					go browse(t, address)
					return nil
				},
				Again: func(bool) { again++ },
			}
			g, err := c.Authorize(t.Context(), Browser, d)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(scopes, "|") != strings.Join(tt.scopes, "|") || again != len(tt.scopes)-1 || g.Scope != scopes[len(scopes)-1] {
				t.Errorf("asked for %q, %d times again", scopes, again)
			}
		})
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		pending []string
		want    string
		atLeast time.Duration
	}{
		{"at once", nil, "", 0},
		{"pending", []string{"authorization_pending", "authorization_pending"}, "", 0},
		{"slow down", []string{"slow_down"}, "", 6 * time.Second},
		{"refused", []string{"authorization_pending", "access_denied"}, "the provider refused the access: access_denied", 0},
		{"expired", []string{"expired_token"}, ErrNoConsent.Error(), 0},
		{"broken for a moment", []string{"temporarily_unavailable"}, "", 0},
		{"wrong client", []string{"invalid_client"}, "cannot get the token: invalid_client", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newIDP(t)
			p.pending = tt.pending
			begin := time.Now()
			var shown DeviceCode
			g, err := p.client().Authorize(t.Context(), Device, Dialog{Code: func(c DeviceCode) { shown = c }})
			if tt.want == "" && (err != nil || g.Access == "") || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
				t.Errorf("got %v", err)
			}
			if shown.Code != "ABCD-EFGH" || shown.Visit != "https://h/d" {
				t.Errorf("shown %+v", shown)
			}
			if took := time.Since(begin); took < tt.atLeast {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestDiscovery: the metadata of an issuer are found in either place.
func TestDiscovery(t *testing.T) {
	for _, place := range []string{"/.well-known/oauth-authorization-server/realm", "/realm/.well-known/openid-configuration"} {
		for _, tt := range []struct {
			name, metadata, want string
		}{
			{"good", `{"issuer":"URL/realm","authorization_endpoint":"URL/auth","token_endpoint":"URL/token","device_authorization_endpoint":"URL/device"}`, ""},
			{"another issuer", `{"issuer":"https://evil.example","token_endpoint":"URL/token"}`, "its issuer is 'https://evil.example'"},
			{"not encrypted", `{"issuer":"URL/realm","authorization_endpoint":"URL/auth","token_endpoint":"http://evil.example/token"}`, "is not encrypted"},
			{"no token endpoint", `{"issuer":"URL/realm"}`, "names no token endpoint"},
			{"HTML", `<html>`, "the answer is not JSON"},
		} {
			mux := http.NewServeMux()
			s := httptest.NewServer(mux)
			mux.HandleFunc(place, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(strings.ReplaceAll(tt.metadata, "URL", s.URL)))
			})
			c := &Client{Provider: Custom, ID: "id", Issuer: s.URL + "/realm"}
			e, err := c.endpoints(t.Context())
			switch {
			case tt.want == "" && (err != nil || e.token != s.URL+"/token" || e.device != s.URL+"/device"):
				t.Errorf("%s: %v", place, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%s, %s: %v", place, tt.name, err)
			}
			s.Close()
		}
	}
}

func TestCheckURL(t *testing.T) {
	for address, good := range map[string]bool{
		"https://h/t": true, "http://localhost:1/t": true, "http://127.0.0.9/": true, "http://[::1]:8/": true,
		"http://h/": false, "http://localhost.evil.example/": false, "ftp://h/": false, "https://": false, "https://u:p@h/": false, "h": false, "https://h/#x": false, "": false,
	} {
		if err := CheckURL(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}
