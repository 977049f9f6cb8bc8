package cli

import (
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/transport"
)

// maxTold is the maximum number of alerts and messages of a server that are shown for a store in
// a run.
const maxTold = 100

// client returns the options for connections to the server of a store.
func (w *workshop) client(s *config.Store) (imapclient.Options, error) {
	a := s.IMAP.Account
	told := new(runCounter)
	tell := w.tellOf(s, event.Warning)
	pass := func(f event.Fact) {
		switch n := told.add(w.notes()); {
		case n <= maxTold:
			tell(f)
		case n == maxTold+1:
			tell(event.MoreServerMessages{Most: maxTold})
		}
	}
	o := imapclient.Options{
		Host: a.Host, Port: a.Port,
		Timeout:           a.Timeout,
		PipelineDepth:     a.PipelineDepth,
		DisableExtensions: a.DisableExtensions,
		ID:                []string{"name", "isync", "version", Version()},
		Hooks: imapclient.Hooks{
			Alert: func(text string) {
				pass(event.ServerAlert{Text: text})
			},
			Notice: func(_ imapwire.Status, _ imapwire.Code, text string) {
				pass(event.ServerMessage{Text: text})
			},
			Unknown: func(what string, err error) {
				w.debugf(event.DebugNet, "%s: skipped response %s: %v", s.Name, what, err)
			},
		},
	}
	switch a.Compress {
	case config.Unset:
		o.Compression = imapclient.CompressSlow
	case config.Yes:
		o.Compression = imapclient.CompressAlways
	case config.No:
		o.Compression = imapclient.CompressNever
	}
	if a.HasOAuth() {
		o.IPv4 = func() bool { return w.usesIPv4(a) }
	}
	if a.Tunnel != "" {
		o.Dial = (&transport.Tunnel{Command: a.Tunnel, Stderr: w.env.Stderr}).Dial
	}
	w.traceNet(s.Name, &o.Hooks)
	switch a.TLS {
	case config.TLSNone:
		o.Security = imapclient.PlainText
		return o, nil
	case config.TLSStartTLS:
		o.Security = imapclient.StartTLS
	case config.TLSIMAPS:
		o.Security = imapclient.ImplicitTLS
	}
	var err error
	o.TLS, err = w.tlsConfig(a)
	return o, err
}
