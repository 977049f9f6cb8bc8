package maildir

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		uid   mail.UID
		flags string
		// what it is called with UID 51 and with the flags FS
		withUID, withFlags string
	}{
		{"1.2_3.h", 0, "", "1.2_3.h,U=51", "1.2_3.h:2,FS"},
		{"1.2_3.h,U=7:2,S", 7, "S", "1.2_3.h,U=51:2,S", "1.2_3.h,U=7:2,FS"},
		{"a,U=7,S=100:2,S", 7, "S", "a,U=51,S=100:2,S", "a,U=7,S=100:2,FS"},
		{"a,S=9,U=8:2,", 8, "", "a,S=9,U=51:2,", "a,S=9,U=8:2,FS"},
		{"a,U=9x:2,", 9, "", "a,U=51x:2,", "a,U=9x:2,FS"},
		{"a,U=0:2,", 0, "", "a,U=51:2,", "a,U=0:2,FS"},
		{"a,U=:2,", 0, "", "a,U=51:2,", "a,U=:2,FS"},
		{"a,U=1,U=2:2,S", 1, "S", "a,U=51,U=2:2,S", "a,U=1,U=2:2,FS"},
		{"a,U=10", 10, "", "a,U=51", "a,U=10:2,FS"},
		{"a,U=11:1,foo", 11, "", "a,U=51:1,foo", "a,U=11:1,foo:2,FS"},
		{"a,U=12:2", 12, "", "a,U=51:2", "a,U=12:2:2,FS"},
		{"a,U=99999999999:2,", mail.MaxUID, "", "a,U=51:2,", "a,U=99999999999:2,FS"},
		{"a;2,S", 0, "", "a;2,S,U=51", "a;2,S:2,FS"},
		{"a:2,SF", 0, "FS", "a,U=51:2,SF", "a:2,FS"},
		{"a:2,zaSRb", 0, "RS", "a,U=51:2,zaSRb", "a:2,FSzab"},
		{"a:2,FaSbF:3", 0, "FS", "a,U=51:2,FaSbF:3", "a:2,FSab"},
		{"a:2,T,foo", 0, "T", "a,U=51:2,T,foo", "a:2,FSfo"},
		{"a:x:2,S", 0, "S", "a,U=51:x:2,S", "a:x:2,FS"},
		{"a:2,U=15", 15, "", "a:2,U=51", "a,U=15:2,FS"},
		{"a,U=5:2,:2,S", 5, "S", "a,U=51:2,:2,S", "a,U=5:2,FS"},
		{"a,U=5:2,S:2,R", 5, "RS", "a,U=51:2,S:2,R", "a,U=5:2,FS"},
		{"a,U=5:2,S,F", 5, "FS", "a,U=51:2,S,F", "a,U=5:2,FS"},
		{"a,U=5:2,1S", 5, "S", "a,U=51:2,1S", "a,U=5:2,FS"},
		{"a,U=5:2, S", 5, "S", "a,U=51:2, S", "a,U=5:2,FS"},
		{"a,U=5:2,:2,Xb-Yc:2,Tb", 5, "T", "a,U=51:2,:2,Xb-Yc:2,Tb", "a,U=5:2,FSbc"},
		{"a:2,S,U=15,F", 15, "FS", "a:2,S,U=51,F", "a,U=15:2,FS"},
		{"a:2,U=15S", 15, "S", "a:2,U=51S", "a,U=15:2,FS"},
		{"a,U=5:2,S\n:2,R", 5, "RS", "a,U=51:2,S\n:2,R", "a,U=5:2,FS"},
		{"a,U=5:1,x:2,S:1,F", 5, "FS", "a,U=51:1,x:2,S:1,F", "a,U=5:1,x:2,FS"},
		{"a:2,S,U=15", 15, "S", "a:2,S,U=51", "a,U=15:2,FS"},
	} {
		got := []any{nameUID(c.name), nameFlags(c.name, ':').String(), withUID(c.name, ':', 51), withFlags(c.name, ':', mail.FlagFlagged|mail.FlagSeen)}
		if d := cmp.Diff([]any{c.uid, c.flags, c.withUID, c.withFlags}, got); d != "" {
			t.Errorf("%q: %s", c.name, d)
		}
	}
	if got := withoutUID("a,U=7,S=100:2,S", ':'); got != "a,S=100:2,S" {
		t.Errorf("without UID: %q", got)
	}
}

