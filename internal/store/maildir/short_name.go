package maildir

import (
	"errors"
	"os"

	"isync/internal/mail"
)

// shortName returns a new name for a message whose name would be too long with its UID or flags. It keeps
// the time of arrival and the letters of other programs.
func (s *Store) shortName(name string, u mail.UID, flags mail.Flags) string {
	_, info := splitInfo(name, s.opts.InfoDelimiter)
	seconds := s.opts.Clock().Unix()
	const latest = 1<<34 - 1 // longer numbers are no times
	if a := parseArrival(name); a.seconds <= latest {
		seconds = int64(a.seconds)
	}
	return s.newNameAt(seconds, u, flags) + foreignLetters(info)
}

// shorter returns a name for a message whose name would be too long with the UID or the given flags. With
// a database, the beginning of the name is the key, and is kept.
func (m *mailbox) shorter(e entry, flags mail.Flags) string {
	if !m.isMapped() {
		return m.store.shortName(e.name, e.uid, flags)
	}
	delim := m.store.opts.InfoDelimiter
	_, info := splitInfo(e.name, delim)
	return withFlags(m.store.key(e.name), delim, flags) + foreignLetters(info)
}

// maxKey is the maximum length of a key in the database: the name must have room for
// the flags, and for the UID if the mailbox is converted.
const maxKey = maxPart - len(",U=4294967295") - len(":2,DFPRST")

// shortenKeys renames messages without a UID whose keys are too long. Messages that
// cannot be renamed keep their names.
func (m *mailbox) shortenKeys(found []entry) error {
	var touched [2]bool
	for i, e := range found {
		if len(m.store.key(e.name)) <= maxKey {
			continue
		}
		old := e
		e.name = m.store.shortName(e.name, 0, e.flags)
		if err := m.store.fs.Rename(m.pathOf(old), m.pathOf(e)); err != nil {
			if isMissing(err) || ofTheEntry(err) {
				continue
			}
			return err
		}
		touched[e.dir] = true
		found[i] = e
	}
	return m.syncDirs(touched)
}

// bareLinkError returns an error of renaming a file without the paths.
func bareLinkError(err error) error {
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return bareError(err)
}
