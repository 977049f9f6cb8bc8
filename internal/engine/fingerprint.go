package engine

import (
	"errors"
	"io/fs"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/vfs"
)

// What a run does depends on the two mailboxes, the state, and what is to be
// done, and on nothing else. So if it had nothing to do, the next run will have
// nothing to do as long as these three are the same. Marks tell that of the
// mailboxes (store.Marker); what is to be done the caller knows.

// Fingerprint makes the fingerprint of a pair whose mailboxes have these marks. It
// is "" if one of them is, or the state is not that of a completed run.
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

// stateMark tells whether the state is still the same.
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

// isUnchanged takes the fingerprint of the pair that was opened, and reports
// whether it is known to need nothing.
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
