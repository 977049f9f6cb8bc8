package syncstate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

// TestAmbiguousNotes: they are written and read again, unless the UIDVALIDITY has changed
// or the line is malformed.
func TestAmbiguousNotes(t *testing.T) {
	n := &Notes{UIDValidity: [2]uint32{7, 9}}
	now := time.Unix(1718003600, 0)
	n.HoldBack(Near, mail.NewUIDSet(1, 2, 5), now)
	n.HoldBack(Far, mail.NewUIDSet(3), now)
	text := string(n.Encode())
	const lines = "ambiguous 7 far 1718003600 3\nambiguous 9 near 1718003600 1:2,5\n"
	if !strings.HasSuffix(text, lines) {
		t.Errorf("got\n%s", text)
	}
	got, err := ParseNotes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Sides {
		if diff := cmp.Diff(n.AmbiguousUIDs(s), got.AmbiguousUIDs(s)); diff != "" {
			t.Error(diff)
		}
	}
	got.Release(Near, mail.NewUIDSet(2, 5))
	if diff := cmp.Diff(mail.NewUIDSet(1), got.AmbiguousUIDs(Near)); diff != "" {
		t.Error(diff)
	}
	got.Release(Near, mail.NewUIDSet(1))
	got.Release(Far, mail.NewUIDSet(3, 4))
	if !got.Empty() {
		t.Errorf("%+v is left", got)
	}
	got, err = ParseNotes([]byte(strings.Replace(text, "validity 7 9", "validity 7 10", 1)))
	if err != nil || got.AmbiguousUIDs(Near) != nil || got.AmbiguousUIDs(Far) == nil {
		t.Errorf("with another UIDVALIDITY: %v, %+v", err, got)
	}
	for _, bad := range []string{"7 far 1 0", "7 far 1 5:4", "7 far 1 x", "7 far x 1", "7 far 1", "x far 1 1", "7 middle 1 1", "7 far 1 1 1", "7 far 1 1,", "7 far 1 4294967296"} {
		got, err := ParseNotes([]byte(NotesVersion + "\nvalidity 7 9\nambiguous " + bad + "\n"))
		if err != nil || !got.Empty() {
			t.Errorf("%q: %v, %+v", bad, err, got)
		}
	}
}
