package syncstate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
)

const (
	flagF = mail.FlagFlagged
	flagS = mail.FlagSeen
	flagT = mail.FlagDeleted

	expired = ExpireBegun | Expired
)

func rec(f, n mail.UID, flags mail.Flags, st Status) *Record {
	return &Record{UID: [2]mail.UID{f, n}, Flags: flags, Status: st}
}

func recordsOf(list ...*Record) (rs Records) {
	for _, r := range list {
		rs.Put(*r)
	}
	return rs
}

// listOf returns what is in rs.
func listOf(rs *Records) (list []Record) {
	for _, r := range rs.All() {
		list = append(list, r)
	}
	return list
}

// plainly compares Records by what is in them.
var plainly = cmp.Transformer("list", func(rs Records) []Record { return listOf(&rs) })

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		side Side
		in   string
		want State
	}{
		{"empty", Near, "\n", State{}},
		{
			"today", Near,
			"FarUidValidity 7\nNearUidValidity 8\nMaxPulledUid 5\nMaxPushedUid 6\nMaxExpiredFarUid 3\n\n1 1 FS\n2 0 ~\n3 3 >\n4 4 <F\n0 5 \n6 0 ^\n7 7 >~S\n",
			State{
				UIDValidity: [2]uint32{7, 8}, MaxUID: [2]mail.UID{5, 6}, MaxExpired: 3,
				Records: recordsOf(
					rec(1, 1, flagF|flagS, 0), rec(2, 0, 0, expired), rec(3, 3, 0, NearPlaceholder), rec(4, 4, flagF, FarPlaceholder),
					rec(0, 5, 0, 0), rec(6, 0, 0, Skipped), rec(7, 7, flagS, NearPlaceholder|expired),
				),
			},
		},
		{
			"any order of headers, expire side far", Far,
			"MaxExpiredNearUid 2\nMaxPushedUid 6\nNearUidValidity 8\n\n",
			State{UIDValidity: [2]uint32{0, 8}, MaxUID: [2]mail.UID{0, 6}, MaxExpired: 2},
		},
		{
			"names of 1.3", Near,
			"MasterUidValidity 1\nSlaveUidValidity 2\nMaxPulledUid 3\nMaxPushedUid 4\nMaxExpiredMasterUid 5\n\n1 1 X\n",
			State{UIDValidity: [2]uint32{1, 2}, MaxUID: [2]mail.UID{3, 4}, MaxExpired: 5, Records: recordsOf(rec(1, 1, 0, expired))},
		},
		{
			"near limit of 1.2", Near,
			"MasterUidValidity 1\nSlaveUidValidity 2\nMaxExpiredSlaveUid 9\n\n3 1 X\n10 2 S\n12 3 \n8 0 \n4294967295 4 \n5 4294967295 S\n",
			State{UIDValidity: [2]uint32{1, 2}, MaxExpired: 9, Records: recordsOf(
				rec(3, 1, 0, expired), rec(10, 2, flagS, 0), rec(12, 3, 0, 0), rec(8, 0, 0, 0), rec(0, 4, 0, Skipped), rec(5, 0, flagS, Skipped),
			)},
		},
		{
			"one-line header of 1.0", Near,
			"1:5 2:3:6\n4 2 X\n5 3 S\n",
			State{UIDValidity: [2]uint32{1, 2}, MaxUID: [2]mail.UID{5, 6}, MaxExpired: 4, Records: recordsOf(rec(4, 2, 0, expired), rec(5, 3, flagS, 0))},
		},
		{"trimmed record", Near, "\n1 2\n", State{Records: recordsOf(rec(1, 2, 0, 0))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("s", []byte(tt.in), tt.side)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.ExpireSide = tt.side
			tt.want.NewMaxUID = tt.want.MaxUID
			if d := cmp.Diff(&tt.want, got, plainly); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "s: unterminated sync state header",
		"FarUidValidity 1\n":                 "s:1: unterminated sync state header",
		"FarUidValidity\n\n":                 "s:1: malformed sync state header entry 'FarUidValidity'",
		"FarUidValidity x\n\n":               "s:1: malformed",
		"FarUidValidity 4294967296\n\n":      "s:1: malformed",
		"Far 1\n\n":                          "s:1: unrecognized sync state header entry 'Far'",
		"MaxExpiredNearUid 3\n\n":            "s:1: state was made with ExpireSide Far",
		"\n1 1 S":                            "s:2: incomplete last line",
		"\n1 1 Q\n":                          "s:2: malformed sync state entry '1 1 Q'",
		"\n1 1 S\n1\n":                       "s:3: malformed",
		"\n1  1 S\n":                         "s:2: malformed",
		"\n-1 1 S\n":                         "s:2: malformed",
		"\n\n":                               "s:2: malformed",
		"1:2 3:4\n":                          "s:1: malformed sync state header '1:2 3:4'",
		"1:2 3:4:5x\n":                       "s:1: malformed",
		"\n99999999999 1 \n":                 "s:2: malformed",
		"FarUidValidity 1\n\n1 1 ~~\n2 2 \n": "s:3: malformed",
	} {
		_, err := Parse("s", []byte(in), Near)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", in, err, want)
		}
	}
	if _, err := Parse("s", []byte("MaxExpiredFarUid 3\n\n"), Far); err == nil {
		t.Error("the wrong ExpireSide was accepted")
	}
}

