package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/oauth"
)

// tokenSources obtain the access tokens of OAuth accounts. They exist until the program ends,
// also after a reload, because a source may have a token that could not be saved yet.
type tokenSources struct {
	mu  sync.Mutex
	all map[string]*oauth.Source
}

// source returns the token source of an account.
func (t *tokenSources) source(w *workshop, a *config.Account) *oauth.Source {
	key := fmt.Sprintf("%q %+v %q %q", a.Name, a.OAuth, a.OAuth.ClientSecret.Reveal(), a.User)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.all[key]; s != nil {
		return s
	}
	if t.all == nil {
		t.all = make(map[string]*oauth.Source)
	}
	keep := w.tokenStore(a)
	s := oauth.NewSource(oauth.SourceOptions{
		Account: a.Label(), Command: w.authCommand(a),
		Client: w.oauthClient(a), Store: keep.store, Lock: keep.lock,
		Warn: func(f event.Fact) { w.tellOfSection(event.Warning, a.At, a.Label(), f) },
		Now:  w.env.Now,
	})
	t.all[key] = s
	return s
}

// flush saves tokens that could not be saved before.
func (t *tokenSources) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		s.Flush(context.Background())
	}
}

// tokenKeeper is the token store of an account.
type tokenKeeper struct {
	store oauth.Store
	lock  *oauth.Lock
}

// save saves a token while it holds the lock.
func (k tokenKeeper) save(ctx context.Context, g *oauth.Grant) error {
	release, err := k.lock.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	room, err := k.store.Reserve(ctx)
	if err != nil {
		return err
	}
	if g == nil {
		room.Discard()
		return nil
	}
	return room.Save(context.WithoutCancel(ctx), g)
}

// tokenStore returns the token store of an account.
func (w *workshop) tokenStore(a *config.Account) tokenKeeper {
	o := &a.OAuth
	path := o.TokenFile
	// The target of a symbolic link is replaced, not the link.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	k := tokenKeeper{lock: &oauth.Lock{FS: w.fs, Path: path + ".lock"}}
	switch o.Store {
	case config.TokensInKeyring:
		k.store = &oauth.KeyringStore{Account: a.Name}
	case config.TokensInCommand:
		k.store = &oauth.CommandStore{LoadCommand: o.TokenLoadCmd, SaveCommand: o.TokenSaveCmd, Run: w.terminal.Run}
	case config.TokensInFile:
		f := &oauth.FileStore{FS: w.fs, Path: path, Shared: w.env.Config.Windows}
		if o.TokenKeyCmd != "" {
			p := &passphrase{terminal: w.terminal, command: o.TokenKeyCmd}
			f.Key, f.WrongKey = p.get, p.forget
		}
		k.store = f
	}
	return k
}

// passphrase is the passphrase of a token file. Its command is run only once, because it may ask
// the user.
type passphrase struct {
	terminal *auth.Terminal
	command  string

	mu    sync.Mutex
	known string
}

func (p *passphrase) get(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != "" {
		return p.known, nil
	}
	text, err := p.terminal.FirstLine(ctx, p.command)
	if err == nil {
		p.known = text
	}
	return text, err
}

func (p *passphrase) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = ""
}

// oauthClient returns the OAuth client for the provider of an account.
func (w *workshop) oauthClient(a *config.Account) *oauth.Client {
	o := a.OAuth
	c := &oauth.Client{
		Provider: o.Provider, ID: o.ClientID, Tenant: o.Tenant, Scope: o.Scope,
		Auth: o.AuthURL, Token: o.TokenURL, Device: o.DeviceURL, Issuer: o.Issuer, User: a.ConsentUser(),
	}
	switch {
	case o.ClientSecret.IsSet():
		c.Secret = func(context.Context) (string, error) { return o.ClientSecret.Reveal(), nil }
	case o.ClientSecretCmd != "":
		c.Secret = func(ctx context.Context) (string, error) { return w.terminal.FirstLine(ctx, o.ClientSecretCmd) }
	}
	return c
}

