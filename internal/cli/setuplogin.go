package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"isync/internal/config"
	"isync/internal/discover"
	"isync/internal/imapclient"
	"isync/internal/setup"
	"isync/internal/store"
)

// Find implements setup.World.
func (w *setupWorld) Find(ctx context.Context, a discover.Address) (discover.Result, error) {
	o := w.env.Discovery
	o.Offline = o.Offline || w.c.offline
	return discover.Find(ctx, a, o)
}

// trial returns a configuration for the test: only the account, with the password or the client
// secret in memory.
func (w *setupWorld) trial(p *setup.Plan, secret string) (*config.Config, error) {
	trial := *p
	trial.Directory, trial.Patterns, trial.Deletions = "~/Mail", []string{"*"}, setup.KeepAll
	cfg, _, err := config.Parse("the account", []byte(trial.Text()), w.env.Config)
	if err != nil || secret == "" {
		return cfg, err
	}
	a := cfg.Account(p.Name)
	if a.HasOAuth() {
		a.OAuth.ClientSecret, a.OAuth.ClientSecretCmd = config.NewSecret(secret), ""
	} else {
		a.Pass, a.PassCmd, a.UseKeychain = config.NewSecret(secret), "", false
	}
	return cfg, nil
}

// Try implements setup.World. It logs in like a run and lists the mailboxes. It changes nothing,
// and writes nothing to the cache.
func (w *setupWorld) Try(ctx context.Context, p *setup.Plan, secret string) ([]setup.Mailbox, error) {
	cfg, err := w.trial(p, secret)
	if err != nil {
		return nil, err
	}
	w.cfg = cfg
	ws := w.workshop()
	ws.readOnly = true
	s := cfg.Store(p.Remote())
	virtual, err := ws.virtualBoxes(ctx, s)
	if err != nil {
		return nil, &store.StoreError{Store: s.Name, Err: err}
	}
	names, err := ws.listStore(ctx, s)
	if err != nil {
		return nil, err
	}
	boxes := make([]setup.Mailbox, len(names))
	for i, n := range names {
		boxes[i] = setup.Mailbox{Name: n, Virtual: virtual[n]}
	}
	return boxes, nil
}

// virtualBoxes returns the names of the mailboxes that show messages of other mailboxes.
func (w *workshop) virtualBoxes(ctx context.Context, s *config.Store) (map[string]bool, error) {
	o, err := w.client(s)
	if err != nil {
		return nil, err
	}
	client, err := w.enter(ctx, s, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Logout(context.WithoutCancel(ctx)) }()
	if len(client.Caps()) == 0 {
		if err := client.Capability(ctx); err != nil {
			return nil, err
		}
	}
	req := imapclient.ListRequest{Patterns: []string{"*"}}
	if client.Caps().Has("SPECIAL-USE") && client.Caps().Has("LIST-EXTENDED") {
		req.Return = []string{"SPECIAL-USE"}
	}
	entries, err := client.List(ctx, req)
	if err != nil {
		return nil, err
	}
	virtual := make(map[string]bool)
	for i := range entries {
		e := &entries[i]
		if e.HasAttr(`\All`) || e.HasAttr(`\Flagged`) || e.HasAttr(`\Important`) {
			name := e.Name
			if e.Delim != "" && e.Delim != "/" {
				name = strings.ReplaceAll(name, e.Delim, "/")
			}
			virtual[name] = true
		}
	}
	return virtual, nil
}

// Distrusted implements setup.World.
func (w *setupWorld) Distrusted(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unknown || name || invalid
}