func FuzzName(f *testing.F) {
	f.Add("1700000000.123_4.host,U=5:2,FSab", byte(':'), uint32(17), byte(3))
	f.Add("a,U=99999999999;2,T", byte(';'), uint32(1), byte(63))
	f.Add(":2,:2,,U=,U=4", byte(':'), uint32(1<<32-1), byte(0))
	f.Fuzz(func(t *testing.T, name string, delim byte, uid uint32, flags byte) {
		if delim != ':' && delim != ';' && delim != '!' || uid == 0 {
			return
		}
		u, fl := mail.UID(uid), mail.Flags(flags)&mail.AllFlags
		before := nameFlags(name, delim)
		numbered := withUID(name, delim, u)
		if got := nameUID(numbered); got != u {
			t.Errorf("withUID(%q, %d) = %q has UID %d", name, u, numbered, got)
		}
		if got := nameFlags(numbered, delim); got != before {
			t.Errorf("withUID(%q) = %q changes flags %v to %v", name, numbered, before, got)
		}
		flagged := withFlags(numbered, delim, fl)
		if got := nameFlags(flagged, delim); got != fl {
			t.Errorf("withFlags(%q, %v) = %q has flags %v", numbered, fl, flagged, got)
		}
		if got := nameUID(flagged); got != u {
			t.Errorf("withFlags(%q, %v) = %q has UID %d", numbered, fl, flagged, got)
		}
		if again := withFlags(withFlags(flagged, delim, 0), delim, fl); again != flagged {
			t.Errorf("flags %q there and back are %q", flagged, again)
		}
		_, infoNumbered := splitInfo(numbered, delim)
		_, info := splitInfo(flagged, delim)
		for _, c := range []byte(infoNumbered) {
			if c >= 'a' && c <= 'z' && strings.IndexByte(info, c) < 0 {
				t.Errorf("withFlags(%q) = %q loses letters", numbered, flagged)
			}
		}
		if strings.Trim(info, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("withFlags(%q) = %q is not clean", numbered, flagged)
		}
		if baseName(flagged, delim) != baseName(numbered, delim) {
			t.Errorf("base of %q is not that of %q", flagged, numbered)
		}
		bare := withoutUID(numbered, delim)
		if nameUID(bare) == u && strings.Count(numbered, uidMark) == 1 {
			t.Errorf("withoutUID(%q) = %q", numbered, bare)
		}
		if got := nameFlags(bare, delim); got != before {
			t.Errorf("withoutUID(%q) = %q has flags %v", numbered, bare, got)
		}
		parseArrival(name)
	})
}

func TestArrivalOrder(t *testing.T) {
	for _, want := range [][]string{
		{"9.1_1.h", "10.5_1.h", "100.1_1.h", "1700000000.1_1.h", "1700000001.1_1.h", "abc"},
		{"20.2_9.h", "20.2_10.h", "20.3_1.h", "20.123_5.h", "20.123_45.h:2,S", "20.123_46.h"},
		{"20.5.h", "20.10.h", "20.123.h"},
		{"20.M5P6.h", "20.M40P1.h", "20.M40P7Q3.h", "20.M40P7Q20.h", "20.M41P1.h", "20.M999999P1.h"},
		{"20.#4M9P2.h", "20.#4M9P3.h", "20.#5M1P2.h", "20.#10M0P1.h"},
		{"20.V12I34M99P2.h", "20.V12I34M100P2.h"},
		{"20.P6Q4.h", "20.P7.h", "20.P7Q3.h", "20.P7Q12.h", "20.P10Q1.h"},
		{"20.R123.h", "20.R45.h"},
		{"ABC", "abc", "abd"},
		{"99999999999999999999999.1_1.h", "x.1_1.h"},
	} {
		var got []arrival
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
			got = append(got, parseArrival(want[i]))
		}
		slices.SortFunc(got, compareArrival)
		var names []string
		for _, a := range got {
			names = append(names, a.name)
		}
		if d := cmp.Diff(want, names); d != "" {
			t.Error(d)
		}
	}
}
