package engine

import (
	"errors"
	"io/fs"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/vfs"
)

// A run depends only on the two mailboxes, the state and the rules. So if a run had nothing to
// do, the next one has nothing to do while these are the same. Marks identify the contents of
// the mailboxes (store.Marker). The caller knows the rules.

// Fingerprint returns the fingerprint of a pair whose mailboxes have these marks. It is "" if
// a mark is "", or if the last run was not completed.
func Fingerprint(p *Pair, far, near string) string {
	if far == "" || near == "" {
		return ""
	}
	st := stateMark(p)
	if st == "" {
		return ""
	}
	return far + "\x00" + near + "\x00" + st
}

// stateMark returns the mark of the state.
func stateMark(p *Pair) string {
	fsys, path := p.FS, p.StatePath
	f := stateFiles{fs: fsys, path: path}
	for _, p := range []string{f.newPath(), f.journalPath()} {
		if _, err := fsys.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	// A held message is tried in each run, and undoing deletions is continued. A copy that
	// arrives late changes the mark of its mailbox.
	n, err := f.readNotes()
	if err != nil || len(n.Held) > 0 || n.Restoring || len(n.Ambiguous) > 0 && p.DryRun { // the dry run reports them
		return ""
	}
	fi, err := fsys.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	return vfs.Stamp(fi)
}

// isUnchanged makes the fingerprint of the opened pair, and reports whether it is known that
// there is nothing to do.
func (s *session) isUnchanged() bool {
	if s.Unchanged == nil || s.boxes[0] == nil || s.boxes[1] == nil {
		return false
	}
	var marks [2]string
	for t, b := range s.boxes {
		if m, ok := store.As[store.Marked](b); ok {
			marks[t] = m.Mark()
		}
	}
	s.fingerprint = Fingerprint(s.Pair, marks[0], marks[1])
	if s.fingerprint != "" && s.Unchanged(s.fingerprint) {
		s.result.Unchanged = true
		s.result.Ambiguous = Ambiguous(s.Pair)
		if s.Explain {
			s.debug("unchanged since a run that found nothing to do; not listed")
		}
		return true
	}
	return false
}

// finalFingerprint returns the fingerprint if the run had nothing to do, and left the state
// as it was.
func (s *session) finalFingerprint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reporting.Lock()
	defer s.reporting.Unlock()
	p := s.plan
	switch {
	case s.fingerprint == "", s.told, s.acted, s.journal.dirty, s.journal.end != 0,
		s.result.Counts != [2]event.Counts{}, s.result.Failed+s.result.Problems > 0,
		len(p.Notices)+len(p.Flags[0])+len(p.Flags[1])+len(p.Copies[0])+len(p.Copies[1]) > 0:
		return ""
	}
	return s.fingerprint
}
