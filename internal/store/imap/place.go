package imap

import (
	"fmt"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
)

// Identity implements store.Place.
func (s *Store) Identity(box string) (id string, certain bool) {
	certain = s.opts.HasPath || !s.opts.UseNamespace || mail.IsInbox(mail.CanonicalBox(box))
	return s.opts.Place + "\x00" + s.nameOnServer(box), certain
}

// Region implements store.Place.
func (s *Store) Region(box string, renamed bool) store.Region {
	r := store.Region{Place: s.opts.Place, Space: s.space(), Name: s.nameOnServer(box)}
	if renamed {
		r.Many = true
		r.Name, _, _ = strings.Cut(r.Name, "/")
	}
	return r
}

// Regions implements store.Place.
func (s *Store) Regions() []store.Region {
	all := store.Region{Place: s.opts.Place, Space: s.space(), Name: s.pathOnServer(), Many: true}
	if s.opts.Path == "" {
		return []store.Region{all}
	}
	// Every store has the inbox and the mailboxes below it.
	inbox := s.Region(mail.Inbox, false)
	inbox.Many = true
	return []store.Region{all, inbox}
}

// Terms implements store.Place.
func (s *Store) Terms() string {
	return fmt.Sprintf("%q %v %d", s.opts.Place, s.opts.UseNamespace, s.delimiter())
}

// Sessions implements store.Place.
func (s *Store) Sessions() store.Sessions {
	return store.Sessions{Of: s.pool, Limit: s.pool.MaxSessions()}
}

// space identifies how the names of the store are made.
func (s *Store) space() string {
	return fmt.Sprint(s.opts.HasPath, s.opts.HasPath || s.opts.UseNamespace)
}

// nameOnServer returns the name of a mailbox on the server, as far as the options
// determine it, with "/" between components. The prefix is not put before the inbox and
// the mailboxes below it.
func (s *Store) nameOnServer(box string) string {
	if box = mail.CanonicalBox(box); mail.IsInbox(box) {
		return box
	}
	return mail.CanonicalBox(s.pathOnServer() + box)
}

// delimiter returns the delimiter of the options, 0 if it is not set.
func (s *Store) delimiter() rune {
	for _, r := range s.opts.Delimiter {
		return r
	}
	return 0
}

// pathOnServer returns the Path, with "/" between components. The user writes it as on
// the server, so it most likely ends with the delimiter of the server.
func (s *Store) pathOnServer() string {
	configured := s.delimiter()
	delim := configured
	if n := len(s.opts.Path); delim == 0 && n > 0 {
		delim = rune(s.opts.Path[n-1])
	}
	if delim == '.' || delim == '\\' || delim == configured {
		return strings.ReplaceAll(s.opts.Path, string(delim), "/")
	}
	return s.opts.Path
}
