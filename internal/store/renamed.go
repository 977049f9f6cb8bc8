package store

import (
	"context"

	"isync/internal/mail"
)

// RenameFinder is implemented by stores that can find a renamed mailbox.
type RenameFinder interface {
	// FindRenamed looks for mailboxes that may be the one that was named box. It
	// changes nothing. A store may list its mailboxes once in a run and use the result
	// for all calls.
	FindRenamed(ctx context.Context, box string, was LastKnown) (Whereabouts, error)
}

// LastKnown is what the last run knew about a mailbox.
type LastKnown struct {
	// UIDValidity is 0 if it is not known.
	UIDValidity uint32
	// MaxUID is the highest UID that was in use.
	MaxUID mail.UID
}

// Fits reports whether a mailbox with this UIDVALIDITY and this UIDNEXT (0: unknown)
// may be the same one. It need not be: some servers give the same UIDVALIDITY to
// several mailboxes.
func (l LastKnown) Fits(validity uint32, next mail.UID) bool {
	return l.UIDValidity != 0 && validity == l.UIDValidity && (next == 0 || next > l.MaxUID)
}

// Whereabouts are the mailboxes that may be a missing one under another name.
type Whereabouts struct {
	// Boxes are the mailboxes that may be it, by their canonical names, in order.
	Boxes []string
	// ByID: they have the MAILBOXID (RFC 8474) of the missing mailbox; otherwise only
	// its UIDVALIDITY.
	ByID bool
	// Partial: some mailboxes could not be examined.
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
