package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/imapclient"
	"isync/internal/store/imap"
)

// accountLogin logs in to an account, on any number of connections.
type accountLogin struct {
	w       *workshop
	account *config.Account
	creds   *auth.Credentials
	keys    auth.Keys

	mu       sync.Mutex
	unusable []string // choices that the server does not let us use, by ID
	warned   map[string]bool
}

// loginOf returns what logs in to an account. It is shared by its stores.
func (w *workshop) loginOf(a *config.Account) *accountLogin {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logins[a]
	if l == nil {
		l = &accountLogin{w: w, account: a, creds: auth.NewCredentials(w.source(a)), warned: make(map[string]bool)}
		w.logins[a] = l
	}
	return l
}

// source tells where user name and password of an account come from.
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
	if a.Pass.IsSet() {
		src.Pass = a.Pass.Reveal
	}
	if a.UseKeychain {
		src.Keychain = func(ctx context.Context, user string) (string, error) { return auth.Keychain(ctx, a.Host, user) }
	}
	return src
}

// login returns what logs in to the server of a store.
func (w *workshop) login(s *config.Store) func(context.Context, *imapclient.Client) error {
	return w.loginOf(s.IMAP.Account).login
}

// login logs in with the strongest mechanism that there is. Another one is tried
// only if the server says that the mechanism is of no use, never if it says that
// the password is.
func (l *accountLogin) login(ctx context.Context, c *imapclient.Client) error {
	if len(c.Caps()) == 0 {
		if err := c.Capability(ctx); err != nil {
			return err
		}
	}
	choices, err := auth.Select(auth.Request{
		Offered:           c.Caps().AuthMechs(),
		LoginDisabled:     c.Caps().Has("LOGINDISABLED"),
		Allowed:           l.account.AuthMechs,
		Encrypted:         c.Secure(),
		ClientCertificate: l.account.ClientCertificate != "",
		Bindings:          auth.Bindings(c.TLSState()),
		Unusable:          l.refusedChoices(),
	})
	if err != nil {
		return &placedError{l.mechsPos(), err}
	}
	for _, choice := range choices {
		var r refusal
		r, err = l.try(ctx, c, &choice)
		if r != ofMechanism && !(r == ofSecret && choice.Certificate && l.creds.HasPassword()) {
			return err
		}
		l.refuse(choice.ID())
	}
	return err
}

// try logs in with a mechanism.
func (l *accountLogin) try(ctx context.Context, c *imapclient.Client, choice *auth.Choice) (r refusal, err error) {
	login, secret, err := l.secrets(ctx, choice)
	if err != nil {
		return ofNothing, err
	}
	end, err := l.w.ledger.Begin(ctx, l.server(), login.User, secret)
	if err != nil {
		if repeat, ok := errors.AsType[*auth.RepeatError](err); ok && choice.Certificate {
			return ofSecret, repeat
		}
		return ofNothing, err
	}
	// What happens when this panics is of no interest to the ledger.
	outcome := auth.Undecided
	defer func() { end(outcome, err) }()
	if lost := c.Err(); lost != nil {
		// Servers do not wait for long for whoever has to be asked.
		return ofNothing, &imap.LateError{Err: lost}
	}
	if choice.Warning != "" {
		l.warnOnce(choice.Warning)
	}
	if choice.Command {
		err = c.Login(ctx, login.User, login.Password)
	} else {
		client := choice.NewClient(login)
		err = c.Authenticate(ctx, client)
		if f, ok := client.(auth.Failer); ok && err != nil && f.Failure() != nil {
			err = &detailError{err, f.Failure()}
		}
	}
	r, outcome = judgeLogin(err)
	if _, told := errors.AsType[*auth.TokenError](err); told && r == ofMechanism {
		// The server has explained why, and then taken what was sent behind the
		// login for our answer to that, which it is not.
		r, outcome = ofSecret, auth.Rejected
	}
	if r == ofSecret {
		err = &refusedError{mechanism: choice.Mechanism, err: err}
	}
	return r, err
}

// secrets returns what a mechanism needs, and what of it is the secret.
func (l *accountLogin) secrets(ctx context.Context, choice *auth.Choice) (login auth.Login, secret string, err error) {
	login = auth.Login{Host: l.account.Host, Port: l.account.Port, Keys: &l.keys}
	if choice.Certificate && !l.creds.HasUser() {
		return login, choice.Name + " " + l.account.ClientCertificate, nil
	}
	if login.User, err = l.creds.User(ctx); err != nil {
		return login, "", err
	}
	if choice.Certificate {
		return login, choice.Name + " " + l.account.ClientCertificate, nil
	}
	login.Password, err = l.creds.Password(ctx)
	if k, ok := errors.AsType[*auth.KeychainError](err); ok && k != nil {
		err = &placedError{l.account.Pos("UseKeychain"), err}
	}
	return login, login.Password, err
}

// server names the server for the ledger.
func (l *accountLogin) server() string {
	if l.account.Tunnel != "" {
		return l.account.Tunnel
	}
	return l.account.Host + ":" + strconv.Itoa(l.account.Port)
}

// mechsPos is where the mechanisms come from.
func (l *accountLogin) mechsPos() config.Pos {
	if pos := l.account.Pos("AuthMechs"); pos.IsSet() {
		return pos
	}
	return l.account.At
}

// warnOnce shows a warning, once in a run.
func (l *accountLogin) warnOnce(text string) {
	l.mu.Lock()
	before := l.warned[text]
	l.warned[text] = true
	l.mu.Unlock()
	if !before {
		l.w.printer.Warn(l.mechsPos().String(), l.account.Label()+": "+text)
	}
}

func (l *accountLogin) refusedChoices() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.unusable...)
}

func (l *accountLogin) refuse(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unusable = append(l.unusable, id)
}

// detailError is an error with what is known of its reasons.
type detailError struct{ err, detail error }

func (e *detailError) Error() string { return e.err.Error() + " (" + e.detail.Error() + ")" }

// Unwrap returns both.
func (e *detailError) Unwrap() []error { return []error{e.err, e.detail} }

// refusedError says that user name and password, or what stands in for them, were
// not accepted.
type refusedError struct {
	mechanism auth.Mechanism
	err       error
}

func (e *refusedError) Error() string { return e.err.Error() }

// LoginRefused implements imap.Refusal.
func (e *refusedError) LoginRefused() bool { return true }

// Unwrap returns the server's refusal.
func (e *refusedError) Unwrap() error { return e.err }

// aboutRefused advises about a login that was refused.
func (a *adviser) aboutRefused(e *refusedError) string {
	m := e.mechanism
	switch {
	case m.Certificate:
		return "check " + a.keyword("ClientCertificate") + ": the server must know whom it belongs to; AuthMechs names other ways to log in"
	case m.Token:
		return "check " + a.credentials() + "; the password must be an access token of OAuth 2.0 that is still good, and good for IMAP"
	}
	advice := "check " + a.credentials() + "; many providers want a password made for the application instead of the one for their web site"
	if !m.Cleartext && a.account.TLS != config.TLSNone {
		advice += fmt.Sprintf("; if they are right, the server may not keep the password in a form that %s works with: try AuthMechs PLAIN LOGIN", strings.TrimSuffix(m.Name, "-PLUS"))
	}
	return advice
}
