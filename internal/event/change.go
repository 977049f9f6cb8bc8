package event

import (
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Change is a kind of change.
type Change uint8

// The kinds of changes.
const (
	New Change = iota
	Flags
	Trash
	Expunge
)

// String returns the name of the change in output.
func (c Change) String() string { return [...]string{"new", "flags", "moved", "gone"}[c] }

// Counts are the changes that were made on one side.
type Counts struct {
	New, Flags, Trashed, Expunged int
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.New += o.New
	c.Flags += o.Flags
	c.Trashed += o.Trashed
	c.Expunged += o.Expunged
}

// Total returns the number of all changes.
func (c Counts) Total() int { return c.New + c.Flags + c.Trashed + c.Expunged }

// Max returns the higher one of each count.
func (c Counts) Max(o Counts) Counts {
	return Counts{max(c.New, o.New), max(c.Flags, o.Flags), max(c.Trashed, o.Trashed), max(c.Expunged, o.Expunged)}
}

// Minus returns the difference of each count.
func (c Counts) Minus(o Counts) Counts {
	return Counts{c.New - o.New, c.Flags - o.Flags, c.Trashed - o.Trashed, c.Expunged - o.Expunged}
}

// Outcome is the result of a pair.
type Outcome struct {
	// Counts of each side.
	Counts [2]Counts
	// Bytes of new messages that were stored on each side.
	Bytes [2]int64
	// Held is the number of deletions that were not propagated, because MaxDelete allows fewer.
	Held int
	// Failed is the number of messages that could not be propagated.
	Failed int
	// Problems is the number of other errors that were reported, but did not stop the pair.
	Problems int
	// Absent are the mailboxes that did not exist when they were opened. HasState: there was a
	// sync state.
	Absent   [2]bool
	HasState bool
	// Unchanged: the mailboxes were not listed, because nothing has changed since a run that
	// found nothing to do.
	Unchanged bool
	// Marks are opaque texts. While a mailbox has the same mark, it has no changes that the run
	// does not know. "": unknown.
	Marks [2]string
	// Ambiguous is the number of messages of each side that earlier runs have not copied, because
	// the other side may have them.
	Ambiguous [2]int
	// Foreseen are the changes that a dry run would make to each message, if a preview is wanted.
	// ForeseenMore is the number of messages that are left out.
	Foreseen     []Foreseen
	ForeseenMore int
}

// Foreseen are the changes that a dry run would make to a message.
type Foreseen struct {
	// Side is the side of the message, and UID its UID there.
	Side syncstate.Side
	UID  mail.UID
	// Copy: the message is copied to the other side; Placeholder: only a placeholder is copied.
	Copy, Placeholder bool
	// Add and Del are changes of its flags. Expire, Orphan and Purge are the reasons; see
	// plan.FlagChange.
	Add, Del              mail.Flags
	Expire, Orphan, Purge bool
	// Trash: the message is moved to the trash of its store; RemoteTrash: it is copied to the
	// trash of the other store; Expunge: it is expunged.
	Trash, RemoteTrash, Expunge bool
	// Size is the size in bytes; 0: unknown.
	Size int64
	// Subject is the header field, undecoded and without line ends; "": unknown.
	Subject string
}
