package cli

import (
	"context"
	"fmt"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/memo"
	"isync/internal/store/imap"
)

// remember configures the cache of listings and server data for an IMAP store or the sessions of
// an account. Without a cache directory there is no cache.
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

// cacheAt returns the cache in a directory. All calls return the same one.
func (w *workshop) cacheAt(dir string) *memo.Dir {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listings == nil {
		w.listings = memo.NewDir(w.fs, dir)
	}
	return w.listings
}

// cache returns the cache; nil: there is no cache directory.
func (w *workshop) cache() *memo.Dir {
	dir, err := w.env.Config.CacheDir()
	if err != nil {
		return nil
	}
	return w.cacheAt(dir)
}

// sessionStore saves the tickets of TLS sessions in the cache.
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

// serverKey identifies the server of an account and the login method. The capabilities may depend
// on all of these.
func serverKey(a *config.Account) string {
	return fmt.Sprintf("%q %d %q %q %q %d %q %q %q",
		a.Host, a.Port, a.Tunnel, a.User, a.UserCmd, a.TLS, a.ClientCertificate, a.AuthMechs, a.DisableExtensions)
}

// accountID identifies an account.
func (w *workshop) accountID(a *config.Account) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		creds := w.loginOf(a).creds
		server := fmt.Sprintf("%s:%d", a.Host, a.Port)
		if a.Tunnel != "" {
			server = "tunnel " + a.Tunnel
			if a.User == "" && a.UserCmd == "" {
				// Only the command of the tunnel knows the user.
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
