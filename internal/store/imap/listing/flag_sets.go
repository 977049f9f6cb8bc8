package listing

import (
	"fmt"

	"isync/internal/mail"
)

// FlagSets are the messages of a mailbox as searches find them: the UIDs of all
// messages, and for each flag those of the messages that have it.
type FlagSets struct {
	All mail.UIDSet
	// With has the UIDs of the messages with With[i].Flag.
	With []FlagSet
}

// FlagSet are the messages with a flag.
type FlagSet struct {
	Flag mail.Flags
	UIDs mail.UIDSet
}

// Check verifies that the sets describe a mailbox with exists messages. Its error is an
// *IncompleteError.
func (s *FlagSets) Check(exists uint32) error {
	if n := s.All.Len(); n != uint64(exists) {
		return &IncompleteError{fmt.Sprintf("a search finds %d of %d messages", n, exists)}
	}
	for _, w := range s.With {
		if more := w.UIDs.Without(s.All); !more.Empty() {
			return &IncompleteError{fmt.Sprintf("searches do not agree on whether message %d exists", more[0].First)}
		}
	}
	return nil
}

// Messages yields the messages with their sequence numbers, in order.
func (s *FlagSets) Messages() func(yield func(seq uint32, msg mail.Meta) bool) {
	return func(yield func(uint32, mail.Meta) bool) {
		with := make([]Cursor, len(s.With))
		for i, w := range s.With {
			with[i] = Cursor{w.UIDs}
		}
		seq := uint32(0)
		for u := range s.All.All() {
			seq++
			msg := mail.Meta{UID: u}
			for i := range with {
				if with[i].Has(u) {
					msg.Flags |= s.With[i].Flag
				}
			}
			if !yield(seq, msg) {
				return
			}
		}
	}
}
