package imap_test

import (
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
)

// TestToldLate: what was stored is not there for a server that has not told of
// it; where it has, nothing is asked.
func TestToldLate(t *testing.T) {
	const first = `
		C: $a APPEND "INBOX" {3+}
		L: one
		C:
		S: $a OK [APPENDUID 7 20] ok
		C: $n NOOP
		S: * 4 EXISTS
		S: $n OK
		C: $b UID STORE 20 +FLAGS.SILENT (\Deleted)
		S: $b OK
		C: $c UID EXPUNGE 20
		S: * 4 EXPUNGE
		S: * 3 EXISTS
		S: $c OK
	`
	for _, c := range []struct{ name, second string }{
		// The EXISTS of the EXPUNGE was no answer to this one.
		{"never at once", "S: $d OK [APPENDUID 7 21] ok\nC: $e NOOP\nS: * 4 EXISTS\nS: $e OK"},
		{"now at once", "S: * 4 EXISTS\nS: $d OK [APPENDUID 7 21] ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scripted(t, nil, hello+inbox+first+"C: $d APPEND \"INBOX\" {3+}\nL: two\nC:\n"+c.second+
				"\nC: $f UID STORE 21 +FLAGS.SILENT (\\Seen)\nS: $f OK\n"+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			put(t, m, "one")
			setFlags(t, m, store.FlagChange{UID: 20, Add: mail.FlagDeleted})
			if err := m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(20)}); err != nil {
				t.Fatal(err)
			}
			put(t, m, "two")
			setFlags(t, m, store.FlagChange{UID: 21, Add: mail.FlagSeen})
		})
	}
}

// TestNoUIDNextEmpty: an empty mailbox need not always have been so.
func TestNoUIDNextEmpty(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   mail.UID
	}{
		{"S: * STATUS \"INBOX\" (UIDNEXT 12)\nS: $b OK", 12},
		{"S: * STATUS \"INBOX\" ()\nS: $b OK", 1},
		{"S: $b NO not while it is selected", 1},
	} {
		s, _ := scripted(t, nil, hello+
			"C: $a SELECT \"INBOX\"\nS: * FLAGS (\\Seen \\Deleted)\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: $a OK\n"+
			"C: $b STATUS \"INBOX\" (UIDNEXT)\n"+c.answer+"\n"+goodby)
		m := open(t, s)
		if got := m.Info().UIDNext; got != c.want {
			t.Errorf("after %q, UIDNEXT %d", c.answer, got)
		}
		m.Close(t.Context())
	}
}

// TestScanKnown: for messages that were listed before, the server is not asked for changes
// first. One that does not exist any more is left out, and changes of others do no harm.
func TestScanKnown(t *testing.T) {
	s, _ := scripted(t, nil, hello+inbox+`
		C: $b UID FETCH 3:5 (UID RFC822.SIZE)
		S: * 2 FETCH (UID 20 FLAGS (\Seen))
		S: * 1 FETCH (UID 3 RFC822.SIZE 10)
		S: $b OK
		`+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	l, err := m.Scan(t.Context(), store.Need{UIDs: mail.UIDSet{{First: 3, Last: 5}}, SizesFrom: 1, Known: true})
	if err != nil || len(l.Messages) != 1 || l.Messages[0] != (mail.Meta{UID: 3, Size: 10}) {
		t.Errorf("%v, %+v", err, l)
	}
}
