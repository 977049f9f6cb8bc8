package maildir

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/vfs"
)

// foundStyle is the layout that was detected from the existing sub-folders.
type foundStyle struct {
	mu    sync.Mutex
	style SubFolders // unset: not known yet
}

// style returns the layout of sub-folders. If the store does not specify it, it is
// detected from the existing sub-folders. Without sub-folders it is Verbatim, which
// later runs then detect. The result stays until the run ends.
//
// It always examines the whole store, so that all callers get the same result.
func (s *Store) style() (SubFolders, error) {
	if s.opts.SubFolders != SubFoldersUnset {
		return s.opts.SubFolders, nil
	}
	s.found.mu.Lock()
	defer s.found.mu.Unlock()
	if s.found.style != SubFoldersUnset {
		return s.found.style, nil
	}
	if s.opts.Path != "" && filepath.Dir(s.opts.Path+"x") == s.opts.Inbox {
		// A directory in it could be next to INBOX or within INBOX.
		err := nameError(store.NameNested, "", "the store does not specify a SubFolders style, which cannot be detected because Path is the directory of Inbox")
		err.Style = "Verbatim"
		return SubFoldersUnset, err
	}
	l := styleSigns{s: s, seen: make(map[string]bool)}
	if err := l.look(); err != nil {
		return SubFoldersUnset, err
	}
	style, name, like := SubFoldersVerbatim, "Verbatim", l.plain
	switch {
	case l.dotted != "" && s.opts.Path == "":
		// It could also be Maildir++, which gives it another name.
		err := nameError(store.NameNested, "", "found sub-folder '%s', but the store does not specify a SubFolders style", l.dotted)
		err.Style = "Maildir++"
		return SubFoldersUnset, err
	case l.dotted != "" && l.plain != "":
		err := nameError(store.NameNested, "", "found sub-folders '%s' and '%s' with different layouts, but the store does not specify a SubFolders style", l.plain, l.dotted)
		err.Style = "Verbatim"
		return SubFoldersUnset, err
	case l.dotted != "":
		style, name, like = SubFoldersLegacy, "Legacy", l.dotted
	}
	s.found.style = style
	s.notice(event.SubFoldersUnset{Style: name, Like: like})
	return style, nil
}

// styleSigns looks for mailboxes within others.
type styleSigns struct {
	s *Store
	// plain and dotted are the first such mailboxes of either layout; "": none.
	plain, dotted string
	seen          map[string]bool // directories, by identity
}

// maxSignDepth is the maximum depth of the search.
const maxSignDepth = 20

func (l *styleSigns) look() error {
	o := &l.s.opts
	if err := l.below(o.Inbox, 1, false, false); err != nil || o.Path == "" {
		return err
	}
	dir, prefix := filepath.Split(o.Path)
	names, err := l.s.fs.ReadNames(filepath.Clean(dir))
	if err != nil && !isMissing(err) {
		return fmt.Errorf("cannot list Path: %w", err)
	}
	for _, n := range names {
		path := filepath.Join(dir, n)
		if box, ok := strings.CutPrefix(n, prefix); !ok || box == "" || n == "lost+found" || isPart(box) || isOurs(box) || path == o.Inbox {
			continue
		}
		if err := l.below(path, 1, false, false); err != nil {
			return err
		}
	}
	return nil
}

// below examines the contents of a directory at the given depth. The names on the way to it have no dot
// (plain), a dot (dotted), or both.
func (l *styleSigns) below(dir string, depth int, plain, dotted bool) error {
	if l.plain != "" && l.dotted != "" {
		return nil
	}
	fi, err := l.s.fs.Stat(dir)
	if err == nil {
		if id := vfs.Identity(fi); id != "" {
			if l.seen[id] {
				return nil // by way of a symbolic link
			}
			l.seen[id] = true
		}
	}
	if depth > maxSignDepth {
		return nil
	}
	names, err := l.s.fs.ReadNames(dir)
	if isMissing(err) || ofTheEntry(err) {
		return nil // listing warns of it
	}
	if err != nil {
		return fmt.Errorf("cannot list mailboxes: %w", err)
	}
	for _, n := range names {
		path := filepath.Join(dir, n)
		if isPart(n) || isOurs(n) || path == l.s.opts.Inbox {
			continue
		}
		dot := strings.HasPrefix(n, ".")
		plain, dotted := plain || !dot, dotted || dot
		w := walker{s: l.s}
		isBox, err := w.isBox(path)
		if err != nil && !ofTheEntry(err) {
			return err
		}
		if isBox && plain && l.plain == "" {
			l.plain = path
		}
		if isBox && dotted && l.dotted == "" {
			l.dotted = path
		}
		if err := l.below(path, depth+1, plain, dotted); err != nil {
			return err
		}
	}
	return nil
}
