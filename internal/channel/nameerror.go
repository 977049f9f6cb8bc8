package channel

import "isync/internal/config"

// NameReason is why a mailbox cannot go by its name.
type NameReason uint8

// The reasons.
const (
	// NameFlattened: Flatten of the store makes it another mailbox's name, or
	// has no place for it.
	NameFlattened NameReason = iota
	// NameMapped: MapInbox of the store gives the name to the inbox.
	NameMapped
	// NameTwice: one of the mailboxes is synchronized by another name already.
	NameTwice
	// NameMissing: the mailbox is named like the channel's prefix, and no name
	// is left for its counterpart in the store.
	NameMissing
	// NameOld: it is another mailbox, under the name that old versions gave it.
	NameOld
	// NameReserved: its directory or sync state would have the name of a file
	// that belongs to another mailbox.
	NameReserved
)

// NameError says that a mailbox that was selected cannot be synchronized
// because of its name.
type NameError struct {
	Reason NameReason
	// Name is what the patterns see.
	Name    string
	Channel *config.Channel
	Store   *config.Store // whose keywords are to blame
	text    string
}

func (e *NameError) Error() string { return e.text }
