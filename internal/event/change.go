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

// String returns the name of the change in output, as of something that has happened to a
// message.
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

// Minus returns the differences.
func (c Counts) Minus(o Counts) Counts {
	return Counts{c.New - o.New, c.Flags - o.Flags, c.Trashed - o.Trashed, c.Expunged - o.Expunged}
}

// Outcome is what was done with a pair.
type Outcome struct {
	// Counts of each side.
	Counts [2]Counts
	// Bytes of new messages that were stored on each side.
	Bytes [2]int64
	// Held is the number of deletions that were not propagated, because there are more of
	// them than MaxDelete allows.
	Held int
	// Failed is the number of messages that could not be propagated.
	Failed int
	// Problems is the number of other problems, each of which was reported as an error,
	// but did not stop the pair.
	Problems int
	// Absent tells which mailboxes did not exist, and HasState whether there was a
	// sync state, when the mailboxes were opened.
	Absent   [2]bool
	HasState bool
	// Unchanged: nothing has changed since a run that found nothing to do, so the
	// mailboxes were not listed.
	Unchanged bool
	// Marks are opaque texts: as long as a mailbox has the same one, there is nothing in it that
	// the run does not know. "": unknown.
	Marks [2]string
	// Ambiguous is the number of messages of each side that earlier runs have not copied,
	// because the other side may have them.
	Ambiguous [2]int
	// Foreseen is what a dry run would do to each message, if a preview is wanted,
	// and ForeseenMore the number of messages that are left out of it.
	Foreseen     []Foreseen
	ForeseenMore int
}

// Foreseen is what a dry run would do to a message.
type Foreseen struct {
	// Side is that of the message, UID its UID there.
	Side syncstate.Side
	UID  mail.UID
	// Copy: it is copied to the other side; Placeholder: only a placeholder is.
	Copy, Placeholder bool
	// Add and Del are changes of its flags; Expire, Orphan and Purge tell the
	// reason, as in plan.FlagChange.
	Add, Del              mail.Flags
	Expire, Orphan, Purge bool
	// Trash: it is moved to the trash of its store; RemoteTrash: it is copied to
	// that of the other store; Expunge: it is removed.
	Trash, RemoteTrash, Expunge bool
	// Size is that of the message; 0: unknown.
	Size int64
	// Subject is the field of the header as it is, without line ends; "": unknown.
	Subject string
}
