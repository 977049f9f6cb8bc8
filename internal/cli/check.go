package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"slices"
	"time"

	"isync/internal/auth"
	"isync/internal/check"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/ui"
)

// check explains the configuration and reports problems.
func (r *run) check(ctx context.Context) int {
	o := check.Options{
		Config: r.cfg, All: r.c.all || len(r.c.names) == 0,
		FS: r.env.FS, Now: r.env.Now,
		Text:    r.checkText,
		Explain: r.checkProblems,
		Command: r.command,
		Line:    r.println,
		Found:   func(f event.Finding) { r.events.Take(f) },
		Verbose: r.c.verbose,
		Windows: r.env.Config.Windows,
	}
	if r.env.Config.Home != nil {
		o.Home, _ = r.env.Config.Home("")
	}
	if r.env.Columns != nil {
		o.Columns = min(r.env.Columns(), 100)
	}
	if !r.selectChecked(&o) {
		return exitFailure
	}
	r.begin(event.CommandCheck, o.Channels)
	w := r.workshop()
	o.Open = w.open
	if r.c.online {
		o.Probe = func(ctx context.Context, s *config.Store) check.Server { return w.probe(ctx, s) }
	}
	if !check.Run(ctx, o) {
		return exitFailure
	}
	return exitOK
}

// selectChecked determines the channels and stores that the command line names.
func (r *run) selectChecked(o *check.Options) bool {
	c := *r.c
	if o.All {
		c.all = len(r.cfg.Channels) > 0
		o.Stores = r.cfg.Stores
	}
	c.names = nil
	for _, name := range r.c.names {
		if s := r.cfg.Store(name); s != nil && !o.All && r.cfg.Group(name) == nil && r.cfg.Channel(name) == nil {
			o.Stores = append(o.Stores, s)
			continue
		}
		c.names = append(c.names, name)
	}
	var problems []event.Message
	o.Channels, problems = selectChannels(r.cfg, &c)
	for _, p := range problems {
		r.events.Take(p)
	}
	return len(problems) == 0
}

// checkText returns the text of a fact in the report.
func (r *run) checkText(f event.Fact, about event.Pair) check.Problem {
	text, hint := ui.Text(r.withCommands(f, about))
	return check.Problem{Text: text, Hint: hint, Code: f.Code()}
}

// checkProblems returns the text of an error in the report, with its place.
func (r *run) checkProblems(err error) []check.Problem {
	var out []check.Problem
	for _, p := range r.explain(err) {
		text := p.Text
		if p.Place != (event.Place{}) {
			text += " (" + p.Place.String() + ")"
		}
		problem := check.Problem{Text: text, Hint: p.Hint}
		if p.Fact != nil {
			problem.Code = p.Fact.Code()
		}
		out = append(out, problem)
	}
	return out
}

// probe connects to the server of a store and logs in.
func (w *workshop) probe(ctx context.Context, s *config.Store) (srv check.Server) {
	fail := func(err error) check.Server {
		srv.Err = &store.StoreError{Store: s.Name, Err: err}
		return srv
	}
	o, err := w.client(s)
	if err != nil {
		return fail(err)
	}
	if o.TLS != nil {
		// A certificate that is refused is reported, too.
		o.TLS = o.TLS.Clone()
		verify := o.TLS.VerifyConnection
		o.TLS.VerifyConnection = func(cs tls.ConnectionState) error {
			srv.TLS = &cs
			if verify == nil {
				return nil
			}
			return verify(cs)
		}
	}
	begin := time.Now()
	client, err := w.enter(ctx, s, o)
	if _, late := errors.AsType[*auth.LateError](err); late {
		begin = time.Now()
		client, err = w.enter(ctx, s, o)
	}
	if err != nil {
		return fail(err)
	}
	defer func() { _ = client.Logout(context.WithoutCancel(ctx)) }()
	if len(client.Caps()) == 0 { // as after PREAUTH
		if err := client.Capability(ctx); err != nil {
			return fail(err)
		}
	}
	srv.Took = time.Since(begin)
	srv.LoggedIn = true
	caps := client.Caps()
	srv.Caps = slices.Sorted(maps.Keys(caps))
	srv.Has = caps.Has
	return srv
}

// enter connects to the server of a store and logs in.
func (w *workshop) enter(ctx context.Context, s *config.Store, o imapclient.Options) (*imapclient.Client, error) {
	client, err := imapclient.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	if !client.Preauth() {
		if err := w.login(s)(ctx, client); err != nil {
			_ = client.Logout(context.WithoutCancel(ctx))
			return nil, err
		}
	}
	return client, nil
}
