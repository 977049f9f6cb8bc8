package config

import (
	"strings"

	"isync/internal/provider"
)

// The keywords that a preset may set.
const (
	hostKeyword          = "Host"
	portKeyword          = "Port"
	tlsTypeKeyword       = "TLSType"
	connectionsKeyword   = "Connections"
	pipelineDepthKeyword = "PipelineDepth"
)

// The ports assigned by IANA to IMAP.
const (
	portIMAP  = 143
	portIMAPS = 993
)

// applyProvider sets the name of a preset. The preset is applied at the end of the section,
// because all keywords of the section have precedence.
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

// applyPreset sets the values of the account's provider that the section does not set. With a
// Tunnel, the command determines the server and the kind of connection.
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
	// OAuth needs a client ID. A password has precedence.
	if p.OAuth != "" && d.has("OAuthClientId") && !d.has(passKeyword) && !d.has("PassCmd") && !a.UseKeychain {
		fill(oauthKeyword, func() { a.OAuth.Provider = p.OAuth })
	}
	if p.PipelineDepth > 0 {
		fill(pipelineDepthKeyword, func() { a.PipelineDepth = p.PipelineDepth })
	}
}

// presetPort sets Port and TLSType. If the section sets one of them to a value that does not fit
// the preset, the other gets its usual default.
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
