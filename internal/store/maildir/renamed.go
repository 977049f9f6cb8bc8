package maildir

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/uidmap"
)

var _ store.RenameFinder = (*Store)(nil)

// FindRenamed implements store.RenameFinder: the file with the UIDVALIDITY moves with the
// directory of a mailbox.
func (s *Store) FindRenamed(ctx context.Context, box string, was store.LastKnown) (store.Whereabouts, error) {
	var out store.Whereabouts
	if dir, err := s.boxPath(box); err == nil {
		out.Void = s.void(dir, box)
	}
	boxes, err := s.List(ctx, store.ListRequest{Inbox: true, OthersIfAny: true})
	if err != nil {
		if out.Void != "" { // nothing can be listed there
			err = nil
		}
		return out, err
	}
	for _, b := range boxes {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		dir, err := s.boxPath(b.Name)
		if err != nil || b.Name == box {
			continue
		}
		st, err := s.peekUIDs(ctx, dir)
		switch {
		case err != nil:
			out.Partial = true
		case was.Fits(st.validity, nextUID(st.highest)):
			out.Boxes = append(out.Boxes, b.Name)
		}
	}
	slices.Sort(out.Boxes)
	return out, nil
}

// void returns the directory above the mailbox in dir if it is empty, like a directory where no file
// system is mounted; or the directory of all mailboxes if that does not exist.
func (s *Store) void(dir, box string) string {
	for _, d := range []string{filepath.Dir(dir), s.root(box)} {
		entries, err := s.fs.ReadNames(d)
		if err == nil && len(entries) == 0 || isMissing(err) && d == s.root(box) {
			return d
		}
	}
	return ""
}

// root returns the directory that contains the mailbox and all others with similar names.
func (s *Store) root(box string) string {
	base := s.base(strings.Split(box, "/"))
	if base == s.opts.Inbox {
		return filepath.Dir(base)
	}
	return base
}

// nextUID returns the UID after the highest one, 0 if there is none.
func nextUID(highest mail.UID) mail.UID {
	if highest == mail.MaxUID {
		return 0
	}
	return highest + 1
}

// peekUIDs returns the UIDVALIDITY of the mailbox in dir and its highest UID, without a
// lock; zero if it has none yet.
func (s *Store) peekUIDs(ctx context.Context, dir string) (uidState, error) {
	sc, st, err := s.scheme(dir)
	switch {
	case err != nil:
		return st, err
	case sc == schemeMap:
		m, err := uidmap.Peek(ctx, s.fs, dir)
		if err != nil {
			return st, err
		}
		return uidState{m.Validity, m.Highest}, nil
	case sc == schemeForeign:
		return st, errForeignUIDs
	}
	return st, nil
}

var errForeignUIDs = errors.New("the UIDVALIDITY is in a database of another program")
