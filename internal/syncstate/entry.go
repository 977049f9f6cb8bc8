package syncstate

import (
	"bytes"
	"fmt"
	"strconv"

	"isync/internal/mail"
)

// Op is the kind of a journal entry: the character its line begins with.
type Op byte

// The kinds of entries (docs/format.md). "f n" name a record by its UIDs.
const (
	OpUIDValidity  Op = '|' // | FV NV: the UIDVALIDITYs are now these
	OpMaxUID       Op = 'N' // N t UID: the highest propagated UID of side t (implied by the commit)
	OpUIDNext      Op = 'F' // F t UID: UIDNEXT of t before copying began
	OpTrashed      Op = 'T' // T t UID: the message has been copied to the trash
	OpAdd          Op = '+' // + f n: new record, pending
	OpDrop         Op = '-' // - f n: the record is gone
	OpTUID         Op = '#' // # f n TUID: the copy will carry this TUID
	OpLost         Op = '&' // & f n: the copy with that TUID was not found
	OpFarUID       Op = '<' // < f n UID: the far UID is now this
	OpNearUID      Op = '>' // > f n UID: the near UID is now this
	OpFlags        Op = '*' // * f n FLAGS: the synchronized flags are now these
	OpCopyFlags    Op = '%' // % f n FLAGS: the message is being propagated with these
	OpStatus       Op = '~' // ~ f n STATUS: the status bits are now these
	OpPlaceholder  Op = '_' // _ f n: the copy will be a placeholder
	OpUpgrade      Op = '^' // ^ f n FLAGS: placeholder upgrade begins
	OpUpgradeFlags Op = '$' // $ f n ADD DEL: flag changes as part of the upgrade
	OpPurged       Op = 'P' // P f n: the outdated placeholder was marked deleted
)

// OpUID returns the kind of entry that assigns a UID on side s.
func OpUID(s Side) Op {
	if s == Far {
		return OpFarUID
	}
	return OpNearUID
}

// JournalVersion is the first line of the journals that we write and replay.
const JournalVersion = "5"

// numbers returns the number of numeric arguments of an entry, without the TUID; 0: there is no
// such entry.
func (o Op) numbers() int {
	switch o {
	case OpUIDValidity, OpMaxUID, OpUIDNext, OpTrashed, OpAdd, OpDrop, OpTUID, OpLost, OpPlaceholder, OpPurged:
		return 2
	case OpFarUID, OpNearUID, OpFlags, OpCopyFlags, OpStatus, OpUpgrade:
		return 3
	case OpUpgradeFlags:
		return 4
	}
	return 0
}

// onRecord reports whether the first two numbers of an entry name a record.
func (o Op) onRecord() bool {
	switch o {
	case OpUIDValidity, OpMaxUID, OpUIDNext, OpTrashed, OpAdd:
		return false
	}
	return true
}

// Entry is one line of a journal.
type Entry struct {
	Op Op
	// N are the numeric arguments in order. If the entry is about a record, N[0] and N[1] are
	// its far and its near UID.
	N    [4]uint32
	TUID TUID // OpTUID only
}

// AppendTo appends the entry's line, with its end, to b.
func (e Entry) AppendTo(b []byte) []byte {
	b = append(b, byte(e.Op))
	for i := range e.Op.numbers() {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(e.N[i]), 10)
	}
	if e.Op == OpTUID {
		b = append(b, ' ')
		b = append(b, e.TUID[:]...)
	}
	return append(b, '\n')
}

// String returns the entry's line without its end.
func (e Entry) String() string { return string(bytes.TrimSuffix(e.AppendTo(nil), []byte("\n"))) }

// ParseEntry parses a line without its end. It accepts only lines that AppendTo writes.
func ParseEntry(line []byte) (Entry, error) {
	bad := fmt.Errorf("malformed journal entry '%.80s'", line)
	if len(line) == 0 {
		return Entry{}, bad
	}
	e := Entry{Op: Op(line[0])}
	count := e.Op.numbers()
	if count == 0 {
		return Entry{}, fmt.Errorf("unrecognized journal entry '%.80s'", line)
	}
	rest := line[1:]
	for i := range count {
		if len(rest) == 0 || rest[0] != ' ' {
			return Entry{}, bad
		}
		var ok bool
		e.N[i], rest, ok = cutNumber(rest[1:])
		if !ok {
			return Entry{}, bad
		}
	}
	if e.Op == OpTUID {
		if len(rest) != 1+mail.TUIDLen || rest[0] != ' ' || rest[1] == 0 {
			return Entry{}, bad
		}
		copy(e.TUID[:], rest[1:])
		rest = nil
	}
	if len(rest) != 0 {
		return Entry{}, bad
	}
	switch e.Op {
	case OpMaxUID, OpUIDNext, OpTrashed:
		if e.N[0] > 1 {
			return Entry{}, bad
		}
	case OpFlags, OpCopyFlags, OpUpgrade:
		if e.N[2] > uint32(mail.AllFlags) {
			return Entry{}, bad
		}
	case OpStatus:
		if e.N[2]&^uint32(allStatus) != 0 {
			return Entry{}, bad
		}
	case OpUpgradeFlags:
		if e.N[2]|e.N[3] > uint32(mail.AllFlags) {
			return Entry{}, bad
		}
	}
	return e, nil
}
