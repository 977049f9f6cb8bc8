package maildir

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// BoxPath implements store.Local. It fails for names that the layout cannot represent, or whose path
// would be outside of the store.
func (s *Store) BoxPath(box string) (string, error) {
	dir, err := s.boxPath(box)
	return dir, s.boxError(box, err)
}

func (s *Store) boxPath(box string) (string, error) {
	parts := strings.Split(box, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsRune(p, 0) {
			return "", nameError(store.NameInvalid, box, "invalid mailbox name")
		}
	}
	dir, err := s.layOut(box, parts)
	if err != nil {
		return "", err
	}
	path := strings.TrimPrefix(dir, s.base(parts))
	if err := s.checkReserved(box, path); err != nil {
		return "", err
	}
	return dir, s.opts.Names.check(box, path)
}

// checkReserved returns an error if a part of the path of a mailbox, after the base, is the name of a
// file or directory that a Maildir itself may have there.
func (s *Store) checkReserved(box, path string) error {
	var folds, known bool
	for i, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if i == 0 && s.base(strings.Split(box, "/")) != s.opts.Inbox {
			continue // not within a Maildir
		}
		name := part
		if !isReserved(name) {
			if name = fold(part, true, true); !isReserved(name) {
				continue
			}
			if !known {
				// Opening the mailbox reports that the entry cannot be accessed.
				f, err := s.foldsCase()
				folds, known = err == nil && f, true
			}
			if !folds {
				continue
			}
		}
		return nameError(store.NameReserved, box, "'%s' is a reserved name in a Maildir", part)
	}
	return nil
}

// base returns the beginning of the paths of all mailboxes.
func (s *Store) base(parts []string) string {
	if parts[0] == mail.Inbox || s.opts.SubFolders == SubFoldersMaildirPP {
		return s.opts.Inbox
	}
	dir, _ := filepath.Split(s.opts.Path)
	return filepath.Clean(dir)
}

// layOut returns the path of a mailbox with these parts of its name.
func (s *Store) layOut(box string, parts []string) (string, error) {
	if s.opts.SubFolders == SubFoldersMaildirPP {
		return s.plusPlusPath(box, parts)
	}
	dir := s.opts.Inbox
	inbox := parts[0] == mail.Inbox
	sub := parts[1:]
	if !inbox {
		if s.opts.Path == "" {
			return "", nameError(store.NameNoPath, box, "the store has no Path, so INBOX is its only mailbox")
		}
		dir = filepath.Clean(s.opts.Path + parts[0])
		if dir == s.opts.Inbox {
			return "", nameError(store.NameInbox, box, "this directory is that of INBOX")
		}
	}
	if len(sub) == 0 {
		if !inbox && s.opts.SubFolders == SubFoldersLegacy && strings.HasPrefix(box, ".") {
			return "", nameError(store.NameLayout, box, "with SubFolders Legacy the name of a top-level mailbox cannot begin with '.'")
		}
		return dir, nil
	}
	style, err := s.style()
	if err != nil {
		return "", err
	}
	switch style {
	case SubFoldersVerbatim:
		for _, p := range sub {
			dir = filepath.Join(dir, p)
		}
	case SubFoldersLegacy:
		for _, p := range sub {
			dir = filepath.Join(dir, "."+p)
		}
	case SubFoldersUnset, SubFoldersMaildirPP: // these were dealt with
	}
	if dir == s.opts.Inbox {
		return "", nameError(store.NameInbox, box, "this directory is that of INBOX")
	}
	return dir, nil
}

// plusPlusPath is layOut for the Maildir++ layout.
func (s *Store) plusPlusPath(box string, parts []string) (string, error) {
	if slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(p, ".") }) {
		return "", nameError(store.NameLayout, box, "with SubFolders Maildir++ a mailbox name cannot contain '.'")
	}
	if parts[0] != mail.Inbox {
		return filepath.Join(s.opts.Inbox, "."+strings.Join(parts, ".")), nil
	}
	if len(parts) == 1 {
		return s.opts.Inbox, nil
	}
	return filepath.Join(s.opts.Inbox, ".."+strings.Join(parts[1:], ".")), nil
}

func nameError(reason store.NameReason, box, format string, args ...any) *store.NameError {
	return &store.NameError{Reason: reason, Name: box, Text: fmt.Sprintf(format, args...)}
}

// ownFiles are the prefixes of the names of mbsync's files in a Maildir.
var ownFiles = []string{".mbsyncstate", ".uidvalidity", ".isyncuidmap"}

// isReserved reports whether a name in a Maildir is that of one of its own directories, or of a file
// of mbsync.
func isReserved(name string) bool {
	return isPart(name) || slices.ContainsFunc(ownFiles, func(own string) bool { return strings.HasPrefix(name, own) })
}

// isPart reports whether a name is that of one of a Maildir's own directories.
func isPart(name string) bool { return name == "cur" || name == "new" || name == "tmp" }

// SameBox implements store.Aliaser. The directory of one may be a link to that of
// the other.
func (s *Store) SameBox(a, b string) bool {
	x, errX := s.boxPath(a)
	y, errY := s.boxPath(b)
	if errX != nil || errY != nil {
		return a == b
	}
	if x == y {
		return true
	}
	fx, errX := s.fs.Stat(filepath.Join(x, "cur"))
	fy, errY := s.fs.Stat(filepath.Join(y, "cur"))
	return errX == nil && errY == nil && vfs.SameFile(fx, fy)
}

var _ store.Aliaser = (*Store)(nil)
