package cli

import (
	"context"
	"fmt"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/memo"
	"isync/internal/store/imap"
)

// remember lets an IMAP store, or the sessions of an account, remember the listings
// of mailboxes, and what servers tell. Where there is no directory for that it does
// without.
func (w *workshop) remember(s *config.Store, o *imap.Options) {
	o.Now = w.env.Now
	o.Debug = func(text string) { w.debugf(event.DebugDriver, "%s: %s", s.Name, text) }
	dir, err := w.env.Config.CacheDir()
	if err != nil {
		o.Debug("no listings are cached: " + err.Error())
		return
	}
	o.Account = w.accountID(s.IMAP.Account)
	o.Listings = w.cacheAt(dir)
}

// cacheAt returns the cache in a directory, which is always the same.
func (w *workshop) cacheAt(dir string) *memo.Dir {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listings == nil {
		w.listings = memo.NewDir(w.fs, dir)
	}
	return w.listings
}

// cache returns the cache; nil: there is no directory for it.
func (w *workshop) cache() *memo.Dir {
	dir, err := w.env.Config.CacheDir()
	if err != nil {
		return nil
	}
	return w.cacheAt(dir)
}

// sessionStore keeps the tickets of TLS sessions in the cache.
type sessionStore struct {
	*memo.Dir
	readOnly bool
}

// SaveSessions implements transport.SessionStore.
func (s sessionStore) SaveSessions(id string, data []byte) error {
	if s.readOnly {
		return nil
	}
	return s.Dir.SaveSessions(id, data)
}

// serverKey returns what tells the server of an account, and the way to log in there,
// from all others: what it offers may depend on any of that.
func serverKey(a *config.Account) string {
	return fmt.Sprintf("%q %d %q %q %q %d %q %q %q",
		a.Host, a.Port, a.Tunnel, a.User, a.UserCmd, a.TLS, a.ClientCertificate, a.AuthMechs, a.DisableExtensions)
}

// accountID returns what tells an account from all others.
func (w *workshop) accountID(a *config.Account) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		creds := w.loginOf(a).creds
		server := fmt.Sprintf("%s:%d", a.Host, a.Port)
		if a.Tunnel != "" {
			server = "tunnel " + a.Tunnel
			if a.User == "" && a.UserCmd == "" {
				// The command knows who it is.
				return fmt.Sprintf("%q", server), nil
			}
		}
		if !creds.HasUser() && a.ClientCertificate != "" {
			return fmt.Sprintf("certificate %q %q", a.ClientCertificate, server), nil
		}
		user, err := creds.User(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%q %q", user, server), nil
	}
}
