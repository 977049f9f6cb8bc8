package config

import (
	"strings"

	"isync/internal/provider"
)

// The keywords that a preset may fill in.
const (
	hostKeyword          = "Host"
	portKeyword          = "Port"
	tlsTypeKeyword       = "TLSType"
	connectionsKeyword   = "Connections"
	pipelineDepthKeyword = "PipelineDepth"
)

// The ports that IANA has assigned to IMAP.
const (
	portIMAP  = 143
	portIMAPS = 993
)

// applyProvider takes the name of a preset. It is applied at the end of the section,
// because keywords in the section take precedence, above or below it.
func (st *stmt) applyProvider(d *draft) {
	p, ok := provider.ByName(st.arg())
	if ok {
		d.account.Provider = p.Name
		return
	}
	e := st.errorf(st.arg(), "unknown provider %s", quote(st.arg()))
	if near := nearest(st.arg(), provider.Names()); near != "" {
		e.Hint = "did you mean " + near + "?"
	} else {
		e.Hint = "write Host, Port and TLSType instead; known providers are: " + strings.Join(provider.Names(), ", ")
	}
}

// applyPreset fills in what the account's provider says and the section does not. With a
// Tunnel, it is the command that knows the server and the kind of connection.
func (d *draft) applyPreset() {
	a := &d.account
	p, ok := provider.ByName(a.Provider)
	if !ok {
		return
	}
	fill := func(keyword string, set func()) {
		if !d.has(keyword) {
			set()
			a.Preset = append(a.Preset, keyword)
		}
	}
	if !d.has("Tunnel") {
		fill(hostKeyword, func() { a.Host = p.HostFor(a.User) })
		d.presetPort(&p, fill)
		if p.Connections > 0 {
			fill(connectionsKeyword, func() { a.Connections = p.Connections })
		}
	}
	// OAuth needs a client ID, and a password takes precedence.
	if p.OAuth != "" && d.has("OAuthClientId") && !d.has(passKeyword) && !d.has("PassCmd") && !a.UseKeychain {
		fill(oauthKeyword, func() { a.OAuth.Provider = p.OAuth })
	}
	if p.PipelineDepth > 0 {
		fill(pipelineDepthKeyword, func() { a.PipelineDepth = p.PipelineDepth })
	}
}

// presetPort fills in Port and TLSType. If one of them is given, and the preset's value of
// the other does not go with it, the usual default applies.
func (d *draft) presetPort(p *provider.Provider, fill func(string, func())) {
	a, typ := &d.account, TLSIMAPS
	if p.TLS == provider.STARTTLS {
		typ = TLSStartTLS
	}
	if !d.has(tlsTypeKeyword) || a.TLS == typ {
		fill(portKeyword, func() { a.Port = p.Port })
	}
	switch a.Port {
	case portIMAPS:
		typ = TLSIMAPS
	case portIMAP:
		typ = TLSStartTLS
	}
	fill(tlsTypeKeyword, func() { a.TLS = typ })
}

// PresetArg returns the value of a keyword in Preset.
func (a *Account) PresetArg(keyword string) string {
	switch keyword {
	case hostKeyword:
		return a.Host
	case portKeyword:
		return itoa(a.Port)
	case tlsTypeKeyword:
		return a.TLS.String()
	case oauthKeyword:
		return a.OAuth.Provider
	case connectionsKeyword:
		return itoa(a.Connections)
	case pipelineDepthKeyword:
		return itoa(a.PipelineDepth)
	}
	return ""
}
