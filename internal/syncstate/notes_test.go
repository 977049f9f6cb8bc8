package syncstate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

func TestNotes(t *testing.T) {
	n := &Notes{UIDValidity: [2]uint32{7, 8}, Other: []string{"new kind"}}
	n.Expect(Late{Near, TUID([]byte("AAAAAAAAAAAA")), 5, 6, time.Unix(1_700_000_000, 0)})
	now := time.Unix(1_700_000_000, 0)
	n.Hold(Near, 9, now, "it says \"no\"")
	n.Hold(Far, 4, now, "bad\r\nnews\x1b[31m")
	n.Hold(Far, 4, now.Add(time.Hour), strings.Repeat("ä", 300))
	want := "isync notes 1\nvalidity 7 8\nheld far 4 2 1700000000 +R-S \"" + strings.Repeat("ä", 200)[:0]
	n.Want(Far, 4, mail.FlagAnswered, mail.FlagSeen)
	n.Want(Far, 5, 0, 0) // not held
	want = strings.Replace(want, "held far 4", "whole far 4", 1)
	data := n.Encode()
	if !strings.HasPrefix(string(data), want) {
		t.Errorf("encoded:\n%s", data)
	}
	got, err := ParseNotes(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(data), string(got.Encode())); d != "" {
		t.Errorf("read and written again:\n%s", d)
	}
	if h := got.Find(Far, 4); h == nil || h.Tries != 2 || h.Add != mail.FlagAnswered || h.Del != mail.FlagSeen || !h.Since.Equal(now) || len(h.Why) > MaxWhy {
		t.Errorf("held: %+v", h)
	}
	if u := got.UIDs(Near); u.String() != "9" {
		t.Errorf("near: %s", u)
	}
	if far, near := got.Whole(Far), got.Whole(Near); far.String() != "4" || !near.Empty() {
		t.Errorf("whole: far %s, near %s", far, near)
	}
}

// TestSkipped: a message is held or skipped, and keeps all that is known of it.
func TestSkipped(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	n := &Notes{UIDValidity: [2]uint32{7, 8}}
	n.Hold(Far, 4, now, "no")
	n.Hold(Far, 5, now, "no")
	n.Hold(Near, 4, now, "no")
	n.Want(Far, 4, mail.FlagAnswered, 0)
	about := About{Size: 1234, Date: now.Add(-time.Hour), MessageID: "<a@b>"}
	n.Describe(Far, 4, about)
	n.Describe(Far, 4, About{MessageID: ""})
	n.Describe(Near, 4, About{MessageID: "evil\nskipped 8 held near 9 1 1 \"\""})
	held := *n.Find(Far, 4)
	if !n.Skip(Far, 4) || n.Skip(Far, 4) || n.Skip(Far, 6) || n.Unskip(Far, 5) {
		t.Error("skipped the wrong messages")
	}
	reread := func() {
		t.Helper()
		data := n.Encode()
		got, err := ParseNotes(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(data), string(got.Encode())); d != "" {
			t.Errorf("read and written again:\n%s", d)
		}
		n = got
	}
	reread()
	if u := n.UIDs(Far); u.String() != "5" {
		t.Errorf("held: %s", u)
	}
	if u := n.SkippedUIDs(Far); u.String() != "4" || n.Empty() {
		t.Errorf("skipped: %s", u)
	}
	if d := cmp.Diff(held, *n.FindSkipped(Far, 4)); d != "" {
		t.Error(d)
	}
	if id := n.Find(Near, 4).About.MessageID; strings.Contains(id, "\n") {
		t.Errorf("Message-ID %q", id)
	}
	if !n.Unskip(Far, 4) {
		t.Error("not skipped")
	}
	reread()
	if d := cmp.Diff(held, *n.Find(Far, 4)); d != "" {
		t.Error(d)
	}
	n.Skip(Far, 4)
	n.Hold(Far, 4, now, "no") // it was asked for in another way
	if len(n.Skipped) != 0 || n.Find(Far, 4).Tries != 1 {
		t.Errorf("%+v", n)
	}
	n.Skip(Far, 4)
	n.Forget(func(h Held) bool { return h.Side == Far })
	reread()
	if len(n.Skipped) != 0 || len(n.Held) != 1 {
		t.Errorf("%+v", n)
	}
}

