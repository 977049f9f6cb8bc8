package cli

import (
	"fmt"
	"sync/atomic"

	"isync/internal/config"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/transport"
	"isync/internal/ui"
)

// maxTold is the maximum number of alerts and messages that are shown for a store.
const maxTold = 100

// client tells how to connect to the server of a store.
func (w *workshop) client(s *config.Store) (imapclient.Options, error) {
	a := s.IMAP.Account
	var told atomic.Int32
	pass := func(kind, text string) {
		switch n := told.Add(1); {
		case n <= maxTold:
			w.printer.Warn("", fmt.Sprintf("store '%s': %s from the server: %s", s.Name, kind, text))
		case n == maxTold+1:
			w.printer.Warn("", fmt.Sprintf("store '%s': the server sent more than %d alerts and messages; the others are not shown", s.Name, maxTold))
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
				pass("alert", text)
			},
			Notice: func(_ imapwire.Status, _ imapwire.Code, text string) {
				pass("message", text)
			},
			Unknown: func(what string, err error) {
				w.printer.Debugf(ui.DebugNet, "%s: skipped response %s: %v", s.Name, what, err)
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

// maxTraceLine is where lines are cut in a trace without payloads, in bytes.
const maxTraceLine = 200

// traceNet makes the connections of a store show what goes over them.
func (w *workshop) traceNet(name string, h *imapclient.Hooks) {
	if !w.printer.Debugs(ui.DebugNet) {
		return
	}
	h.Trace = func(dir imapclient.Direction, line string) {
		if !w.printer.Debugs(ui.DebugNetAll) && len(line) > maxTraceLine {
			line = fmt.Sprintf("%s... (%d bytes)", line[:maxTraceLine], len(line))
		}
		arrow := ">"
		if dir == imapclient.Received {
			arrow = "<"
		}
		w.printer.Debugf(ui.DebugNet, "%s %s %s", name, arrow, line)
	}
}
