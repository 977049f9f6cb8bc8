package cli

import (
	"context"
	"path/filepath"

	"isync/internal/config"
	"isync/internal/oauth"
	"isync/internal/setup"
)

// OAuthHelp implements setup.World.
func (w *setupWorld) OAuthHelp(provider string) []string { return config.ClientIDHelp(provider) }

// SecretFile implements setup.World.
func (w *setupWorld) SecretFile(p *setup.Plan) (string, error) {
	return w.reserveFile(p.Name + ".client-secret")
}

// Authorize implements setup.World.
func (w *setupWorld) Authorize(ctx context.Context, p *setup.Plan, secret string) error {
	cfg, err := w.trial(p, secret)
	if err != nil {
		return err
	}
	w.cfg = cfg
	mode := oauth.Browser
	switch {
	case w.c.device:
		mode = oauth.Device
	case w.c.noBrowser:
		mode = oauth.Paste
	}
	a := cfg.Account(p.Name)
	if w.consent == nil {
		w.madeDirs = w.missingDirs(filepath.Dir(a.OAuth.TokenFile))
	}
	w.consent = a
	if err := w.authorize(ctx, a, mode); err != nil {
		return &accountError{a, err}
	}
	return nil
}

// forgetConsent removes the token of an account that was not written to the configuration.
func (w *setupWorld) forgetConsent(ctx context.Context) {
	if w.consent == nil {
		return
	}
	keep := w.workshop().tokenStore(w.consent)
	release, err := keep.lock.Acquire(ctx)
	if err != nil {
		return
	}
	_ = keep.store.Delete(ctx)
	release()
	_ = w.env.FS.Remove(w.consent.OAuth.TokenFile + ".lock")
	for _, dir := range w.madeDirs {
		_ = w.env.FS.Remove(dir) // succeeds only if it is empty
	}
}

// missingDirs returns dir and its parents, as far as they do not exist.
func (w *setupWorld) missingDirs(dir string) (missing []string) {
	for {
		if _, err := w.env.FS.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return missing
		}
		missing = append(missing, dir)
		dir = filepath.Dir(dir)
	}
}

// hasToken reports whether an account with this name has a token.
func (w *setupWorld) hasToken(name string) bool {
	cfg, _, err := config.Parse(w.target.name, []byte("IMAPAccount "+config.QuoteArg(name)+"\nHost h\nOAuth google\nOAuthClientId x\n"), w.env.Config)
	if err != nil {
		return false
	}
	_, err = w.env.FS.Stat(cfg.Accounts[0].OAuth.TokenFile)
	return err == nil
}