// authCommand returns the command line with which the user logs in to an account.
func authCommand(configFile string, a *config.Account) string {
	return commandLineFor(configFile, "--auth", a.Name)
}

func (w *workshop) authCommand(a *config.Account) string { return authCommand(w.configFile, a) }

// notConnected matches the response of Exchange if the token is valid, but the mailbox cannot be
// accessed.
var notConnected = regexp.MustCompile(`(?i)authenticated but not connected`)

// isNotConnected reports whether an error is this response.
func isNotConnected(err error) bool {
	e, ok := errors.AsType[*imapclient.ResponseError](err)
	return ok && notConnected.MatchString(e.Text)
}

// useIPv4 makes further connections to an account use only IPv4. It returns false if they did so
// before.
func (w *workshop) useIPv4(a *config.Account) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ipv4[a] {
		return false
	}
	w.ipv4[a] = true
	return true
}

// usesIPv4 reports whether connections to an account use IPv4 only.
func (w *workshop) usesIPv4(a *config.Account) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ipv4[a]
}

// aboutTokens diagnoses errors of OAuth 2.0 tokens.
func (d *diagnosis) aboutTokens() event.Fact {
	if !d.account.HasOAuth() {
		return nil
	}
	command := authCommand(d.configFile, d.account)
	if isNotConnected(d.err) {
		return event.AuthenticatedNotConnected{User: d.keyword("User"), Command: command}
	}
	if _, ok := errors.AsType[*oauth.ConsentError](d.err); ok {
		return event.ConsentNeeded{Command: command}
	}
	if _, ok := errors.AsType[*oauth.RefusedError](d.err); ok {
		return event.ConsentRefused{Command: command}
	}
	if e, ok := errors.AsType[*oauth.ExposedError](d.err); ok {
		f := event.TokenFileExposed{Command: "chmod 600 " + shellQuote(e.Path), Again: command}
		switch {
		case e.Owner:
			f.Command = "chown \"$USER\" " + shellQuote(e.Path) + " && chmod 600 " + shellQuote(e.Path)
		case e.Directory:
			f.Command = "chmod go-w " + shellQuote(e.Path)
		}
		return f
	}
	if e, ok := errors.AsType[*oauth.RequestError](d.err); ok {
		if e.Passing() {
			return event.ProviderUnavailable{}
		}
		return event.ProviderRefused{Client: d.keyword("OAuthClientId")}
	}
	switch {
	case d.is(oauth.ErrWrongKey), d.is(oauth.ErrNoKey):
		return event.TokenKeyWrong{Keyword: d.keyword("TokenKeyCmd"), Missing: d.is(oauth.ErrNoKey), File: shellQuote(d.account.OAuth.TokenFile), Command: command}
	case d.is(oauth.ErrKeyringSilent):
		return event.TokenKeyringSilent{}
	case d.is(oauth.ErrBusy):
		return event.TokenLocked{}
	case d.is(oauth.ErrState), d.is(oauth.ErrIssuer), d.is(oauth.ErrNoConsent):
		return event.ConsentFailed{Command: command}
	}
	if _, ok := errors.AsType[*oauth.StoreError](d.err); ok && d.account.OAuth.Store == config.TokensInKeyring {
		return event.TokenKeyringUnusable{Keyword: d.keyword("TokenStore")}
	}
	return nil
}

// commandKeyword returns the keyword of the account that sets a command.
func commandKeyword(a *config.Account, command string) string {
	o := &a.OAuth
	for keyword, value := range map[string]string{
		"UserCmd": a.UserCmd, "OAuthClientSecretCmd": o.ClientSecretCmd,
		"TokenKeyCmd": o.TokenKeyCmd, "TokenLoadCmd": o.TokenLoadCmd, "TokenSaveCmd": o.TokenSaveCmd,
	} {
		if value != "" && command == strings.TrimPrefix(value, "+") {
			return keyword
		}
	}
	return "PassCmd"
}
