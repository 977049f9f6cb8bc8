package store

import "context"

// SpecialUser is implemented by mailboxes whose store may know what they are for (RFC 6154).
type SpecialUser interface {
	// IsTrashOrJunk reports whether the mailbox has the attribute \Trash or \Junk. It
	// returns false if the store does not know the attributes. It may send a command to
	// the server. It fails only if the store cannot be used any more.
	IsTrashOrJunk(ctx context.Context) (bool, error)
}
