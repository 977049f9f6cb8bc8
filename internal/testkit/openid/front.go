package openid

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// front receives the requests: it shows the pages, lets endpoints fail, notes what is secret, and
// hands the rest to the library.
type front struct {
	cfg      Config
	state    *state
	provider *op.Provider
	inner    http.Handler

	mu      sync.Mutex
	faults  []*fault
	secrets map[string]bool
}

func newFront(cfg Config, s *state, provider *op.Provider) *front {
	f := &front{cfg: cfg, state: s, provider: provider, secrets: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc(consentPage, f.consent)
	mux.HandleFunc(devicePage, f.device)
	mux.HandleFunc(string(Authorization), f.authorize)
	mux.HandleFunc(string(Token), f.token)
	mux.Handle("/", provider)
	f.inner = mux
	return f
}

// introspection serves mail servers.
func (f *front) introspection() http.Handler { return http.StripPrefix(f.cfg.Path, f.inner) }

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint := Endpoint(strings.TrimPrefix(r.URL.Path, f.cfg.Path))
	switch {
	case r.URL.Path == string(Metadata)+f.cfg.Path:
		// The library has this document only under the name of OpenID Connect.
		endpoint = Metadata
		r.URL.Path = string(Discovery)
	case !strings.HasPrefix(r.URL.Path, f.cfg.Path+"/"):
		http.NotFound(w, r)
		return
	default:
		r.URL.Path = string(endpoint)
	}
	r.URL.RawPath = ""
	// A fault that has the request carried out wants to see what comes of it.
	f.note(r)
	if flt := f.next(endpoint); flt != nil {
		flt.serve(w, r, f.noting())
		return
	}
	f.noting().ServeHTTP(w, r)
}

// noting hands requests on, and notes the secrets in the answers.
func (f *front) noting() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		f.inner.ServeHTTP(rec, r)
		if to, err := url.Parse(rec.Header().Get("Location")); err == nil {
			f.remember(to.Query().Get("code"))
		}
		var answer map[string]any
		if json.Unmarshal(rec.Body.Bytes(), &answer) == nil {
			for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
				if text, ok := answer[name].(string); ok {
					f.remember(text)
				}
			}
		}
		reply(w, rec)
	})
}

// reply sends an answer that was held back.
func reply(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// note notes the secrets in a request.
func (f *front) note(r *http.Request) {
	if r.Method == http.MethodPost && r.ParseForm() == nil {
		f.remember(r.PostForm.Get("code_verifier"), r.PostForm.Get("client_secret"))
	}
}

func (f *front) remember(secrets ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range secrets {
		if s != "" {
			f.secrets[s] = true
		}
	}
}

func (f *front) known() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Sorted(maps.Keys(f.secrets))
	if f.cfg.ClientSecret != "" && !f.secrets[f.cfg.ClientSecret] {
		all = append(all, f.cfg.ClientSecret)
	}
	return all
}

// authorize translates what Google calls access_type=offline, which the library does not know.
func (f *front) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("access_type") == "offline" {
		q.Set("scope", strings.TrimSpace(q.Get("scope")+" "+oidc.ScopeOfflineAccess))
		r.URL.RawQuery = q.Encode()
	}
	f.provider.ServeHTTP(w, r)
}

// token lets the library answer, but for two things: it refuses a device whose program has a
// secret, which several providers give to programs, too; and it always sends an ID token.
func (f *front) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.PostForm.Get("grant_type") == string(oidc.GrantTypeDeviceCode) && f.cfg.ClientSecret != "" {
		id, secret, ok := r.BasicAuth()
		if !ok {
			id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
		}
		if err := f.state.AuthorizeClientIDSecret(r.Context(), id, secret); err != nil {
			op.RequestError(w, r, oidc.ErrInvalidClient().WithParent(err), nil)
			return
		}
		r.Header.Del("Authorization")
		r.Form.Set("client_id", id)
		r.PostForm.Set("client_id", id)
	}
	rec := httptest.NewRecorder()
	f.provider.ServeHTTP(rec, r)
	edit(rec, func(answer map[string]any) {
		scope, _ := answer["scope"].(string)
		if !slices.Contains(strings.Fields(scope), oidc.ScopeOpenID) {
			delete(answer, "id_token")
		}
	})
	reply(w, rec)
}

// edit changes an answer that was held back, if it is a good one and an object of JSON.
func edit(rec *httptest.ResponseRecorder, change func(map[string]any)) {
	var answer map[string]any
	dec := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
	dec.UseNumber()
	if rec.Code != http.StatusOK || dec.Decode(&answer) != nil {
		return
	}
	change(answer)
	data, err := json.Marshal(answer)
	if err != nil {
		return
	}
	rec.Body.Reset()
	rec.Body.Write(data)
	rec.Header().Del("Content-Length")
}
