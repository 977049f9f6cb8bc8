package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/oauth"
	"isync/internal/ui"
)

// runAuth runs --auth, --auth-list or --auth-forget.
func (r *run) runAuth(ctx context.Context) int {
	if r.c.authList {
		return r.authList(ctx)
	}
	name := r.c.auth
	if r.c.hasAuthForget {
		name = r.c.authForget
	}
	a := r.oauthAccount(name)
	if a == nil {
		return exitFailure
	}
	var err error
	if r.c.hasAuthForget {
		err = r.forgetToken(ctx, a)
	} else {
		mode := oauth.Browser
		switch {
		case r.c.device:
			mode = oauth.Device
		case r.c.noBrowser:
			mode = oauth.Paste
		}
		err = r.authorize(ctx, a, mode)
	}
	if err != nil {
		r.fail(&accountError{a, err})
		return exitFailure
	}
	return exitOK
}

// oauthAccount returns the OAuth account with a name, or that of the store with this name. If
// there is none, it reports an error.
func (r *run) oauthAccount(name string) *config.Account {
	var found *config.Account
	var known []string
	look := func(label string, a *config.Account) {
		known = append(known, label)
		if label == name && (found == nil || !found.HasOAuth()) {
			found = a
		}
	}
	for _, a := range r.cfg.Accounts {
		if !r.cfg.IsShadowed(a) {
			look(a.Name, a)
		}
	}
	for _, s := range r.cfg.Stores {
		if s.IMAP != nil {
			look(s.Name, s.IMAP.Account)
		}
	}
	switch {
	case found == nil:
		r.tell(event.Error, config.Pos{}, event.AccountUnknown{Name: name, File: r.cfg.File, Meant: config.Nearest(name, known, maxTypingErrors), List: r.command("--auth-list")})
		return nil
	case !found.HasOAuth():
		r.tell(event.Error, found.At, event.AccountWithoutOAuth{Section: found.Label()})
		return nil
	}
	return found
}

// authorize asks the user for consent, saves the token, and tests a login to the server.
func (r *run) authorize(ctx context.Context, a *config.Account, mode oauth.Mode) error {
	w := r.workshop()
	keep := w.tokenStore(a)
	// A token store that cannot be written must be detected before the user logs in.
	if err := keep.save(ctx, nil); err != nil {
		return err
	}
	g, err := w.oauthClient(a).Authorize(ctx, mode, r.dialog(mode))
	if err != nil {
		return err
	}
	if err := keep.save(ctx, g); err != nil {
		return err
	}
	r.println(ui.TokenSavedLine(a.Name, keep.store.String()))
	if err := w.tryLogin(ctx, a); err != nil {
		return err
	}
	r.println(ui.LoginWorksLine(a.Name, serverText(a), ""))
	return nil
}

// serverText returns the name of the server of an account for messages.
func serverText(a *config.Account) string {
	if a.Tunnel != "" {
		return "the server"
	}
	return net.JoinHostPort(strings.Trim(a.Host, "[]"), strconv.Itoa(a.Port))
}

// dialog returns the functions for messages to the user during consent.
func (r *run) dialog(mode oauth.Mode) oauth.Dialog {
	lines := func(lines []string) {
		for _, l := range lines {
			r.println(l)
		}
	}
	d := oauth.Dialog{
		Visit: func(address string, port int) {
			lines(ui.VisitLines(address, tunnelCommand(r.env.Config, port), hasTerminal()))
		},
		Paste: func(ctx context.Context) (string, error) {
			text, err := askTerminal(ctx, "Address: ", false)
			if errors.Is(err, auth.ErrNoPrompt) {
				err = oauth.ErrNoPaste
			}
			return text, err
		},
		Code:  func(c oauth.DeviceCode) { lines(ui.DeviceLines(c.Visit, c.Code, c.Complete, c.Expires)) },
		Again: func(personal bool) { r.println(ui.AgainLine(personal)) },
	}
	if mode == oauth.Browser {
		d.Open = func(ctx context.Context, address string) error {
			err := openBrowser(ctx, r.env.Config, address)
			if err == nil {
				lines(ui.OpenedLines(address))
			}
			return err
		}
	}
	return d
}

// tryLogin logs in to the server of an account, and logs out. Afterwards w writes nothing to the
// cache, because the user may still decide not to set up the account.
func (w *workshop) tryLogin(ctx context.Context, a *config.Account) error {
	w.readOnly = true
	s := &config.Store{Name: a.Name, At: a.At, IMAP: &config.IMAPStore{Account: a}}
	o, err := w.client(s)
	if err != nil {
		return err
	}
	for again := false; ; again = true {
		c, err := imapclient.Dial(ctx, o)
		if err != nil {
			return err
		}
		if !c.Preauth() {
			err = w.loginOf(a).login(ctx, c)
		}
		_ = c.Logout(ctx)
		if _, late := errors.AsType[*auth.LateError](err); late && !again {
			continue
		}
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("login failed: %w", err)
		}
		return err
	}
}

// forgetToken removes the token of an account.
func (r *run) forgetToken(ctx context.Context, a *config.Account) error {
	keep := r.workshop().tokenStore(a)
	release, err := keep.lock.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	g, err := keep.store.Load(ctx)
	nothing := err == nil && g == nil
	// Also if there was no token: a killed process may have left an unsaved one.
	if _, inFile := keep.store.(*oauth.FileStore); inFile || !nothing {
		if err := keep.store.Delete(ctx); err != nil {
			return err
		}
	}
	if nothing {
		r.println(ui.NothingForgottenLine(a.Name))
		return nil
	}
	r.println(ui.ForgottenLine(a.Name, keep.store.String()))
	return nil
}

// authList lists the accounts with OAuth, and whether they have a token.
func (r *run) authList(ctx context.Context) int {
	w := r.workshop()
	code := exitOK
	for _, a := range r.cfg.Accounts {
		if !a.HasOAuth() || r.cfg.IsShadowed(a) {
			continue
		}
		keep := w.tokenStore(a)
		g, err := keep.store.Load(ctx)
		if err != nil {
			r.fail(&accountError{a, err})
			code = exitFailure
		}
		t := ui.TokenState{
			Account: a.Name, Provider: a.OAuth.Provider, User: a.ConsentUser(), Store: keep.store.String(),
			Command: w.authCommand(a), Now: r.env.Now(), Unknown: err != nil,
		}
		if g != nil {
			t.HasToken, t.HasRefresh, t.Expires = true, g.Refresh != "", g.Expires
			t.Foreign = !w.oauthClient(a).Owns(g)
		}
		for _, l := range ui.TokenStateLines(t) {
			r.println(l)
		}
	}
	return code
}

// completeAccounts lists the accounts with OAuth.
func completeAccounts(env Env, u *unfinished, word string) (out []completion) {
	cfg := u.quietly(env)
	if cfg == nil {
		return nil
	}
	for _, a := range cfg.Accounts {
		if a.HasOAuth() && strings.HasPrefix(a.Name, word) {
			out = append(out, completion{a.Name, "account"})
		}
	}
	return out
}
