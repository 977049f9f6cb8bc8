package cli

import (
	"context"
	"errors"
	"strconv"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
)

// accountLogin is the login to an account.
type accountLogin struct {
	account *config.Account
	creds   *auth.Credentials
	auth    *auth.Authenticator
	// useIPv4 makes further connections to the account use IPv4; see workshop.useIPv4.
	useIPv4 func(*config.Account) bool
}

// prompts ask the user for a user name or password that is not configured. They keep
// the answers between runs.
type prompts struct{ user, password *auth.Prompt }

// loginOf returns the login of an account in this run. Its stores share it.
func (w *workshop) loginOf(a *config.Account) *accountLogin {
	w.mu.Lock()
	defer w.mu.Unlock()
	run := w.current
	l := run.logins[a]
	if l == nil {
		l = w.newLogin(a, run.ledger, func(f event.Fact) { w.tellOfSection(event.Warning, l.mechsPos(), a.Label(), f) })
		run.logins[a] = l
	}
	return l
}

// newLogin returns a login to an account. The caller holds w.mu.
func (w *workshop) newLogin(a *config.Account, ledger *auth.Ledger, warn func(event.Fact)) *accountLogin {
	l := &accountLogin{account: a, creds: auth.NewCredentials(w.source(a)), useIPv4: w.useIPv4}
	l.auth = auth.NewAuthenticator(auth.Account{
		Server: serverName(a), Host: a.Host, Port: a.Port,
		Mechs: a.AuthMechs, Tokens: a.HasOAuth(), ClientCertificate: a.ClientCertificate,
		Credentials: l.creds, Ledger: ledger, Warn: warn,
	})
	return l
}

// source returns the source of the user name and password of an account. The caller holds w.mu.
func (w *workshop) source(a *config.Account) auth.Source {
	src := auth.Source{
		Account: a.Label(), Question: a.Name,
		User: a.User, UserCmd: a.UserCmd,
		PassCmd:  a.PassCmd,
		Terminal: w.terminal,
	}
	if a.Host != "" {
		src.Question += "/" + a.Host
	}
	if src.Question == "" {
		src.Question = src.Account
	}
	asks := w.prompts[a]
	if asks == nil {
		asks = &prompts{auth.UserPrompt(w.terminal, src.Question), auth.PasswordPrompt(w.terminal, src.Question)}
		w.prompts[a] = asks
	}
	src.AskUser, src.AskPass = asks.user, asks.password
	if a.Pass.IsSet() {
		src.Pass = a.Pass.Reveal
	}
	if a.HasOAuth() {
		src.Tokens = w.tokens.source(w, a)
	}
	if a.UseKeychain {
		src.Keychain = func(ctx context.Context, user string) (string, error) { return auth.Keychain(ctx, a.Host, user) }
	}
	return src
}

// login returns the function that logs in to the server of a store.
func (w *workshop) login(s *config.Store) func(context.Context, *imapclient.Client) error {
	return func(ctx context.Context, c *imapclient.Client) error {
		err := w.loginOf(s.IMAP.Account).login(ctx, c)
		w.events.Take(event.AccountState{Account: s.IMAP.Account.Name, Connected: err == nil, Err: err})
		return err
	}
}

// watchLogin returns the login for the connections that watch the account of a store. They are
// also made between runs, so each of them obtains the password again: an access token may have
// expired. A password that was refused in a run or by one of these connections is not sent again
// soon. Warnings are shown only for logins of runs.
func (w *workshop) watchLogin(s *config.Store) func(context.Context, *imapclient.Client) error {
	return func(ctx context.Context, c *imapclient.Client) error {
		w.mu.Lock()
		ledger := w.refusals
		if ledger == nil {
			ledger = w.current.ledger
		}
		l := w.newLogin(s.IMAP.Account, ledger, nil)
		w.mu.Unlock()
		return l.login(ctx, c)
	}
}

// login logs in. Its errors contain the place of the configuration.
func (l *accountLogin) login(ctx context.Context, c *imapclient.Client) error {
	err := l.auth.LogIn(ctx, c)
	if l.account.HasOAuth() && isNotConnected(err) && c.IPv6() && l.useIPv4(l.account) {
		return &auth.LateError{Err: err}
	}
	if _, ok := errors.AsType[*auth.SelectError](err); ok {
		return &placedError{l.mechsPos(), err}
	}
	if _, ok := errors.AsType[*auth.KeychainError](err); ok {
		return &placedError{l.account.Pos("UseKeychain"), err}
	}
	return err
}

// serverName identifies the server of an account in the ledger.
func serverName(a *config.Account) string {
	if a.Tunnel != "" {
		return a.Tunnel
	}
	return a.Host + ":" + strconv.Itoa(a.Port)
}

// mechsPos returns the place of the mechanisms in the configuration.
func (l *accountLogin) mechsPos() config.Pos {
	if pos := l.account.Pos("AuthMechs"); pos.IsSet() {
		return pos
	}
	return l.account.At
}
