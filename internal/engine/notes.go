package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// readNotes returns the notes; empty notes if there is no file. They are read and
// written only while the state is locked. It fails if the file has another format;
// the pair is then synchronized without notes.
func (f *stateFiles) readNotes() (*syncstate.Notes, error) {
	data, ok, err := f.read(f.notesPath())
	if err != nil || !ok {
		return &syncstate.Notes{}, err
	}
	n, err := syncstate.ParseNotes(data)
	if err != nil {
		return &syncstate.Notes{}, fmt.Errorf("%s: %w", f.notesPath(), err)
	}
	return n, nil
}

// ReadNotes returns the notes of a pair; empty notes if there is no file. Their
// UIDVALIDITYs may be outdated.
func ReadNotes(fsys vfs.FS, statePath string) (*syncstate.Notes, error) {
	f := stateFiles{fs: fsys, path: statePath}
	return f.readNotes()
}

// writeNotes replaces the notes, durably, or removes them if they are empty.
func (f *stateFiles) writeNotes(n *syncstate.Notes) error {
	if n.Empty() {
		err := f.fs.Remove(f.notesPath())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("removing notes: %w", err)
		}
		return f.syncDir(filepath.Dir(f.path))
	}
	next, like := f.newNotesPath(), f.notesPath()
	if _, err := f.fs.Stat(like); err != nil {
		like = f.path
	}
	file, err := vfs.CreateLike(f.fs, next, like, os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("creating notes: %w", err)
	}
	_, err = file.Write(n.Encode())
	if err == nil && f.sync {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.fs.Rename(next, f.notesPath())
	}
	if err != nil {
		return fmt.Errorf("writing notes: %w", err)
	}
	return f.syncDir(filepath.Dir(f.path))
}

// loadNotes reads the notes of the pair. Notes with another UIDVALIDITY are
// dropped. The state must be loaded and unchanged.
func (s *session) loadNotes() error {
	n, err := s.journal.files.readNotes()
	if err != nil && !errors.Is(err, syncstate.ErrNotes) {
		return err // they would be replaced by others
	}
	if err != nil {
		s.tell(event.Warning, event.NotesUnreadable{Err: err})
	}
	s.notes = n
	s.noted = n.Encode()
	for _, t := range syncstate.Sides {
		if n.UIDValidity[t] != s.state.UIDValidity[t] {
			n.Forget(func(h syncstate.Held) bool { return h.Side == t })
			n.Late = slices.DeleteFunc(n.Late, func(l syncstate.Late) bool { return l.Side == t })
			n.HoldBack(t, nil, time.Time{})
			n.HeldOf[t] = 0
		}
	}
	s.before = s.held()
	return nil
}

// saveNotes writes the notes if they have changed.
func (s *session) saveNotes() error {
	if s.notes == nil || s.DryRun {
		return nil
	}
	s.notes.UIDValidity = s.state.UIDValidity
	s.describeHeld()
	data := s.notes.Encode()
	if slices.Equal(data, s.noted) || s.notes.Empty() && s.noted == nil {
		return nil
	}
	if err := s.journal.files.writeNotes(s.notes); err != nil {
		return err
	}
	s.noted = data
	return nil
}

// describeHeld adds to the notes what this run knows of the messages.
func (s *session) describeHeld() {
	for i := range s.notes.Held {
		h := &s.notes.Held[i]
		about := s.about[h.Side][h.UID]
		if j := mail.FindMeta(s.found[h.Side].Messages, h.UID); j >= 0 && about.Size <= 0 {
			about.Size = s.found[h.Side].Messages[j].Size
		}
		s.notes.Describe(h.Side, h.UID, about)
	}
}

// held returns the messages of each side that are to be tried after everything else.
func (s *session) held() (held [2]mail.UIDSet) {
	if s.notes != nil {
		for _, t := range syncstate.Sides {
			held[t] = s.notes.UIDs(t)
		}
	}
	return held
}

// skipped returns the messages of each side that the user has given up.
func (s *session) skipped() (skipped [2]mail.UIDSet) {
	if s.notes != nil {
		for _, t := range syncstate.Sides {
			skipped[t] = s.notes.SkippedUIDs(t)
		}
	}
	return skipped
}

// whole returns those that MaxSize does not apply to.
func (s *session) whole() (whole [2]mail.UIDSet) {
	if s.notes != nil {
		for _, t := range syncstate.Sides {
			whole[t] = s.notes.Whole(t)
		}
	}
	return whole
}

// forgetHeld drops the notes about messages that are gone, or were copied in another
// way.
func (s *session) forgetHeld() {
	if len(s.notes.Held)+len(s.notes.Skipped) == 0 {
		return
	}
	var known [2]map[mail.UID]bool
	for _, t := range syncstate.Sides {
		known[t] = map[mail.UID]bool{}
	}
	for r := range s.state.Live() {
		if r.Has(syncstate.Pending) {
			continue
		}
		for _, t := range syncstate.Sides {
			known[t][r.UID[t]] = true
		}
	}
	s.notes.Forget(func(h syncstate.Held) bool {
		box := s.found[h.Side]
		gone := box.Loaded.Contains(h.UID) && mail.FindMeta(box.Messages, h.UID) < 0
		return gone || known[h.Side][h.UID]
	})
}
