package syncstate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

func parseState(t *testing.T, s string) *State {
	t.Helper()
	st, err := Parse("s", []byte(s), Near)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestReplay(t *testing.T) {
	const head = "FarUidValidity 1\nNearUidValidity 1\nMaxPulledUid 2\nMaxPushedUid 2\n\n"
	tests := []struct {
		name, state, journal, want string
		check                      func(t *testing.T, s *State)
	}{
		{"nothing", head + "1 1 \n", "5\n", head + "1 1 \n", nil},
		{"copied", head, "5\n+ 3 0\n# 3 0 abcdefghijkl\nF 1 3\n% 3 0 16\n> 3 0 3\n", head + "3 3 S\n", func(t *testing.T, s *State) {
			if s.NewMaxUID != [2]mail.UID{3, 3} || s.UIDNext[Near] != 3 {
				t.Errorf("candidates %v, uidnext %v", s.NewMaxUID, s.UIDNext)
			}
			if r := s.Records.Get(0); r.Any(Pending) || !r.TUID.IsZero() || r.CopyFlags != 0 {
				t.Errorf("left over: %+v", r)
			}
		}},
		{"still pending", head, "5\n+ 3 0\n# 3 0 abcdefghijkl\n", head + "3 0 \n", func(t *testing.T, s *State) {
			if r := s.Records.Get(0); !r.Has(Pending) || r.TUID.String() != "abcdefghijkl" {
				t.Errorf("%+v", r)
			}
		}},
		{"lost", head, "5\n+ 0 3\n# 0 3 abcdefghijkl\n& 0 3\n", head + "0 3 \n", func(t *testing.T, s *State) {
			if r := s.Records.Get(0); !r.Has(Pending) || !r.TUID.IsZero() || r.Target() != Far {
				t.Errorf("%+v", r)
			}
		}},
		{"no jump of the candidates over a gap", head, "5\n+ 3 0\n> 3 0 9\n", head + "3 9 \n", func(t *testing.T, s *State) {
			if s.NewMaxUID != [2]mail.UID{3, 2} {
				t.Errorf("candidates %v", s.NewMaxUID)
			}
		}},
		{"dropped", head + "1 1 \n2 2 \n", "5\n- 1 1\n", head + "2 2 \n", nil},
		{"orphaned keeps its flags", head + "1 1 FS\n", "5\n> 1 1 0\n", head + "1 0 FS\n", nil},
		{"flags", head + "1 1 F\n", "5\n* 1 1 48\n", head + "1 1 ST\n", nil},
		{"expired", head + "4 1 S\n", "5\n~ 4 1 2\n~ 4 1 6\n", strings.Replace(head, "\n\n", "\nMaxExpiredFarUid 4\n\n", 1) + "4 1 ~S\n", nil},
		{"placeholder", head, "5\n+ 3 0\n_ 3 0\n> 3 0 3\n", head + "3 3 >\n", nil},
		{"skipped", head + "3 0 ^\n", "5\n_ 3 0\nF 1 3\n# 3 0 abcdefghijkl\n% 3 0 16\n> 3 0 3\n", head + "3 3 >S\n", nil},
		{"skipped, still pending", head + "3 0 ^\n", "5\n_ 3 0\n", head + "3 0 >\n", func(t *testing.T, s *State) {
			if r := s.Records.Get(0); !r.Has(Pending|NearPlaceholder) || r.Has(Skipped) {
				t.Errorf("%+v", r)
			}
		}},
		{"upgrade", head + "1 1 >S\n2 2 \n", "5\n^ 1 1 18\n$ 1 0 2 0\n# 1 0 abcdefghijkl\n> 1 0 7\nP 0 1\n", head + "1 7 FS\n0 1 \n2 2 \n", func(t *testing.T, s *State) {
			if r := s.Records.Get(1); !r.Purge || !r.Purged {
				t.Errorf("%+v", r)
			}
		}},
		{"uidvalidity, max, trash", head, "5\n| 8 9\nN 0 5\nN 1 6\nT 1 4\n", "FarUidValidity 8\nNearUidValidity 9\nMaxPulledUid 5\nMaxPushedUid 6\n\n", func(t *testing.T, s *State) {
			if s.Trashed[Near].String() != "4" {
				t.Errorf("trashed %v", s.Trashed)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := parseState(t, tt.state)
			if _, torn, err := Replay(s, "j", []byte(tt.journal)); err != nil || torn != nil {
				t.Fatal(err, torn)
			}
			if d := cmp.Diff(tt.want, string(s.AppendTo(nil))); d != "" {
				t.Error(d)
			}
			if tt.check != nil {
				tt.check(t, s)
			}
		})
	}
}

func TestReplayErrors(t *testing.T) {
	for in, want := range map[string]string{
		"4\n":                   "j:1: incompatible journal version '4'; run mbsync of isync 1.4",
		"9\n":                   "j:1: incompatible journal version '9'",
		"5\n? 3 0\n":            "j:2: unrecognized journal entry '? 3 0'",
		"5\n+ 3\n":              "j:2: malformed journal entry '+ 3'",
		"5\n+ 3 0 1\n":          "j:2: malformed",
		"5\n+ 3 x\n":            "j:2: malformed",
		"5\n\n":                 "j:2: malformed",
		"5\n- 3 0\n":            "j:2: entry '- 3 0' refers to a record that does not exist",
		"5\n+ 3 0\n# 3 0 abc\n": "j:3: malformed",
		"5\nF 2 1\n":            "j:2: malformed",
		"5\n* 1 1 64\n":         "j:2: malformed",
		"5\n~ 1 1 1\n":          "j:2: malformed",
		"5\n^ 1 1 0\n":          "j:2: entry '^ 1 1 0' refers to a record that is no placeholder",
		"5\n- 1 1\n- 1 1\n":     "j:3: entry '- 1 1' refers to a record that does not exist",
	} {
		_, _, err := Replay(parseState(t, "\n1 1 S\n"), "j", []byte(in))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", in, err, want)
		}
	}
}

func TestReplayStopsAtATornLine(t *testing.T) {
	for in, end := range map[string]int{"5": 0, "5\n+ 3 0": 2, "5\n+ 3 0\n# 3 0 abc": 8, "": 0, "5\n": 2} {
		s := parseState(t, "\n")
		got, torn, err := Replay(s, "j", []byte(in))
		if err != nil || got != end || (torn != nil) != (end < len(in)) {
			t.Errorf("%q: end %d, torn %v, error %v", in, got, torn, err)
		}
		if torn != nil && !strings.Contains(torn.Error(), ": incomplete journal entry") {
			t.Errorf("%q: %v", in, torn)
		}
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte("5\n+ 3 0\n# 3 0 abcdefghijkl\nF 1 3\n% 3 0 16\n> 3 0 3\n"))
	f.Add([]byte("5\n^ 1 1 18\n$ 1 0 2 0\n# 1 0 abcdefghijkl\n> 1 0 7\nP 0 1\n- 0 1\n"))
	f.Add([]byte("5\n| 8 9\nN 0 5\nT 1 4\n~ 2 2 6\n* 2 2 63\n< 2 2 0\n"))
	f.Fuzz(func(t *testing.T, journal []byte) {
		s := parseState(t, "\n1 1 >S\n2 2 \n")
		end, torn, err := Replay(s, "j", journal)
		if (end < len(journal)) != (torn != nil || err != nil) {
			t.Fatalf("end %d of %d, but torn %v, error %v", end, len(journal), torn, err)
		}
		journal = journal[:end]
		if err != nil {
			if !strings.HasPrefix(err.Error(), "j:") {
				t.Fatalf("error does not name the line: %v", err)
			}
			return
		}
		for i, line := range strings.Split(strings.TrimSuffix(string(journal), "\n"), "\n") {
			if i == 0 {
				continue
			}
			e, err := ParseEntry([]byte(line))
			if err != nil {
				t.Fatalf("replayed, but does not parse: %q", line)
			}
			again, err := ParseEntry([]byte(e.String()))
			if err != nil || again != e {
				t.Fatalf("%q does not survive: %v, %v", line, again, err)
			}
		}
	})
}
