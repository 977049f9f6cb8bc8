package listing

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
)

// TestFlagSets: the sets of any mailbox yield its messages. If one of the sets has a UID too
// many, or that of all messages has one too few, they are rejected.
func TestFlagSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var msgs []mail.Meta
		s := FlagSets{With: []FlagSet{{Flag: mail.FlagSeen}, {Flag: mail.FlagFlagged}, {Flag: mail.FlagDeleted}}}
		u := mail.UID(0)
		for range rapid.IntRange(0, 40).Draw(t, "messages") {
			u += mail.UID(rapid.IntRange(1, 3).Draw(t, "gap"))
			m := mail.Meta{UID: u}
			s.All.Add(u)
			for i := range s.With {
				if rapid.Bool().Draw(t, "flag") {
					m.Flags |= s.With[i].Flag
					s.With[i].UIDs.Add(u)
				}
			}
			msgs = append(msgs, m)
		}
		exists := uint32(len(msgs))
		if err := s.Check(exists); err != nil {
			t.Fatal(err)
		}
		var got []mail.Meta
		for seq, m := range s.Messages() {
			got = append(got, m)
			if int(seq) != len(got) {
				t.Fatalf("message %d has the sequence number %d", len(got), seq)
			}
		}
		if d := cmp.Diff(msgs, got); d != "" {
			t.Fatal(d)
		}
		rejected := func(err error) bool {
			_, ok := errors.AsType[*IncompleteError](err)
			return ok
		}
		if !rejected(s.Check(exists+1)) || exists > 0 && !rejected(s.Check(exists-1)) {
			t.Fatal("another number of messages is accepted")
		}
		foreign := mail.UID(rapid.IntRange(1, int(u)+2).Draw(t, "foreign"))
		if s.All.Contains(foreign) {
			return
		}
		s.With[1].UIDs.Add(foreign)
		if !rejected(s.Check(exists)) {
			t.Fatal("a flag of another message is accepted")
		}
	})
}
