package maildir

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/mail"
)

// BoxPath implements store.Local. It fails for names that the layout cannot
// express, or that would lead elsewhere.
func (s *Store) BoxPath(box string) (string, error) {
	dir, err := s.boxPath(box)
	return dir, s.boxError(box, err)
}

func (s *Store) boxPath(box string) (string, error) {
	parts := strings.Split(box, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsRune(p, 0) {
			return "", errors.New("invalid mailbox name")
		}
	}
	inbox := parts[0] == mail.Inbox
	sub := parts[1:]
	if s.opts.SubFolders == SubFoldersMaildirPP {
		return s.plusPlusPath(parts, inbox)
	}
	dir := s.opts.Inbox
	if !inbox {
		if s.opts.Path == "" {
			return "", errors.New("the store has no Path, so it has no mailboxes but INBOX")
		}
		dir = filepath.Clean(s.opts.Path + parts[0])
		if dir == s.opts.Inbox {
			return "", errors.New("this directory is that of INBOX")
		}
	}
	if len(sub) == 0 {
		if !inbox && s.opts.SubFolders == SubFoldersLegacy && strings.HasPrefix(box, ".") {
			return "", errors.New("with SubFolders Legacy the name of a top-level mailbox cannot begin with '.'")
		}
		return dir, nil
	}
	switch s.opts.SubFolders {
	case SubFoldersVerbatim:
		for _, p := range sub {
			if isPart(p) {
				return "", fmt.Errorf("'%s' cannot be the name of a sub-folder in a Maildir", p)
			}
			dir = filepath.Join(dir, p)
		}
	case SubFoldersLegacy:
		for _, p := range sub {
			dir = filepath.Join(dir, "."+p)
		}
	default:
		return "", errors.New("the store does not specify a SubFolders style, so it cannot have sub-folders")
	}
	if dir == s.opts.Inbox {
		return "", errors.New("this directory is that of INBOX")
	}
	return dir, nil
}

// plusPlusPath is boxPath for the Maildir++ layout.
func (s *Store) plusPlusPath(parts []string, inbox bool) (string, error) {
	if slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(p, ".") }) {
		return "", errors.New("with SubFolders Maildir++ a mailbox name cannot contain '.'")
	}
	if !inbox {
		return filepath.Join(s.opts.Inbox, "."+strings.Join(parts, ".")), nil
	}
	if len(parts) == 1 {
		return s.opts.Inbox, nil
	}
	return filepath.Join(s.opts.Inbox, ".."+strings.Join(parts[1:], ".")), nil
}

// isPart tells whether a name is that of one of a Maildir's own directories.
func isPart(name string) bool { return name == "cur" || name == "new" || name == "tmp" }
