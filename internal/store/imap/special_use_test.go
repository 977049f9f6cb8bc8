package imap_test

import (
	"testing"

	"isync/internal/store"
)

// TestSpecialUse: the server is asked for the attributes of the mailbox itself. If it refuses
// the option, or knows none, the plain answer counts.
func TestSpecialUse(t *testing.T) {
	const (
		plain    = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS] hi\n"
		extended = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS LIST-EXTENDED SPECIAL-USE] hi\n"
		selected = "C: $s SELECT \"J*\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] ok\nS: * OK [UIDNEXT 10] ok\nS: $s OK [READ-WRITE] done\n"
		simple   = "C: $l LIST \"\" \"J*\"\n"
		with     = "C: $l LIST \"\" \"J*\" RETURN (SPECIAL-USE)\n"
		ok       = "S: $l OK done\n"
	)
	for _, tt := range []struct {
		name, box, script string
		want, fails       bool
	}{
		{"junk", "J*", extended + selected + with + `S: * LIST (\HasNoChildren \junk) "/" "J*"` + "\n" + ok + goodby, true, false},
		{"trash", "J*", extended + selected + with + `S: * LIST (\Trash) "/" "J*"` + "\n" + ok + goodby, true, false},
		{"plain", "J*", plain + selected + simple + `S: * LIST (\Junk) "/" "J*"` + "\n" + ok + goodby, true, false},
		{"other use", "J*", extended + selected + with + `S: * LIST (\Archive) "/" "J*"` + "\n" + ok + goodby, false, false},
		{"other mailbox", "J*", extended + selected + with + `S: * LIST (\Junk) "/" "Junk"` + "\n" + ok + goodby, false, false},
		{"none", "J*", extended + selected + with + ok + goodby, false, false},
		{
			"option refused", "J*", extended + selected + with + "S: $l BAD no\n" +
				"C: $m LIST \"\" \"J*\"\nS: * LIST (\\Junk) \"/\" \"J*\"\nS: $m OK done\n" + goodby,
			true, false,
		},
		{"refused", "J*", plain + selected + simple + "S: $l NO no\n" + goodby, false, false},
		{"lost", "J*", plain + selected + simple + "S: * BYE bye\n", false, true},
		{"inbox", "INBOX", extended + inbox + goodby, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := scripted(t, nil, tt.script)
			m, err := s.Open(t.Context(), tt.box, store.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			u, ok := store.As[store.SpecialUser](m)
			if !ok {
				t.Fatal("no store.SpecialUser")
			}
			got, err := u.IsTrashOrJunk(t.Context())
			if _, lost := asType[*store.StoreError](err); got != tt.want || lost != tt.fails || (err != nil) != tt.fails {
				t.Errorf("%v, %v", got, err)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
