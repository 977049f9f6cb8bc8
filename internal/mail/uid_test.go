package mail

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUIDSetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s UIDSet
		model := map[UID]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "n") {
			a := UID(rapid.Uint32Range(0, 60).Draw(t, "a"))
			l := UID(rapid.Uint32Range(0, 4).Draw(t, "len"))
			s.AddRange(a, a+l)
			for u := max(a, 1); u <= a+l; u++ {
				model[u] = true
			}
		}
		want := slices.Sorted(maps.Keys(model))
		if got := slices.Collect(s.All()); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if s.Len() != uint64(len(want)) {
			t.Fatalf("Len %d", s.Len())
		}
		for i := 1; i < len(s); i++ {
			if s[i].First <= s[i-1].Last+1 {
				t.Fatalf("ranges touch: %v", s)
			}
		}
		for u := UID(0); u < 70; u++ {
			if s.Contains(u) != model[u] {
				t.Fatalf("Contains(%d) = %v", u, s.Contains(u))
			}
		}
		first, last := UID(rapid.Uint32Range(1, 70).Draw(t, "first")), UID(rapid.Uint32Range(0, 70).Draw(t, "last"))
		all := true
		for u := first; u <= last; u++ {
			all = all && model[u]
		}
		if s.ContainsRange(first, last) != all {
			t.Fatalf("%v contains %d..%d: %v", s, first, last, !all)
		}
		var minus UIDSet
		for range rapid.IntRange(0, 5).Draw(t, "m") {
			a := UID(rapid.Uint32Range(0, 60).Draw(t, "a"))
			minus.AddRange(a, a+UID(rapid.Uint32Range(0, 9).Draw(t, "len")))
		}
		less := s.Without(minus)
		for u := UID(1); u < 80; u++ {
			if less.Contains(u) != (s.Contains(u) && !minus.Contains(u)) {
				t.Fatalf("%v without %v: %v", s, minus, less)
			}
		}
		bytes, uids := rapid.IntRange(1, 20).Draw(t, "bytes"), rapid.Uint64Range(0, 7).Draw(t, "uids")
		var joined UIDSet
		for _, p := range s.Split(bytes, uids) {
			if len(p) > 1 && len(p.String()) > bytes {
				t.Fatalf("piece %q longer than %d", p, bytes)
			}
			if uids > 0 && p.Len() > uids {
				t.Fatalf("piece %q holds more than %d", p, uids)
			}
			joined.AddSet(p)
		}
		if joined.String() != s.String() {
			t.Fatalf("split %q joins to %q", s, joined)
		}
	})
}

func TestUIDSetEdges(t *testing.T) {
	s := UIDsFrom(0)
	s.Add(5)
	if got := s.String(); got != "1:*" {
		t.Errorf("got %q", got)
	}
	var e UIDSet
	e.Add(MaxUID)
	e.AddRange(3, MaxUID-1)
	e.Add(1)
	if got := e.String(); got != "1,3:*" {
		t.Errorf("got %q", got)
	}
	if n := e.Len(); n != 1<<32-2 {
		t.Errorf("Len %d", n)
	}
	if got := NewUIDSet(9, 7, 0, 8, 1).String(); got != "1,7:9" {
		t.Errorf("got %q", got)
	}
	if got := len((UIDSet{{1, MaxUID}}).Split(100, 1<<31)); got != 2 {
		t.Errorf("split into %d", got)
	}
}

func TestFlags(t *testing.T) {
	for f := range AllFlags + 1 {
		got, ok := ParseFlags(f.String())
		if !ok || got != f {
			t.Errorf("%v does not survive: %v", f, got)
		}
	}
	if f, ok := ParseFlags("SaF"); ok || f != FlagSeen|FlagFlagged {
		t.Errorf("got %v, %v", f, ok)
	}
	if AllFlags.String() != "DFPRST" || FlagDeleted != 32 {
		t.Error("the letters or values of the flags changed: they are a file format")
	}
}

func TestCanonicalBox(t *testing.T) {
	for in, want := range map[string]string{
		"inbox": "INBOX", "Inbox/x": "INBOX/x", "INBOX": "INBOX", "inboxes": "inboxes", "a/inbox": "a/inbox",
	} {
		if got := CanonicalBox(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got := IsInbox(CanonicalBox(in)); got != strings.HasPrefix(want, "INBOX") {
			t.Errorf("IsInbox(%q) = %v", in, got)
		}
	}
}

func TestSplitOff(t *testing.T) {
	s := UIDSet{{1, 3}, {5, 5}, {7, 20}}
	for _, tt := range []struct {
		bytes      int
		uids       uint64
		head, rest string
	}{
		{100, 0, "1:3,5,7:20", ""},
		{100, 3, "1:3", "5,7:20"},
		{100, 6, "1:3,5,7:8", "9:20"},
		{7, 0, "1:3,5", "7:20"},
		{1, 2, "1:2", "3,5,7:20"},
	} {
		head, rest := s.SplitOff(tt.bytes, tt.uids)
		if head.String() != tt.head || rest.String() != tt.rest {
			t.Errorf("SplitOff(%d, %d) = %s and %s, want %s and %s", tt.bytes, tt.uids, head, rest, tt.head, tt.rest)
		}
	}
	if s.String() != "1:3,5,7:20" {
		t.Errorf("SplitOff has changed the set to %s", s)
	}
}
