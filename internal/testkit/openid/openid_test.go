package openid

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// program is the OAuth client of these tests, which is not ours.
func program(p *Provider, scopes ...string) (*oauth2.Config, context.Context) {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: "http://localhost:1/", Scopes: scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: p.URL(Authorization), TokenURL: p.URL(Token), DeviceAuthURL: p.URL(Device),
			// Without this the library asks twice for everything that fails, and a device's second
			// poll comes too soon.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}, context.WithValue(context.Background(), oauth2.HTTPClient, p.Client())
}

// errorCode is the error that the provider answered with.
func errorCode(err error) string {
	var e *oauth2.RetrieveError
	if errors.As(err, &e) {
		return e.ErrorCode
	}
	return ""
}

// authorize goes through the authorization code flow.
func authorize(t *testing.T, p *Provider, scopes ...string) *oauth2.Token {
	t.Helper()
	conf, ctx := program(p, scopes...)
	verifier := oauth2.GenerateVerifier()
	to, err := p.Browser().Redirect(conf.AuthCodeURL("some state", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Host != "localhost:1" || u.Query().Get("state") != "some state" {
		t.Fatalf("redirected to %s, %v", to, err)
	}
	tok, err := conf.Exchange(ctx, u.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// active asks as a mail server does.
func active(t *testing.T, p *Provider, token string) bool {
	t.Helper()
	resp, err := http.PostForm(p.IntrospectionURL(), url.Values{"token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Active   bool
		Username string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Active && !slices.Contains(p.cfg.Users, answer.Username) {
		t.Errorf("the token is that of %q", answer.Username)
	}
	return answer.Active
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"public":     {},
		"TLS":        {TLS: true, Path: "/tenant"},
		"secret":     {ClientSecret: "the program's"},
		"claims":     {Claims: map[string]any{"tid": "consumers"}},
		"kept token": {KeepRefreshToken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Start(t, cfg)
			conf, ctx := program(p)
			tok := authorize(t, p, "mail", "offline_access", "openid")
			if tok.TokenType != "Bearer" || tok.RefreshToken == "" || time.Until(tok.Expiry) < 50*time.Minute || tok.Extra("id_token") == nil {
				t.Errorf("got %+v", tok)
			}
			if id, _ := tok.Extra("id_token").(string); len(cfg.Claims) > 0 && !strings.Contains(payload(t, id), `"tid":"consumers"`) {
				t.Errorf("the ID token has no tid: %s", payload(t, id))
			}
			if !active(t, p, tok.AccessToken) || active(t, p, tok.AccessToken+"x") {
				t.Error("a mail server sees it otherwise")
			}
			next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
			if err != nil {
				t.Fatal(err)
			}
			if (next.RefreshToken == tok.RefreshToken) != cfg.KeepRefreshToken || next.AccessToken == tok.AccessToken || !active(t, p, next.AccessToken) {
				t.Errorf("got %+v after %+v", next, tok)
			}
			for _, secret := range []string{tok.AccessToken, tok.RefreshToken, next.AccessToken, next.RefreshToken} {
				if !slices.Contains(p.Secrets(), secret) {
					t.Errorf("%q is not among the secrets", secret)
				}
			}
			if got := p.Stats(); got.Codes != 1 || got.Refreshes != 1 || got.RefusedRefreshes != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// payload is what an ID token says.
func payload(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	return decode(t, parts[1])
}

// A refresh token and an ID token are issued only if they are requested.
func TestOnlyWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{})
	if tok := authorize(t, p, "mail"); tok.RefreshToken != "" || tok.Extra("id_token") != nil {
		t.Errorf("got %+v", tok)
	}
	conf, ctx := program(p, "https://mail.example.com/")
	verifier := oauth2.GenerateVerifier()
	to, err := p.Browser().Redirect(conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.AccessTypeOffline))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	tok, err := conf.Exchange(ctx, u.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil || tok.RefreshToken == "" {
		t.Errorf("with access_type=offline: %+v, %v", tok, err)
	}
}

// The provider refuses invalid requests.
func TestStrict(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{Users: []string{"ann", "bob"}, ClientSecret: "the program's"})
	conf, ctx := program(p, "mail")
	verifier := oauth2.GenerateVerifier()
	challenge := oauth2.S256ChallengeOption(verifier)
	good := conf.AuthCodeURL("s", challenge)
	for name, c := range map[string]struct {
		url  string
		b    Browser
		want string
	}{
		"no PKCE":      {url: conf.AuthCodeURL("s"), want: "error=invalid_request"},
		"plain PKCE":   {url: conf.AuthCodeURL("s", oauth2.SetAuthURLParam("code_challenge", "x"), oauth2.SetAuthURLParam("code_challenge_method", "plain")), want: "error=invalid_request"},
		"refused":      {url: good, b: Browser{Refuse: true}, want: "error=access_denied"},
		"unknown user": {url: good, b: Browser{User: "eve"}, want: "status 403"},
		"127.0.0.1":    {url: strings.ReplaceAll(good, "localhost", "127.0.0.1"), want: "status 400"},
		"elsewhere":    {url: strings.ReplaceAll(good, "localhost", "example.com"), want: "status 400"},
		"other client": {url: strings.ReplaceAll(good, ClientID, "another"), want: "status 400"},
	} {
		c.b.provider = p
		to, err := c.b.Redirect(c.url)
		if err != nil {
			to = err.Error()
		}
		if !strings.Contains(to, c.want) {
			t.Errorf("%s: got %s, want %s", name, to, c.want)
		}
	}
	code := func() string {
		to, err := (&Browser{provider: p, User: "bob"}).Redirect(good)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(to)
		return u.Query().Get("code")
	}
	if _, err := conf.Exchange(ctx, code(), oauth2.VerifierOption(oauth2.GenerateVerifier())); errorCode(err) != "invalid_grant" {
		t.Errorf("another verifier: %v", err)
	}
	if _, err := conf.Exchange(ctx, code()); errorCode(err) != "invalid_request" {
		t.Errorf("no verifier: %v", err)
	}
	wrong := *conf
	wrong.ClientSecret = "wrong"
	if _, err := wrong.Exchange(ctx, code(), oauth2.VerifierOption(verifier)); errorCode(err) != "invalid_client" {
		t.Errorf("a wrong secret: %v", err)
	}
	once := code()
	tok, err := conf.Exchange(ctx, once, oauth2.VerifierOption(verifier))
	if err != nil || !active(t, p, tok.AccessToken) {
		t.Fatalf("%+v, %v", tok, err)
	}
	if _, err := conf.Exchange(ctx, once, oauth2.VerifierOption(verifier)); errorCode(err) != "invalid_grant" {
		t.Errorf("a code twice: %v", err)
	}
	if active(t, p, tok.AccessToken) {
		t.Error("what a code gave that was used twice is still good")
	}
}

// A refresh token that is used twice revokes everything, also when both come at once.
func TestReuse(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{})
	conf, ctx := program(p)
	refresh := func(token string) (*oauth2.Token, error) {
		return conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	}
	other := p.Consent(t, "user", "mail")
	first := p.Consent(t, "user", "mail")
	second, err := refresh(first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(first.Refresh); errorCode(err) != "invalid_grant" {
		t.Errorf("used again: %v", err)
	}
	if _, err := refresh(second.RefreshToken); errorCode(err) != "invalid_grant" {
		t.Errorf("the family lives: %v", err)
	}
	if active(t, p, first.Access) || active(t, p, second.AccessToken) || !active(t, p, other.Access) {
		t.Error("the wrong tokens are good")
	}
	if got := p.Stats(); got.Refreshes != 1 || got.RefusedRefreshes < 2 || got.Reuses < 1 {
		t.Errorf("%+v", got)
	}
	if good, revoked := p.Families("user"); good != 1 || revoked != 1 {
		t.Errorf("%d consents are good, %d revoked", good, revoked)
	}

	var wg sync.WaitGroup
	failed := make(chan error, 4)
	for range cap(failed) {
		wg.Go(func() {
			_, err := refresh(other.Refresh)
			failed <- err
		})
	}
	wg.Wait()
	close(failed)
	good := 0
	for err := range failed {
		if err == nil {
			good++
		} else if errorCode(err) != "invalid_grant" {
			t.Error(err)
		}
	}
	if _, revoked := p.Families("user"); good != 1 || revoked != 2 {
		t.Errorf("of four at once %d succeeded, %d families were revoked", good, revoked)
	}
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{Lifetime: time.Hour, Users: []string{"ann", "bob"}})
	revoke := func(token string) {
		resp, err := p.Client().PostForm(p.URL(Revocation), url.Values{"token": {token}, "client_id": {ClientID}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("revocation: %s", resp.Status)
		}
	}
	conf, ctx := program(p)
	tok := p.Consent(t, "ann", "mail")
	revoke(tok.Access)
	if active(t, p, tok.Access) {
		t.Error("a revoked access token is good")
	}
	next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.Refresh}).Token()
	if err != nil || !active(t, p, next.AccessToken) {
		t.Fatalf("%+v, %v", next, err)
	}
	revoke(next.RefreshToken)
	if active(t, p, next.AccessToken) {
		t.Error("an access token is good whose refresh token was revoked")
	}

	ann, bob := p.Consent(t, "ann"), p.Consent(t, "bob")
	p.Withdraw("ann")
	if active(t, p, ann.Access) || !active(t, p, bob.Access) {
		t.Error("the wrong consent was withdrawn")
	}
	if _, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: ann.Refresh}).Token(); errorCode(err) != "invalid_grant" {
		t.Errorf("withdrawn: %v", err)
	}
	p.ExpireAccess()
	p.SetLifetime(300 * time.Millisecond)
	if active(t, p, bob.Access) {
		t.Error("an expired token is good")
	}
	next, err = conf.TokenSource(ctx, &oauth2.Token{RefreshToken: bob.Refresh}).Token()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	if active(t, p, next.AccessToken) {
		t.Error("the lifetime is ignored")
	}
}

func TestUserInfoAndDiscovery(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{TLS: true, Path: "/tenant"})
	get := func(address, token string) (status int, answer map[string]any) {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := p.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		_ = json.Unmarshal(data, &answer)
		return resp.StatusCode, answer
	}
	tok := p.Consent(t, "user", "mail")
	if status, answer := get(p.URL(UserInfo), tok.Access); status != http.StatusOK || answer["email"] != "user" {
		t.Errorf("%d %v", status, answer)
	}
	p.Withdraw("user")
	if status, _ := get(p.URL(UserInfo), tok.Access); status == http.StatusOK {
		t.Error("userinfo of a withdrawn consent")
	}
	for _, e := range []Endpoint{Discovery, Metadata} {
		status, answer := get(p.URL(e), "")
		if status != http.StatusOK || answer["issuer"] != p.Issuer || answer["token_endpoint"] != p.URL(Token) ||
			answer["authorization_endpoint"] != p.URL(Authorization) || answer["device_authorization_endpoint"] != p.URL(Device) {
			t.Errorf("%s: %d %v", p.URL(e), status, answer)
		}
	}
	if !strings.HasSuffix(p.URL(Metadata), "/.well-known/oauth-authorization-server/tenant") {
		t.Error(p.URL(Metadata))
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{"public": "", "secret": "the program's"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := Start(t, Config{ClientSecret: secret})
			conf, ctx := program(p, "mail", "offline_access")
			begin := func() *oauth2.DeviceAuthResponse {
				t.Helper()
				dev, err := conf.DeviceAuth(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if dev.Interval != 1 || time.Until(dev.Expiry) < 5*time.Minute || dev.VerificationURI != p.Issuer+"/device" {
					t.Errorf("%+v", dev)
				}
				return dev
			}
			dev := begin()
			if !slices.Equal(p.UserCodes(), []string{dev.UserCode}) {
				t.Errorf("devices %q wait", p.UserCodes())
			}
			// Pending first: the person is slower than the program.
			go func() {
				for len(p.Polls(dev.UserCode)) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				page, err := p.Browser().Device(dev.VerificationURI, strings.ToLower(strings.ReplaceAll(dev.UserCode, "-", "")))
				if err != nil || page.Status != http.StatusOK {
					t.Errorf("%+v, %v", page, err)
				}
			}()
			tok, err := conf.DeviceAccessToken(ctx, dev)
			if err != nil || tok.RefreshToken == "" || !active(t, p, tok.AccessToken) {
				t.Fatalf("%+v, %v", tok, err)
			}
			if n := len(p.Polls(dev.UserCode)); n < 2 {
				t.Errorf("polled %d times", n)
			}
			if _, err := conf.DeviceAccessToken(ctx, dev); err == nil {
				t.Error("a device code was good twice")
			}

			dev = begin()
			page, err := (&Browser{provider: p, Refuse: true}).Visit(dev.VerificationURIComplete)
			if err != nil || page.Status != http.StatusOK {
				t.Errorf("%+v, %v", page, err)
			}
			if _, err := conf.DeviceAccessToken(ctx, dev); errorCode(err) != "access_denied" {
				t.Errorf("refused: %v", err)
			}
			dev = begin()
			p.ExpireDevices()
			if _, err := conf.DeviceAccessToken(ctx, dev); errorCode(err) != "expired_token" {
				t.Errorf("expired: %v", err)
			}
			if secret != "" {
				conf.ClientSecret = "wrong"
				dev = begin()
				p.Admit(t, dev.UserCode, "user")
				if _, err := conf.DeviceAccessToken(ctx, dev); errorCode(err) != "invalid_client" {
					t.Errorf("a wrong secret: %v", err)
				}
			}
		})
	}
}

