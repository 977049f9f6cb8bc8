package channel

import (
	"fmt"
	"strings"
	"testing"

	"isync/internal/config"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
)

// PlaceOf returns the Place of the store that the program makes of a section.
func PlaceOf(tb testing.TB, s *config.Store) store.Place {
	tb.Helper()
	if m := s.Maildir; m != nil {
		st, err := maildir.New(maildir.Options{
			Name: s.Name, Path: s.Path, Inbox: m.Inbox, InfoDelimiter: m.InfoDelimiter,
			AltMap: m.AltMap, SubFolders: maildir.SubFolders(m.SubFolders),
		})
		if err != nil {
			tb.Fatal(err)
		}
		return namedPlace{st, s.Name}
	}
	a := s.IMAP.Account
	o := imap.Options{
		Name: s.Name, Path: s.Path, HasPath: s.HasPath, UseNamespace: s.IMAP.UseNamespace,
		Place: fmt.Sprintf("%s %d %s", strings.ToLower(a.Host), a.Port, a.User),
	}
	if d := s.IMAP.PathDelimiter; d != 0 {
		o.Delimiter = string(rune(d))
	}
	return accountPlace{imap.New(o), store.Sessions{Of: a, Limit: a.Connections}}
}

// namedPlace is the Place of a store that replaces a Maildir store, but has no
// directories.
type namedPlace struct {
	store.Place
	name string
}

func (p namedPlace) Identity(box string) (string, bool) { return p.name + "\x00" + box, true }

// accountPlace has the sessions of a section of the configuration.
type accountPlace struct {
	store.Place
	sessions store.Sessions
}

func (p accountPlace) Sessions() store.Sessions { return p.sessions }

// placedStore is a store of which only the Place is used.
type placedStore struct {
	store.Store
	place store.Place
}

func (p placedStore) Identity(box string) (string, bool) { return p.place.Identity(box) }
func (p placedStore) Region(box string, renamed bool) store.Region {
	return p.place.Region(box, renamed)
}
func (p placedStore) Regions() []store.Region { return p.place.Regions() }

// storesOf returns stores of a channel of which only the Places are used.
func storesOf(tb testing.TB, c *config.Channel) (st [2]store.Store) {
	tb.Helper()
	for t, e := range ends(c) {
		st[t] = placedStore{place: PlaceOf(tb, e.Store)}
	}
	return st
}
