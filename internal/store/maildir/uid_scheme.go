package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"isync/internal/event"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

// scheme is where a mailbox keeps its UIDs. What is there counts, not what the
// configuration asks for: that is for mailboxes without UIDs only.
type scheme uint8

const (
	// schemeNone: nowhere yet.
	schemeNone scheme = iota
	// schemeNames: in the names of the files; .uidvalidity is there. What else
	// is there does not count.
	schemeNames
	// schemeMap: in our database.
	schemeMap
	// schemeForeign: in the database of the C program, which we take over.
	schemeForeign
)

// errConverted: the mailbox has got another scheme while we waited for its lock.
var errConverted = errors.New("the mailbox was converted to another UID scheme meanwhile")

// ErrMapLost: the database with the UIDs of a mailbox no longer exists while the
// mailbox was open.
var ErrMapLost = errors.New("the file with the UIDs of the mailbox no longer exists")

// ForkedError: there are two databases with the UIDs of a mailbox, ours, and one
// that the C program has made, or used, after ours had become the valid one.
// Nothing was changed.
type ForkedError struct{ Ours, Other string }

func (e *ForkedError) Error() string {
	return fmt.Sprintf("both '%s' and '%s' claim to have the UIDs of this mailbox", e.Ours, filepath.Base(e.Other))
}

// scheme finds out where the UIDs of the mailbox in dir are. The state is known
// with schemeNames only.
func (s *Store) scheme(dir string) (scheme, uidState, error) {
	st, err := s.readUIDs(dir)
	switch {
	case err == nil:
		return schemeNames, st, nil
	case !errors.Is(err, errNoUIDs):
		return schemeNone, st, err
	}
	for _, c := range []struct {
		name string
		scheme
	}{{uidmap.FileName, schemeMap}, {uidmap.ForeignName, schemeForeign}} {
		_, err := s.fs.Stat(filepath.Join(dir, c.name))
		switch {
		case err == nil:
			return c.scheme, st, nil
		case !isMissing(err):
			return schemeNone, st, err
		}
	}
	return schemeNone, st, nil
}

// isMapped tells whether the UIDs of a mailbox in that scheme are, or will be, in
// a database.
func (s *Store) isMapped(sc scheme) bool {
	return sc == schemeMap || sc == schemeForeign || sc == schemeNone && s.opts.AltMap
}

// oldSuffix is what the names of outdated databases end in.
const oldSuffix = ".old"

// setAside takes an outdated database out of the way, durably, if it is there. A
// database of ours is that as soon as the UIDs are in the names of files; it must
// not count again if .uidvalidity gets lost. For one of the C program see
// mapFile.update.
func (s *Store) setAside(dir, name string) error {
	path := filepath.Join(dir, name)
	if _, err := s.fs.Stat(path); err != nil {
		if isMissing(err) {
			return nil
		}
		return err
	}
	// Nor must it go if what outdates it might, after a power cut.
	if err := s.syncDir(dir); err != nil {
		return err
	}
	if err := s.fs.Rename(path, path+oldSuffix); err != nil {
		return err
	}
	s.notice(event.OutdatedFileRenamed{Path: path, Name: name + oldSuffix})
	return s.syncDir(dir)
}

// replaceUIDFile makes .uidvalidity one with the given contents, durably and in
// one step. Locks of the previous one mean nothing any more.
func (s *Store) replaceUIDFile(dir string, contents []byte) error {
	tmp := filepath.Join(dir, uidFileName+".tmp")
	err := s.writeFile(tmp, contents)
	if err == nil {
		err = s.fs.Rename(tmp, filepath.Join(dir, uidFileName))
	}
	if err != nil {
		_ = s.fs.Remove(tmp) // or else it is overwritten some day
		return err
	}
	return s.syncDir(dir)
}

func (s *Store) writeFile(path string, contents []byte) error {
	f, err := vfs.CreateLike(s.fs, path, strings.TrimSuffix(path, ".tmp"), os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err == nil && s.opts.FSync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// isOurs tells whether a name in the directory of a mailbox is that of a file to
// keep UIDs in, which is no sub-folder.
func isOurs(name string) bool {
	return name == uidFileName || name == knownFileName || name == mapLockName || name == uidmap.FileName || name == uidmap.ForeignName
}

// isCurrent tells whether the open file still is the one of its name.
func (s *Store) isCurrent(f vfs.File) (bool, error) {
	ours, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := s.fs.Stat(f.Name())
	if isMissing(err) {
		return false, nil
	}
	return err == nil && vfs.SameFile(ours, there), err
}
