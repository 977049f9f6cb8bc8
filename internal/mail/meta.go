package mail

import "slices"

// Meta describes one message of a listing. It is kept small (16 bytes): a
// mailbox of a million messages is held as one slice of these.
type Meta struct {
	Size  int64 // bytes as the store counts them; 0 unless sizes were asked for
	UID   UID
	Flags Flags // valid only if flags were asked for
}

// FindMeta returns the index of the message with the given UID in a slice
// sorted by UID, or -1.
func FindMeta(msgs []Meta, u UID) int {
	i, ok := slices.BinarySearchFunc(msgs, u, func(m Meta, u UID) int {
		switch {
		case m.UID < u:
			return -1
		case m.UID > u:
			return 1
		}
		return 0
	})
	if !ok {
		return -1
	}
	return i
}
