package store

import (
	"context"

	"isync/internal/mail"
)

// Tracer is implemented by stores that can look for a mailbox that does not exist
// under its name any more.
type Tracer interface {
	// Trace looks for mailboxes that may be the one that was called box. It changes
	// nothing. A store may look at its mailboxes once in a run and answer all calls
	// from that.
	Trace(ctx context.Context, box string, was Identity) (Trace, error)
}

// Identity is what the last run knew about a mailbox.
type Identity struct {
	// UIDValidity is 0 if it is not known.
	UIDValidity uint32
	// MaxUID is the highest UID that was in use.
	MaxUID mail.UID
}

// Fits reports whether a mailbox with this UIDVALIDITY and this UIDNEXT (0: unknown)
// may be the same one. It need not be: some servers give the same UIDVALIDITY to
// several mailboxes.
func (id Identity) Fits(validity uint32, next mail.UID) bool {
	return id.UIDValidity != 0 && validity == id.UIDValidity && (next == 0 || next > id.MaxUID)
}

// Trace is what was found of a mailbox that does not exist under its name any more.
type Trace struct {
	// Boxes are the mailboxes that may be it, by their canonical names, in order.
	Boxes []string
	// Partial: not all mailboxes could be looked at.
	Partial bool
	// Remains says what is left under the name.
	Remains Remains
	// Void is a directory that would hold the mailbox, but does not exist or is empty.
	// A file system may not be mounted there.
	Void string
}

// Remains is what is left of a mailbox under its name.
type Remains uint8

// The values of Remains.
const (
	// NoRemains: nothing is left.
	NoRemains Remains = iota
	// RemainsParent: the name is only that of a parent of other mailboxes (\Noselect).
	RemainsParent
	// RemainsUnsubscribed: the mailbox exists, but is not subscribed to, and the store
	// is limited to mailboxes that are.
	RemainsUnsubscribed
)

// Counter is implemented by mailboxes that know how many messages they hold without
// listing them.
type Counter interface {
	// Count returns the number of messages when the mailbox was opened; -1: unknown.
	Count() int
}
