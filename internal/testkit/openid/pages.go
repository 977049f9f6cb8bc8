package openid

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The pages on which a user consents or refuses.
const (
	consentPage = "/consent"
	devicePage  = "/device"
)

var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head><body><h1>{{.Title}}</h1>{{end}}
{{define "consent"}}{{template "head" .}}
<form method="post" action="{{.Action}}">
<p>{{.Client}} asks for: {{.Scopes}}</p>
<input type="hidden" name="id" value="{{.ID}}">
<p><label>User <input name="user" value="{{.User}}"></label></p>
<p><button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button></p>
</form></body></html>
{{end}}
{{define "device"}}{{template "head" .}}
<form method="post" action="{{.Action}}">
<p><label>Code <input name="user_code" value="{{.Code}}"></label></p>
<p><label>User <input name="user" value="{{.User}}"></label></p>
<p><button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button></p>
</form></body></html>
{{end}}
{{define "said"}}{{template "head" .}}</body></html>
{{end}}
`))

// show sends a page.
func show(w http.ResponseWriter, status int, name string, vars map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, vars)
}

// say sends a page with one sentence.
func say(w http.ResponseWriter, status int, text string) {
	show(w, status, "said", map[string]any{"Title": text})
}

// consent asks whether a program may have what it asks for.
func (f *front) consent(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	req, err := f.state.AuthRequestByID(r.Context(), id)
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	switch {
	case r.Method != http.MethodPost:
		user := f.cfg.Users[0]
		if hint := req.(*authRequest).LoginHint; hint != "" {
			user = hint
		}
		show(w, http.StatusOK, "consent", map[string]any{
			"Title": "Consent", "Action": f.state.issuer + consentPage, "ID": id, "User": user,
			"Client": req.GetClientID(), "Scopes": strings.Join(req.GetScopes(), " "),
		})
	case r.FormValue("decision") != "allow":
		op.AuthRequestError(w, r, req, oidc.ErrAccessDenied(), f.provider)
	default:
		if err := f.state.consent(id, r.FormValue("user")); err != nil {
			say(w, http.StatusForbidden, err.Error())
			return
		}
		http.Redirect(w, r, f.state.issuer+string(Authorization)+"/callback?id="+id, http.StatusFound)
	}
}

// device asks whether a device may have what it asks for.
func (f *front) device(w http.ResponseWriter, r *http.Request) {
	code := r.FormValue("user_code")
	if r.Method != http.MethodPost {
		show(w, http.StatusOK, "device", map[string]any{
			"Title": "Device", "Action": f.state.issuer + devicePage, "Code": code, "User": f.cfg.Users[0],
		})
		return
	}
	user := ""
	if r.FormValue("decision") == "allow" {
		user = r.FormValue("user")
	}
	if err := f.state.decide(code, user); err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	say(w, http.StatusOK, "The device was told.")
}
