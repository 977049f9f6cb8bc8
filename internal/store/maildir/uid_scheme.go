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

// scheme is the place where the UIDs of a mailbox are stored. The existing files determine it. The
// configuration applies only to mailboxes without UIDs.
type scheme uint8

const (
	// schemeNone: the mailbox has no UIDs yet.
	schemeNone scheme = iota
	// schemeNames: in the names of the files. .uidvalidity exists, and other files are ignored.
	schemeNames
	// schemeMap: in the database of this program.
	schemeMap
	// schemeForeign: in the database of mbsync 1.5, which is taken over.
	schemeForeign
)

// errConverted says that the mailbox was converted to another scheme during the wait for its lock.
var errConverted = errors.New("the mailbox was converted to another UID scheme meanwhile")

// ErrMapLost: the database with the UIDs of a mailbox no longer exists while the
// mailbox was open.
var ErrMapLost = errors.New("the file with the UIDs of the mailbox no longer exists")

// ForkedError says that a mailbox has two databases with UIDs: that of this program, and one that mbsync
// 1.5 has created or changed afterwards. Nothing was changed.
type ForkedError struct{ Ours, Other string }

func (e *ForkedError) Error() string {
	return fmt.Sprintf("both '%s' and '%s' claim to have the UIDs of this mailbox", e.Ours, filepath.Base(e.Other))
}

// scheme determines where the UIDs of the mailbox in dir are stored. It returns the state only with
// schemeNames.
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

// isMapped reports whether the UIDs of a mailbox with that scheme are, or will be, in a database.
func (s *Store) isMapped(sc scheme) bool {
	return sc == schemeMap || sc == schemeForeign || sc == schemeNone && s.opts.AltMap
}

// oldSuffix is the suffix of the names of outdated databases.
const oldSuffix = ".old"

// setAside durably renames an outdated database, if it exists. The database of this program is outdated
// as soon as the UIDs are in the names of files. It must not become valid again if .uidvalidity gets
// lost. For the database of mbsync 1.5, see mapFile.update.
func (s *Store) setAside(dir, name string) error {
	path := filepath.Join(dir, name)
	if _, err := s.fs.Stat(path); err != nil {
		if isMissing(err) {
			return nil
		}
		return err
	}
	// The change that outdates it must be durable first.
	if err := s.syncDir(dir); err != nil {
		return err
	}
	if err := s.fs.Rename(path, path+oldSuffix); err != nil {
		return err
	}
	s.notice(event.OutdatedFileRenamed{Path: path, Name: name + oldSuffix})
	return s.syncDir(dir)
}

// replaceUIDFile durably replaces .uidvalidity by a file with the given contents. Locks of the old file
// have no effect any more.
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

// isOurs reports whether a name in the directory of a mailbox is that of a file with UIDs, and so not of a
// sub-folder.
func isOurs(name string) bool {
	return name == uidFileName || name == knownFileName || name == mapLockName || name == uidmap.FileName || name == uidmap.ForeignName
}

// isCurrent reports whether the open file still has its name.
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
