package maildir

import (
	"fmt"
	"path/filepath"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
)

// Identity implements store.Place: the directory of a mailbox identifies it.
func (s *Store) Identity(box string) (id string, certain bool) {
	if dir, err := s.BoxPath(box); err == nil {
		return dir, true
	}
	return s.opts.Name + "\x00" + box, true
}

// Region implements store.Place. Mailboxes below another one are below a directory
// whose name begins with the first component or, without a Path, below the inbox.
func (s *Store) Region(box string, _ bool) store.Region {
	switch {
	case box == mail.Inbox:
		return store.Region{Place: store.PlaceFiles, Name: s.opts.Inbox}
	case s.opts.Path == "":
		return store.Region{Place: store.PlaceFiles, Name: s.opts.Inbox, Many: true}
	}
	first, _, _ := strings.Cut(box, "/")
	return store.Region{Place: store.PlaceFiles, Name: s.opts.Path + first, Many: true}
}

// Regions implements store.Place.
func (s *Store) Regions() []store.Region {
	out := []store.Region{{Place: store.PlaceFiles, Name: s.opts.Inbox, Many: true}}
	if s.opts.Path != "" {
		out = append(out, store.Region{Place: store.PlaceFiles, Name: s.opts.Path, Many: true})
	}
	return out
}

// Root implements store.Local.
func (s *Store) Root() string {
	if s.opts.Path != "" {
		return filepath.Dir(s.opts.Path)
	}
	return filepath.Dir(s.opts.Inbox)
}

// Terms implements store.Place.
func (s *Store) Terms() string {
	return fmt.Sprintf("%q %d %v %d", s.opts.Inbox, s.opts.InfoDelimiter, s.opts.AltMap, s.opts.SubFolders)
}

// Sessions implements store.Place: the store needs none.
func (s *Store) Sessions() store.Sessions { return store.Sessions{} }