func genState(t *rapid.T) *State {
	uid := rapid.Uint32Range(0, 1<<32-2)
	s := New(Side(rapid.IntRange(0, 1).Draw(t, "xside")))
	for i := range 2 {
		s.UIDValidity[i] = uid.Draw(t, "val")
		s.MaxUID[i] = mail.UID(uid.Draw(t, "max"))
	}
	s.MaxExpired = mail.UID(uid.Draw(t, "maxexp"))
	for range rapid.IntRange(0, 8).Draw(t, "n") {
		st := rapid.SampledFrom([]Status{0, expired, Skipped, FarPlaceholder, NearPlaceholder, NearPlaceholder | expired}).Draw(t, "st")
		s.Records.Put(*rec(mail.UID(uid.Draw(t, "f")), mail.UID(uid.Draw(t, "n")), mail.Flags(rapid.Uint8Range(0, 63).Draw(t, "fl")), st))
	}
	s.NewMaxUID = s.MaxUID
	return s
}

func TestStateSurvivesItsFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genState(t)
		got, err := Parse("s", s.AppendTo(nil), s.ExpireSide)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got, plainly); d != "" {
			t.Fatal(d)
		}
	})
}

func TestStateFileLooksAsDocumented(t *testing.T) {
	s := &State{UIDValidity: [2]uint32{1, 2}, MaxUID: [2]mail.UID{3, 4}, ExpireSide: Near, MaxExpired: 2, Records: recordsOf(
		rec(1, 1, flagF|flagS|flagT, 0), rec(2, 0, 0, expired), &Record{UID: [2]mail.UID{9, 9}, Dead: true}, rec(3, 3, flagS, NearPlaceholder),
	)}
	want := "FarUidValidity 1\nNearUidValidity 2\nMaxPulledUid 3\nMaxPushedUid 4\nMaxExpiredFarUid 2\n\n1 1 FST\n2 0 ~\n3 3 >S\n"
	if got := string(s.AppendTo(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("FarUidValidity 7\nNearUidValidity 8\nMaxPulledUid 5\n\n1 1 FS\n2 0 ~\n3 3 >\n"), false)
	f.Add([]byte("1:5 2:3:6\n4 2 X\n5 4294967295 S\n"), false)
	f.Add([]byte("MaxExpiredNearUid 3\n\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, far bool) {
		side := Near
		if far {
			side = Far
		}
		s, err := Parse("s", data, side)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "s:") {
				t.Fatalf("error does not name the file: %v", err)
			}
			return
		}
		out := s.AppendTo(nil)
		again, err := Parse("s", out, side)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, out)
		}
		if string(again.AppendTo(nil)) != string(out) {
			t.Fatalf("not stable:\n%s\n%s", out, again.AppendTo(nil))
		}
	})
}
