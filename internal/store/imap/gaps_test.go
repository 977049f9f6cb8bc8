package imap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
)

// TestScanPart: a listing of a part of a mailbox, which has the messages 2, 5
// and 9, is not taken for complete if it is not.
func TestScanPart(t *testing.T) {
	const again = "C: $x NOOP\nS: $x OK\n"
	for _, c := range []struct {
		name, script string
		set          mail.UIDSet
		want         []mail.UID
		err          string
	}{
		{"all there", `
			C: $a UID FETCH 2:9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 2 FETCH (UID 5)
			S: * 3 FETCH (UID 9)
			S: $a OK
		`, mail.UIDsFrom(2), []mail.UID{2, 5, 9}, ""},
		{"beginning left out", `
			C: $a UID FETCH 2:9 (UID)
			S: * 3 FETCH (UID 9)
			S: $a OK
			` + again + `
			C: $b UID FETCH 2:* (UID)
			S: * 3 FETCH (UID 9)
			S: $b OK
		`, mail.UIDsFrom(2), nil, "1 of the messages between UID 1 and 8"},
		{"middle left out, at first", `
			C: $a UID FETCH 2:9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 3 FETCH (UID 9)
			S: $a OK
			` + again + `
			C: $b UID FETCH 2:* (UID)
			S: * 1 FETCH (UID 2)
			S: * 2 FETCH (UID 5)
			S: * 3 FETCH (UID 9)
			S: $b OK
		`, mail.UIDsFrom(2), []mail.UID{2, 5, 9}, ""},
		{"end left out", `
			C: $a UID FETCH 5:9 (UID)
			S: * 2 FETCH (UID 5)
			S: $a OK
			` + again + `
			C: $b UID FETCH 5:* (UID)
			S: * 2 FETCH (UID 5)
			S: $b OK
		`, mail.UIDsFrom(5), nil, "1 of the messages between UID 6 and"},
		{"in two parts", `
			C: $a UID FETCH 2:4,9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 3 FETCH (UID 9)
			S: $a OK
			C: $b UID SEARCH 2
			S: * SEARCH 5
			S: $b OK
		`, mail.UIDSet{{First: 2, Last: 4}, {First: 9, Last: mail.MaxUID}}, []mail.UID{2, 9}, ""},
		{"in two parts, of which one is left out", `
			C: $a UID FETCH 4:5,8:9 (UID)
			S: * 3 FETCH (UID 9)
			S: $a OK
			C: $b UID SEARCH 1:2
			S: * SEARCH 2 5
			S: $b OK
			` + again + `
			C: $c UID FETCH 4:5,8:* (UID)
			S: * 3 FETCH (UID 9)
			S: $c OK
			C: $d UID SEARCH 1:2
			S: * SEARCH 2 5
			S: $d OK
		`, mail.UIDSet{{First: 4, Last: 5}, {First: 8, Last: mail.MaxUID}}, nil, "message 5 exists"},
		{"the first is gone", `
			C: $a UID FETCH 8:9 (UID)
			S: * 3 FETCH (UID 9)
			S: $a OK
			C: $b UID SEARCH 2
			S: * SEARCH 5
			S: $b OK
		`, mail.UIDsFrom(8), []mail.UID{9}, ""},
		{"search refused", `
			C: $a UID FETCH 8:9 (UID)
			S: * 3 FETCH (UID 9)
			S: $a OK
			C: $b UID SEARCH 2
			S: $b NO what
			` + again + `
			C: $c UID FETCH 8:* (UID)
			S: * 3 FETCH (UID 9)
			S: $c OK
			C: $d UID SEARCH 2
			S: $d NO what
		`, mail.UIDsFrom(8), nil, "NO what"},
		{"expunged meanwhile", `
			C: $a UID FETCH 5:9 (UID)
			S: * 2 FETCH (UID 5)
			S: * 1 EXPUNGE
			S: * 2 FETCH (UID 9)
			S: $a OK
		`, mail.UIDsFrom(5), []mail.UID{5, 9}, ""},
		{"an arrival that is left out", `
			C: $a UID FETCH 2:9 (UID)
			S: * 4 EXISTS
			S: * 1 FETCH (UID 2)
			S: * 2 FETCH (UID 5)
			S: * 3 FETCH (UID 9)
			S: $a OK
			C: $b UID FETCH 10:* (UID)
			S: $b OK
		`, mail.UIDsFrom(2), []mail.UID{2, 5, 9}, ""},
		{"nothing new", `
			C: $a UID SEARCH 3
			S: * SEARCH 9
			S: $a OK
		`, mail.UIDsFrom(10), nil, ""},
		{"wrong UIDNEXT", `
			C: $a UID SEARCH 3
			S: * SEARCH 12
			S: $a OK
			C: $e UID SEARCH 3
			S: * SEARCH 12
			S: $e OK
			` + again + `
			C: $b UID FETCH 10:* (UID)
			S: * 3 FETCH (UID 12)
			S: $b OK
			C: $c UID SEARCH 2
			S: * SEARCH 9
			S: $c OK
		`, mail.UIDsFrom(10), []mail.UID{12}, ""},
		{"single messages", `
			C: $a UID FETCH 2,9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 3 FETCH (UID 9)
			S: $a OK
		`, mail.NewUIDSet(2, 9), []mail.UID{2, 9}, ""},
		{"nonsense", `
			C: $a UID FETCH 2,9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 1 FETCH (UID 9)
			S: $a OK
			` + again + `
			C: $b UID FETCH 2,9 (UID)
			S: * 1 FETCH (UID 2)
			S: * 1 FETCH (UID 9)
			S: $b OK
		`, mail.NewUIDSet(2, 9), nil, "out of order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scripted(t, nil, hello+inbox+c.script+goodby)
			m := open(t, s)
			defer m.Close(t.Context())
			l, err := m.Scan(t.Context(), store.Need{UIDs: c.set})
			if c.err != "" {
				if !isBoxError(err) || !strings.Contains(err.Error(), c.err) {
					t.Errorf("Scan = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Collect(func(yield func(mail.UID) bool) {
				for _, m := range l.Messages {
					if !yield(m.UID) {
						return
					}
				}
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
