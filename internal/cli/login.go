package cli

import (
	"context"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/imapclient"
)

// credentialsOf returns the credentials of an account.
func (w *workshop) credentialsOf(a *config.Account) *auth.Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	creds := w.credentials[a]
	if creds == nil {
		src := auth.Source{
			Account: a.Label(),
			User:    a.User, UserCmd: a.UserCmd,
			PassCmd:  a.PassCmd,
			Terminal: w.terminal,
		}
		if a.Pass.IsSet() {
			src.Pass = a.Pass.Reveal
		}
		creds = auth.NewCredentials(src)
		w.credentials[a] = creds
	}
	return creds
}

// login returns what logs in to the server of a store.
func (w *workshop) login(s *config.Store) func(context.Context, *imapclient.Client) error {
	a := s.IMAP.Account
	creds := w.credentialsOf(a)
	warned := false // the first login is made alone
	return func(ctx context.Context, c *imapclient.Client) error {
		if len(c.Caps()) == 0 {
			if err := c.Capability(ctx); err != nil {
				return err
			}
		}
		choice, err := auth.Select(auth.Request{
			Offered:       c.Caps().AuthMechs(),
			LoginDisabled: c.Caps().Has("LOGINDISABLED"),
			Allowed:       a.AuthMechs,
			Encrypted:     c.Secure(),
		})
		if err != nil {
			return err
		}
		user, err := creds.User(ctx)
		if err != nil {
			return err
		}
		password, err := creds.Password(ctx)
		if err != nil {
			return err
		}
		if choice.Warning != "" && !warned {
			warned = true
			w.printer.Warn(a.Pos("AuthMechs").String(), a.Label()+": "+choice.Warning)
		}
		if choice.NewClient == nil {
			return c.Login(ctx, user, password)
		}
		return c.Authenticate(ctx, choice.NewClient(user, password))
	}
}
