package store

import "context"

// SpecialUser is implemented by mailboxes that may have special uses (RFC 6154).
type SpecialUser interface {
	// IsTrashOrJunk reports whether the mailbox has the attribute \Trash or \Junk. It
	// returns false if the store does not know the attributes. It may send a command to
	// the server. It fails only if the store cannot be used any more.
	IsTrashOrJunk(ctx context.Context) (bool, error)
}

// UseFinder is implemented by stores whose mailboxes may have special uses (RFC 6154).
type UseFinder interface {
	// FindUses returns all mailboxes with their special uses. It asks the server at least
	// once in each run.
	FindUses(ctx context.Context) ([]BoxUses, error)
}

// BoxUses are the special uses of a mailbox.
type BoxUses struct {
	Name string // canonical
	// Uses are attributes without the backslash, in lower case, such as "sent".
	Uses []string
}
