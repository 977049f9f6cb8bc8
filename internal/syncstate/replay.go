package syncstate

import (
	"bytes"
	"errors"
	"fmt"

	"isync/internal/mail"
)

// Apply applies an entry to the state. rec is the record that the entry is about, with the UIDs of
// the entry; nil: the entry is not about a record. For OpAdd, rec is the record to be added, or nil
// to make one. Apply returns the record; for OpUpgrade, the new record of the placeholder.
func (s *State) Apply(rec *Record, e Entry) *Record {
	switch e.Op {
	case OpUIDValidity:
		s.UIDValidity = [2]uint32{e.N[0], e.N[1]}
	case OpMaxUID:
		s.setMaxUID(Side(e.N[0]), mail.UID(e.N[1]))
	case OpUIDNext:
		s.UIDNext[e.N[0]] = mail.UID(e.N[1])
	case OpTrashed:
		s.Trashed[e.N[0]].Add(mail.UID(e.N[1]))
	case OpAdd:
		if rec == nil {
			rec = &Record{}
		}
		rec.UID = [2]mail.UID{mail.UID(e.N[0]), mail.UID(e.N[1])}
		rec.Status = Pending
		s.Records.Append(rec)
		for t, u := range rec.UID {
			s.NewMaxUID[t] = max(s.NewMaxUID[t], u)
		}
	case OpDrop:
		rec.Dead = true
	case OpTUID:
		rec.TUID = e.TUID
	case OpLost:
		rec.TUID = TUID{}
	case OpFarUID:
		s.assign(rec, Far, mail.UID(e.N[2]))
	case OpNearUID:
		s.assign(rec, Near, mail.UID(e.N[2]))
	case OpFlags:
		rec.Flags = mail.Flags(e.N[2])
	case OpCopyFlags:
		rec.CopyFlags = mail.Flags(e.N[2])
	case OpStatus:
		rec.Status = Status(e.N[2])
		if rec.Has(Expired) {
			s.MaxExpired = max(s.MaxExpired, rec.UID[s.KeepSide()])
		}
	case OpPlaceholder:
		if rec.Has(Skipped) { // the entry also says that it is copied after all
			rec.Status = rec.Status&^Skipped | Pending
		}
		rec.Status |= PlaceholderOn(rec.Target())
	case OpUpgrade:
		return s.split(rec, mail.Flags(e.N[2]))
	case OpUpgradeFlags:
		rec.Add, rec.Del = mail.Flags(e.N[2]), mail.Flags(e.N[3])
	case OpPurged:
		rec.Purged = true
	}
	return rec
}

// setMaxUID sets the highest propagated UID of side t. If the new value is not
// higher, data about higher UIDs is no longer valid.
func (s *State) setMaxUID(t Side, u mail.UID) {
	was := s.MaxUID[t]
	s.MaxUID[t] = u
	if u > was {
		return
	}
	s.NewMaxUID[t], s.Trashed[t] = u, nil
	if u < was && t == s.KeepSide() {
		s.MaxExpired = min(s.MaxExpired, u)
	}
}

// assign gives the record a UID on side t; 0 makes it an orphan.
func (s *State) assign(rec *Record, t Side, u mail.UID) {
	rec.UID[t] = u
	rec.Assigned[t] = u != 0
	rec.Orphaned = rec.Orphaned || u == 0
	if u != 0 {
		// So the copy does not count as a new message in the next run.
		if u == s.NewMaxUID[t]+1 {
			s.NewMaxUID[t] = u
		}
		if rec.Upgrading {
			rec.Flags = (rec.Flags | rec.Add) &^ rec.Del
		} else if rec.Has(Pending) {
			rec.Flags = rec.CopyFlags
		}
	}
	rec.Status &^= Pending
	rec.CopyFlags, rec.Add, rec.Del, rec.Upgrading = 0, 0, 0, false
	rec.TUID = TUID{}
}

// split begins the upgrade of a placeholder: the record becomes pending for
// the real message, and a new one right after it holds the placeholder.
func (s *State) split(rec *Record, flags mail.Flags) *Record {
	t := Near
	if rec.Has(FarPlaceholder) {
		t = Far
	}
	old := &Record{Purge: true}
	old.UID[t] = rec.UID[t]
	rec.UID[t] = 0
	rec.Status = rec.Status&^(FarPlaceholder|NearPlaceholder) | Pending
	rec.Upgrading = true
	rec.CopyFlags = flags
	s.Records.insertAfter(rec, old)
	return old
}

// Replay applies the journal of an interrupted run to the state it began with.
// name is for error messages, which also name the line.
//
// If the last line has no end, a crash has interrupted writing it. The line is not applied. That is
// safe, because entries that the next run needs are flushed before the action that they announce. end is the
// length of the applied part. If it is less than the length of the journal, torn describes the
// rest, which must be cut off before the journal is continued.
func Replay(s *State, name string, journal []byte) (end int, torn, err error) {
	line := 0
	errorf := func(format string, args ...any) error {
		return &Error{name, line, fmt.Sprintf(format, args...), nil}
	}
	var records *index
	for end < len(journal) {
		line++
		i := bytes.IndexByte(journal[end:], '\n')
		if i < 0 {
			return end, errorf("incomplete journal entry at the end of the file"), nil
		}
		text := journal[end : end+i]
		if line == 1 {
			if v := string(text); v != JournalVersion {
				return end, nil, errorf("%s", versionHint(v))
			}
			end += i + 1
			continue
		}
		e, err := ParseEntry(text)
		if err != nil {
			return end, nil, errorf("%v", err)
		}
		if records == nil {
			records = newIndex(&s.Records)
		}
		key := [2]mail.UID{mail.UID(e.N[0]), mail.UID(e.N[1])}
		var rec *Record
		if e.Op.onRecord() {
			if rec = records.find(key); rec == nil {
				return end, nil, &Error{name, line, fmt.Sprintf("entry '%s' refers to a record that does not exist", e), ErrNoRecord}
			}
		}
		if e.Op == OpUpgrade && !rec.Any(FarPlaceholder|NearPlaceholder) {
			return end, nil, errorf("entry '%s' refers to a record that is no placeholder", e)
		}
		got := s.Apply(rec, e)
		if rec != nil && (rec.Dead || rec.UID != key) {
			records.set(key, nil)
		}
		for _, r := range []*Record{rec, got} {
			if r != nil && !r.Dead {
				records.set(r.UID, r)
			}
		}
		end += i + 1
	}
	return end, nil, nil
}

// ErrNoRecord says that a journal refers to a record that does not exist.
var ErrNoRecord = errors.New("no such record")

// IsFirst reports whether a journal may be from the first run of a pair: it begins with the
// UIDVALIDITYs, or has no complete entry.
func IsFirst(journal []byte) bool {
	version, entries, _ := bytes.Cut(journal, []byte{'\n'})
	first, _, whole := bytes.Cut(entries, []byte{'\n'})
	return string(version) != JournalVersion || !whole || len(first) > 0 && Op(first[0]) == OpUIDValidity
}

// versionHint explains a journal of another version.
func versionHint(v string) string {
	by := map[string]string{
		"2": "isync 1.0 to 1.2", "3": "isync 1.3", "4": "isync 1.4",
	}[v]
	if by == "" {
		return fmt.Sprintf("incompatible journal version '%.20s'; the program that was interrupted must be run once more to finish its work", v)
	}
	return fmt.Sprintf("incompatible journal version '%s'; run mbsync of %s once more to finish what it began", v, by)
}