// TestNotedBoxes: the names of mailboxes that were found by their uses survive everything
// but a later name.
func TestNotedBoxes(t *testing.T) {
	n := &Notes{Box: [2]string{"[Gmail]/\"Sent\"\n送", "x"}}
	if n.Empty() {
		t.Error("the notes are said to be empty")
	}
	got, err := ParseNotes(n.Encode())
	if err != nil || got.Box != n.Box {
		t.Errorf("%q, %v", got.Box, err)
	}
	got.Drop()
	if got.Box != n.Box {
		t.Error("dropped")
	}
	for _, line := range []string{"box", "box far", "box far x", "box up \"x\"", `box far "x`} {
		got, err := ParseNotes([]byte(NotesVersion + "\n" + line + "\n"))
		if err != nil || got.Box != [2]string{} {
			t.Errorf("%q: %q, %v", line, got.Box, err)
		}
	}
}

// TestHeldOf: what is noted of deletions that are held is valid only with its UIDVALIDITY.
func TestHeldOf(t *testing.T) {
	n := &Notes{UIDValidity: [2]uint32{7, 8}, HeldOf: [2]int{100, 250}}
	data := n.Encode()
	if n.Empty() || !strings.Contains(string(data), "\ndeletions 7 far 100\ndeletions 8 near 250\n") {
		t.Fatalf("%s", data)
	}
	for text, want := range map[string][2]int{
		string(data): {100, 250},
		strings.Replace(string(data), "validity 7 8", "validity 7 9", 1):                            {100, 0},
		NotesVersion + "\nvalidity 7 8\ndeletions 7 far x\ndeletions near 3\ndeletions 8 near -3\n": {},
	} {
		got, err := ParseNotes([]byte(text))
		if err != nil || got.HeldOf != want {
			t.Errorf("%s: %v, %v", text, got.HeldOf, err)
		}
	}
}

// TestSkippedOfOthers: a line that belongs to another UIDVALIDITY does not apply to the message
// that has the UID now. Versions that do not know such lines leave them in the file.
func TestSkippedOfOthers(t *testing.T) {
	const about = "about 7 far 5 10 0 \"<a@b>\"\n"
	for _, validity := range []string{"validity 7 7\n", "validity 9 7\n"} {
		n, err := ParseNotes([]byte(NotesVersion + "\nskipped 7 held far 4 1 1 \"no\"\nheld far 5 1 1 \"no\"\n" + about + validity))
		if err != nil {
			t.Fatal(err)
		}
		same := validity == "validity 7 7\n"
		if (len(n.Skipped) == 1) != same || (n.Held[0].About.Size == 10) != same {
			t.Errorf("%s%s", validity, n.Encode())
		}
	}
}

func TestDamagedNotes(t *testing.T) {
	for _, text := range []string{"", "x", "isync notes 2\n"} {
		if _, err := ParseNotes([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	n, err := ParseNotes([]byte(NotesVersion + "\nvalidity x\nheld\nheld far 0 1 1 \"\"\nheld far 1 1 1 \"\nheld near 5 1 1 \"\"\nheld near 5 9 1 \"\"\n" +
		"skipped\nskipped 0\nskipped 0 held far\nskipped 0 late far 5 1 1 \"\"\nskipped x held far 5 1 1 \"\"\nskipped 0 held near 5 1 1 \"\"\n" +
		"about\nabout 0 far 1\nabout 0 near 5 -1 0 \"\"\nabout 0 near 5 1 0 x\nabout 0 near 6 1 0 \"x\"\nnew kind\n"))
	if err != nil || len(n.Held) != 1 || len(n.Skipped) != 0 || n.Held[0].About != (About{}) || len(n.Other) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}

func FuzzParseNotes(f *testing.F) {
	f.Add([]byte(NotesVersion + "\nlate far AAAAAAAAAAAA 5 6 7\nvalidity 1 2\nskipped 1 held far 9 2 3 \"x\"\nskipped 2 whole near 7 2 3 +R-S \"x\"\nabout 1 far 9 400 500 \"<a@b>\"\nabout 1 far 1 0 5 \"\"\nheld far 1 2 3 \"x\"\nwhole near 1 2 3 \"x\"\nwhole near 2 2 3 +R-S \"x\"\nother\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNotes(data)
		if err != nil {
			return
		}
		again, err := ParseNotes(n.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(n.Encode()), string(again.Encode())); d != "" {
			t.Error(d)
		}
	})
}
