package channel

import "isync/internal/config"

// NameReason is the reason why a mailbox cannot be synchronized under its name.
type NameReason uint8

// The reasons.
const (
	// NameFlattened: with Flatten, the name is the same as that of another mailbox, or is not
	// possible.
	NameFlattened NameReason = iota
	// NameMapped: MapInbox of the store gives the name to the inbox.
	NameMapped
	// NameTwice: one of the mailboxes is synchronized under another name already.
	NameTwice
	// NameMissing: the mailbox has the name of the channel's prefix, so its counterpart in the
	// store would have no name.
	NameMissing
	// NameOld: it is another mailbox, under the name that mbsync before 1.5 gave it.
	NameOld
	// NameReserved: its directory or sync state would have the name of a file
	// that belongs to another mailbox.
	NameReserved
)

// NameError says that a selected mailbox cannot be synchronized because of its name.
type NameError struct {
	Reason NameReason
	// Name is the name that the patterns are matched with.
	Name    string
	Channel *config.Channel
	Store   *config.Store // whose keywords are to blame
	text    string
}

func (e *NameError) Error() string { return e.text }
