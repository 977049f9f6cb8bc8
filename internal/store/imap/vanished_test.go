package imap_test

import (
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
)

// TestRemoveTells: messages are told to be gone that the server reports as expunged by their
// UIDs, and were to be removed.
func TestRemoveTells(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         mail.UIDSet
	}{
		{"all", "S: * VANISHED 2:3,9\nS: $b OK", mail.NewUIDSet(2, 3, 9)},
		{"in parts", "S: * VANISHED 9\nS: * VANISHED 2:3\nS: $b OK", mail.NewUIDSet(2, 3, 9)},
		{"some", "S: * VANISHED 3\nS: $b OK", mail.NewUIDSet(3)},
		{"others, too", "S: * VANISHED 3:5\nS: $b OK", mail.NewUIDSet(3)},
		{"twice", "S: * VANISHED 3\nS: * VANISHED 3\nS: $b OK", mail.NewUIDSet(3)},
		{"of earlier", "S: * VANISHED (EARLIER) 3\nS: $b OK", nil},
		{"sequence numbers", "S: * 3 EXPUNGE\nS: * 2 EXPUNGE\nS: $b OK", nil},
		{"nothing", "S: $b OK", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := recalling(t, nil, helloQResync+enableQResync+selected(resyncParam, "3", "10", "60", "")+
				"C: $b UID EXPUNGE 2:3,9\n"+c.answer+"\n"+goodby)
			m := open(t, s)
			var gone []mail.UID
			err := m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(2, 3, 9), Gone: func(u mail.UID) { gone = append(gone, u) }})
			if err != nil {
				t.Error(err)
			}
			if got := mail.NewUIDSet(gone...); got.String() != c.want.String() || got.Len() != uint64(len(gone)) {
				t.Errorf("%v are gone, want %v", gone, c.want)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
