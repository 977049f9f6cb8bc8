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

func TestDamagedNotes(t *testing.T) {
	for _, text := range []string{"", "x", "isync notes 2\n"} {
		if _, err := ParseNotes([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	n, err := ParseNotes([]byte(NotesVersion + "\nvalidity x\nheld\nheld far 0 1 1 \"\"\nheld far 1 1 1 \"\nheld near 5 1 1 \"\"\nheld near 5 9 1 \"\"\nnew kind\n"))
	if err != nil || len(n.Held) != 1 || len(n.Other) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}

func FuzzParseNotes(f *testing.F) {
	f.Add([]byte(NotesVersion + "\nlate far AAAAAAAAAAAA 5 6 7\nvalidity 1 2\nheld far 1 2 3 \"x\"\nwhole near 1 2 3 \"x\"\nwhole near 2 2 3 +R-S \"x\"\nother\n"))
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
