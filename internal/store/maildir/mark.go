package maildir

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"isync/internal/store"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

var (
	_ store.Marker = (*Store)(nil)
	_ store.Marked = (*mailbox)(nil)
)

// Marks implements store.Marker.
func (s *Store) Marks(ctx context.Context, boxes []string) ([]string, error) {
	marks := make([]string, len(boxes))
	for i, b := range boxes {
		if err := s.begin(ctx); err != nil {
			return nil, err
		}
		// Opening the mailbox reports the error.
		if dir, err := s.BoxPath(b); err == nil {
			marks[i], _ = s.mark(dir)
		}
	}
	return marks, nil
}

// mark returns a mark made of the times of the directories, which change with every name in them, of
// the times of the files with UIDs, and of the settings for names. It is "" if something is missing, or
// has changed too recently.
func (s *Store) mark(dir string) (string, error) {
	now := s.opts.Clock() // before the looks
	var b strings.Builder
	b.WriteByte(s.opts.InfoDelimiter)
	for _, sub := range subDirs {
		fi, err := s.fs.Stat(filepath.Join(dir, sub))
		switch {
		case isMissing(err):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("cannot look at mailbox: %w", err)
		case !fi.IsDir() || !vfs.Settled(fi, now):
			return "", nil
		}
		b.WriteString(vfs.Stamp(fi))
		b.WriteByte('|')
	}
	known := false
	for _, name := range []string{uidFileName, uidmap.FileName, uidmap.ForeignName} {
		fi, err := s.fs.Stat(filepath.Join(dir, name))
		switch {
		case isMissing(err):
			b.WriteByte('|')
			continue
		case err != nil:
			return "", fmt.Errorf("cannot look at mailbox: %w", err)
		case !vfs.Settled(fi, now):
			return "", nil
		}
		known = true
		b.WriteString(vfs.Stamp(fi))
		b.WriteByte('|')
	}
	if !known {
		return "", nil
	}
	return b.String(), nil
}

// Mark implements store.Marked.
func (m *mailbox) Mark() string { return m.opened }
