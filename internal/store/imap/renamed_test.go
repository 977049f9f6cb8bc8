package imap_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestFindRenamedByID: if the MAILBOXID of a missing mailbox is remembered, and a
// mailbox has the same one, only that mailbox is found, whatever its UIDVALIDITY.
// Otherwise the mailboxes with its UIDVALIDITY are found. Values that are not
// identifiers count as missing.
func TestFindRenamedByID(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\nC: $a LOGIN \"me\" \"pw\"\n"
		list  = "C: $d LIST \"\" \"*\" RETURN (STATUS (UIDNEXT UIDVALIDITY))\n" +
			"S: * LIST () \"/\" A\nS: * STATUS A (UIDNEXT 10 UIDVALIDITY 7)\n" +
			"S: * LIST () \"/\" B\nS: * STATUS B (UIDNEXT 10 UIDVALIDITY 7)\n" +
			"S: * LIST () \"/\" C\nS: * STATUS C (UIDNEXT 10 UIDVALIDITY 8)\n" +
			"S: $d OK\n"
		ids     = "C: $e LIST \"\" \"*\" RETURN (STATUS (MAILBOXID))\n"
		plain   = "C: $d LIST \"\" \"*\"\nS: * LIST () \"/\" A\nS: * LIST () \"/\" B\nS: * LIST () \"/\" C\nS: $d OK\n"
		pending = "C: $u STATUS \"A\" (UIDNEXT UIDVALIDITY)\nC: $v STATUS \"B\" (UIDNEXT UIDVALIDITY)\nC: $w STATUS \"C\" (UIDNEXT UIDVALIDITY)\n" +
			"S: * STATUS A (UIDNEXT 10 UIDVALIDITY 7)\nS: $u OK\nS: * STATUS B (UIDNEXT 10 UIDVALIDITY 7)\nS: $v OK\nS: * STATUS C (UIDNEXT 10 UIDVALIDITY 8)\nS: $w OK\n" +
			"C: $x STATUS \"A\" (MAILBOXID)\nC: $y STATUS \"B\" (MAILBOXID)\nC: $z STATUS \"C\" (MAILBOXID)\n"
	)
	idOf := func(box, id string) string {
		return "S: * LIST () \"/\" " + box + "\nS: * STATUS " + box + " (MAILBOXID " + id + ")\n"
	}
	for _, tt := range []struct {
		name, caps, talk string
		remembered       string
		want             []string
		byID             bool
	}{
		{"one of two", "LIST-STATUS OBJECTID", list + ids + idOf("A", "(x1)") + idOf("B", "(x2)") + idOf("C", "(x3)") + "S: $e OK\n", "x2", []string{"B"}, true},
		{"another UIDVALIDITY", "LIST-STATUS OBJECTID", list + ids + idOf("A", "(x1)") + idOf("B", "(x2)") + idOf("C", "(x3)") + "S: $e OK\n", "x3", []string{"C"}, true},
		{"none", "LIST-STATUS OBJECTID", list + ids + idOf("A", "(x1)") + idOf("B", "(x2)") + idOf("C", "(x3)") + "S: $e OK\n", "x4", []string{"A", "B"}, false},
		{"not remembered", "LIST-STATUS OBJECTID", list + ids + idOf("A", "(x1)") + idOf("B", "(x2)") + "S: $e OK\nC: $f STATUS \"C\" (MAILBOXID)\nS: $f NO\n", "", []string{"A", "B"}, false},
		{"nonsense", "LIST-STATUS OBJECTID", list + ids + idOf("A", "(\x9b\xfc\x01V)") + idOf("B", "x2") + idOf("C", "(x2 x2)") + "S: $e OK\n" +
			"C: $x STATUS \"A\" (MAILBOXID)\nC: $y STATUS \"B\" (MAILBOXID)\nC: $z STATUS \"C\" (MAILBOXID)\nS: $x NO\nS: $y NO\nS: $z NO\n", "x2", []string{"A", "B"}, false},
		{"refused", "LIST-STATUS OBJECTID", list + ids + "S: $e BAD no\nC: $x STATUS \"A\" (MAILBOXID)\nC: $y STATUS \"B\" (MAILBOXID)\nC: $z STATUS \"C\" (MAILBOXID)\n" +
			"S: * STATUS B (MAILBOXID (x2))\nS: $x NO\nS: $y OK\nS: $z NO\n", "x2", []string{"B"}, true},
		{"no identifiers", "LIST-STATUS", list, "x2", []string{"A", "B"}, false},
		{"one by one", "OBJECTID", plain + pending + "S: * STATUS A (MAILBOXID (x1))\nS: $x OK\nS: * STATUS B (MAILBOXID (x2))\nS: $y OK\nS: $z NO\n", "x2", []string{"B"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := testkit.NewScriptServer(t, nil, hello+"S: $a OK [CAPABILITY IMAP4rev1 "+tt.caps+"] in\nC: $p LIST \"\" \"\"\nS: * LIST () \"/\" \"\"\nS: $p OK\n"+tt.talk+"C~ .* LOGOUT\n")
			cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
			key := memo.Key{Account: "me", Box: "Work"}
			l := &memo.Listing{UIDValidity: 7, UIDNext: 5, ModSeq: 1, MailboxID: tt.remembered, Complete: time.Unix(1, 0), Messages: []mail.Meta{}}
			if err := cache.Save(key, l.Encode(key)); err != nil {
				t.Fatal(err)
			}
			s := imap.New(imap.Options{
				Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second},
				Login: loginWith("me", "pw"), Listings: cache,
				Account: func(context.Context) (string, error) { return "me", nil },
			})
			defer s.Close()
			got, err := s.FindRenamed(t.Context(), "Work", store.LastKnown{UIDValidity: 7, MaxUID: 4})
			if err != nil || !slices.Equal(got.Boxes, tt.want) || got.ByID != tt.byID {
				t.Errorf("%+v %v, want %q %v", got, err, tt.want, tt.byID)
			}
		})
	}
}
