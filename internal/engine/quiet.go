package engine

import (
	"errors"
	"io/fs"

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
	st := stateMark(p.FS, p.StatePath)
	if st == "" {
		return ""
	}
	return far + "\x00" + near + "\x00" + st
}

// stateMark tells whether the state is still the same.
func stateMark(fsys vfs.FS, path string) string {
	f := stateFiles{fs: fsys, path: path}
	for _, p := range []string{f.newPath(), f.journalPath()} {
		if _, err := fsys.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	// A message that is held is tried in each run. A copy that arrives late changes the
	// mark of its mailbox.
	if n, err := f.readNotes(); err != nil || len(n.Held) > 0 {
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
		if s.Explain {
			s.emit(Event{Kind: Debug, Text: "unchanged since a run that found nothing to do; not listed"})
		}
		return true
	}
	return false
}

// quiet returns the fingerprint if the run had nothing to do, and left the state
// as it was.
func (s *session) quiet() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observing.Lock()
	defer s.observing.Unlock()
	p := s.plan
	switch {
	case s.fingerprint == "", s.told, s.acted, s.journal.dirty, s.journal.end != 0,
		s.result.Counts != [2]Counts{}, s.result.Failed+s.result.Problems > 0,
		len(p.Notices)+len(p.Flags[0])+len(p.Flags[1])+len(p.Copies[0])+len(p.Copies[1]) > 0:
		return ""
	}
	return s.fingerprint
}