// A device that polls too often gets slow_down, and so does each device after SlowDown.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{})
	conf, ctx := program(p, "mail")
	dev, err := conf.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	poll := func() string {
		resp, err := p.Client().PostForm(p.URL(Token), url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {dev.DeviceCode}, "client_id": {ClientID},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return answer.Error
	}
	if got := poll(); got != "authorization_pending" {
		t.Errorf("first: %s", got)
	}
	// Between these there may be less than half a second, however busy the machine is.
	got := ""
	for range 20 {
		if got = poll(); got == "slow_down" {
			break
		}
	}
	if got != "slow_down" {
		t.Errorf("too fast: %s", got)
	}
	if dev, err = conf.DeviceAuth(ctx); err != nil {
		t.Fatal(err)
	}
	p.SlowDown(1)
	if got := poll(); got != "slow_down" {
		t.Errorf("told to slow down: %s", got)
	}
}

// Each fault has its effect on the client, and ends.
func TestFaults(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{TLS: true})
	refresh := func(token string) (status int, typ, body string, err error) {
		resp, err := p.Client().PostForm(p.URL(Token), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {ClientID}})
		if err != nil {
			return 0, "", "", err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(data), err
	}
	for name, c := range map[string]struct {
		fault  Fault
		status int
		has    string // in type and body
		lacks  string
		valid  bool // JSON
		used   bool // the refresh token
	}{
		"none":       {Fault{}, 200, `"expires_in":3`, "id_token", true, true},
		"dropped":    {Fault{Drop: true}, 0, "", "", false, false},
		"lost":       {Fault{Lose: true}, 0, "", "", false, true},
		"HTML 200":   {HTML(200), 200, "text/html", "access_token", false, false},
		"HTML 502":   {HTML(502), 502, "<h1>", "access_token", false, false},
		"failure":    {Failure(503), 503, "Service Unavailable", "access_token", false, false},
		"refusal":    {Refusal("invalid_grant"), 400, `"error":"invalid_grant"`, "", true, false},
		"malformed":  {Malformed(), 200, `"access_token":"`, "}", false, true},
		"no expiry":  {Without("expires_in"), 200, "access_token", "expires_in", true, true},
		"no type":    {Without("token_type"), 200, "access_token", "token_type", true, true},
		"quoted":     {Quoted("expires_in"), 200, `"expires_in":"3`, "", true, true},
		"slow":       {Slow(50 * time.Millisecond), 200, "access_token", "", true, true},
		"no refresh": {Without("refresh_token"), 200, "access_token", "refresh_token", true, true},
	} {
		tok := p.Consent(t, "user")
		p.Fail(Token, 1, c.fault)
		status, typ, body, err := refresh(tok.Refresh)
		said := typ + "\n" + body
		if status != c.status || (err == nil) != (c.status != 0) || !strings.Contains(said, c.has) ||
			c.lacks != "" && strings.Contains(body, c.lacks) || json.Valid([]byte(body)) != c.valid {
			t.Errorf("%s: %d %q, %v", name, status, said, err)
		}
		if status, _, body, err = refresh(tok.Refresh); (status == 200) == c.used || err != nil {
			t.Errorf("%s, then: %d %q, %v", name, status, body, err)
		}
	}

	mend := p.Fail(Token, 0, Failure(500))
	tok := p.Consent(t, "user")
	for range 3 {
		if status, _, _, _ := refresh(tok.Refresh); status != 500 {
			t.Errorf("status %d", status)
		}
	}
	mend()
	p.Stop()
	if _, _, _, err := refresh(tok.Refresh); err == nil {
		t.Error("a stopped provider answers")
	}
	if !active(t, p, tok.Access) {
		t.Error("a mail server cannot ask a stopped provider")
	}
	p.Restart(t)
	if status, _, body, err := refresh(tok.Refresh); status != 200 {
		t.Errorf("started again: %d %s, %v", status, body, err)
	}
}

// A program opens a URL in the browser of the desktop, which ends at the program.
func TestDesktop(t *testing.T) {
	t.Parallel()
	p := Start(t, Config{})
	conf, _ := program(p, "mail")
	got := make(chan string, 1)
	conf.RedirectURL = listenOnce(t, got)
	d := p.Browser().Desktop(t)
	openWith(t, d, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	select {
	case v := <-d.Pages:
		if v.Err != nil || v.Page.Body != "Done." || v.Page.Status != http.StatusOK {
			t.Errorf("%+v", v)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was opened")
	}
	if q := <-got; !strings.Contains(q, "code=") || !strings.Contains(q, "state=s") {
		t.Errorf("the program got %q", q)
	}
}
