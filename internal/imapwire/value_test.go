package imapwire

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
)

func TestUTF7(t *testing.T) {
	for name, raw := range map[string]string{
		"":                   "",
		"INBOX":              "INBOX",
		"a&b":                "a&-b",
		"&":                  "&-",
		"Entwürfe":           "Entw&APw-rfe",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		"😀":                  "&2D3eAA-",
		"é&é":                "&AOk-&-&AOk-",
		"\x00\x1f\x7f":       "&AAAAHwB,-",
		"\ufffd":             "&,,0-",
	} {
		if got, err := EncodeUTF7(name); err != nil || got != raw {
			t.Errorf("encode %q: %q, %v", name, got, err)
		}
		if got, err := DecodeUTF7(raw); err != nil || got != name {
			t.Errorf("decode %q: %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"&", "a&APw", "&APx-", "&AP-", "&AGE-", "&APw-&APw-", "&2D0-", "é", "a\x01", "&/AA-", "&APw=-", "&\n-", "&AAAA\r\n-",
	} {
		if got, err := DecodeUTF7(raw); err != ErrName {
			t.Errorf("decode %q: %q, %v", raw, got, err)
		}
	}
	if _, err := EncodeUTF7("a\xff"); err != ErrNameUTF8 {
		t.Error(err)
	}
}

func FuzzUTF7(f *testing.F) {
	for _, s := range []string{"INBOX", "Entw&APw-rfe", "&2D3eAA-", "Entwürfe", "a&b", "&-&-", "&AGE-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if raw, err := EncodeUTF7(s); err == nil {
			for i := range len(raw) {
				if raw[i] < 0x20 || raw[i] > 0x7e {
					t.Fatalf("%q encodes to %q", s, raw)
				}
			}
			if back, err := DecodeUTF7(raw); err != nil || back != s {
				t.Fatalf("%q → %q → %q, %v", s, raw, back, err)
			}
		}
		if name, err := DecodeUTF7(s); err == nil {
			if back, err := EncodeUTF7(name); err != nil || back != s {
				t.Fatalf("%q → %q → %q, %v", s, name, back, err)
			}
		}
	})
}

// ranges makes a list from the first and last UIDs of its ranges.
func ranges(ends ...mail.UID) (l UIDList) {
	for i := 0; i < len(ends); i += 2 {
		l = append(l, mail.UIDRange{First: ends[i], Last: ends[i+1]})
	}
	return l
}

func TestUIDList(t *testing.T) {
	for in, want := range map[string]UIDList{
		"1":               ranges(1, 1),
		"3:1,5":           ranges(1, 3, 5, 5),
		"5,1:2":           ranges(5, 5, 1, 2),
		"0":               nil,
		"0:2":             ranges(1, 2),
		"4:*":             ranges(4, mail.MaxUID),
		"*:4,4294967295":  ranges(4, mail.MaxUID, mail.MaxUID, mail.MaxUID),
		"1,1,1":           ranges(1, 1, 1, 1, 1, 1),
		"4294967295:10,7": ranges(10, mail.MaxUID, 7, 7),
	} {
		got, err := ParseUIDList(in)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ",", "1,", "1:", ":1", "a", "1 2", "4294967296", "-1", "1:2:3"} {
		if got, err := ParseUIDList(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func FuzzUIDSet(f *testing.F) {
	for _, s := range []string{"1:3,7", "9,8,7:*", "5,4,3,1", "0:1", "4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseUIDList(s)
		if err != nil {
			return
		}
		set := l.Set()
		// A slow way to the same.
		var want mail.UIDSet
		for _, r := range l {
			want.AddRange(r.First, r.Last)
		}
		if !slices.Equal(set, want) {
			t.Fatalf("%q: %v, want %v", s, set, want)
		}
		if set.Empty() {
			return
		}
		if back, err := ParseUIDSet(set.String()); err != nil || !slices.Equal(back, set) {
			t.Fatalf("%q: %v → %q → %v, %v", s, set, set.String(), back, err)
		}
	})
}

func TestDate(t *testing.T) {
	want := time.Date(2026, 2, 7, 21, 0, 9, 0, time.UTC)
	for _, in := range []string{
		" 7-Feb-2026 21:00:09 +0000", "07-feb-2026 22:30:09 +0130", "7-FEB-2026 13:00:09 -0800", "7-Feb-2026  21:00:09",
	} {
		if got, err := ParseDate(in); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "7-Feb-2026", "31-Feb-2026 21:00:09 +0000", "0-Feb-2026 21:00:09 +0000", "7-Fob-2026 21:00:09 +0000",
		"7-Feb-26 21:00:09 +0000", "7-Feb-2026 24:00:09 +0000", "7-Feb-2026 21:00:09 +00", "7-Feb-2026 21:00:09 +0000x",
		"7-Feb-2026 21:00:09 UTC", "7-Feb-10000 21:00:09 +0000",
	} {
		if got, err := ParseDate(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
	for in, want := range map[string]string{
		"7-Feb-0000 21:00:09 +0000":  "0001-01-01T00:00:01Z",
		"1-Jan-0001 00:00:00 +0000":  "0001-01-01T00:00:01Z",
		"1-Jan-0001 00:00:00 +1400":  "0001-01-01T00:00:01Z",
		"31-Dec-9999 23:00:00 -0800": "9999-12-31T23:59:59Z",
		"1-Jan-2263 00:00:00 +0000":  "2263-01-01T00:00:00Z",
		"1-Jan-1900 00:00:00 +0000":  "1900-01-01T00:00:00Z",
	} {
		if got, err := ParseDate(in); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for in, want := range map[time.Time]string{
		time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC):                                    `" 1-Jan-0001 00:00:01 +0000"`,
		time.Unix(1<<40, 0):                                                          `"31-Dec-9999 23:59:59 +0000"`,
		time.Date(1890, 1, 1, 1, 0, 0, 0, time.FixedZone("LMT", 53*60+28)):           `" 1-Jan-1890 00:06:32 +0000"`,
		time.Date(9999, 12, 31, 23, 30, 0, 0, time.UTC).In(time.FixedZone("", 3600)): `"31-Dec-9999 23:30:00 +0000"`,
	} {
		if got := string(AppendDate(nil, in)); got != want {
			t.Errorf("%v: %s", in, got)
		}
	}
	zone := time.FixedZone("", -90*60)
	if got := string(AppendDate(nil, want.In(zone))); got != `" 7-Feb-2026 19:30:09 -0130"` {
		t.Errorf("%s", got)
	}
	if got := string(AppendDate(nil, time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC))); got != `"31-Dec-9999 23:59:59 +0000"` {
		t.Errorf("%s", got)
	}
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{" 7-Feb-2026 21:00:09 +0000", "17-Jul-1996 02:44:25 -0700", "7-Feb-2026 21:00:09", "31-Dec-9999 23:59:60 -2359"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err != nil {
			return
		}
		if y := d.Year(); y < 1 || y > 9999 {
			return // moved there by its zone
		}
		b := AppendDate(nil, d)
		if back, err := ParseDate(string(bytes.Trim(b, `"`))); err != nil || !back.Equal(d) {
			t.Fatalf("%q → %v → %s → %v, %v", s, d, b, back, err)
		}
	})
}

func FuzzCode(f *testing.F) {
	for _, s := range []string{
		`[PERMANENTFLAGS (\Seen a]b \*)] Limited`, "[COPYUID 7 1:3 5:7] x", "[APPENDUID 7 1:3] x",
		"[UIDNEXT 5] y", "[ALERT] z", "[", "[]", `[BADCHARSET ("a]b")] x`, "plain", "[CAPABILITY IMAP4rev1 IDLE]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, text := ParseText(s)
		if len(c.Name)+len(c.Args)+len(text) > len(s) {
			t.Fatalf("%q: %+v %q", s, c, text)
		}
		if c.Src.Len() != 0 && c.Src.Len() != c.Dst.Len() {
			t.Fatalf("%q: %v to %v", s, c.Src, c.Dst)
		}
	})
}

func TestCommand(t *testing.T) {
	render := func(c *Command) (wire, trace string) {
		for _, p := range c.Parts() {
			if p.Literal != nil {
				var b bytes.Buffer
				n, err := p.Literal.Body.WriteTo(&b)
				if err != nil || n != p.Literal.Size {
					t.Errorf("literal: %d, %v", n, err)
				}
				wire += string(AppendLiteralHeader(nil, p.Literal.Size, true)) + b.String()
				continue
			}
			wire += string(p.Text)
			if p.Secret {
				trace += "*"
			} else {
				trace += string(p.Text)
			}
		}
		return wire, trace
	}
	c := NewCommand("LOGIN").String(`a"b\`).Secret("s3cret").Raw("x")
	wire, trace := render(c)
	if wire != "LOGIN \"a\\\"b\\\\\" \"s3cret\" x\r\n" || trace != "LOGIN \"a\\\"b\\\\\" * x\r\n" || c.Err() != nil {
		t.Errorf("%q %q", wire, trace)
	}
	c = NewCommand("X").Set(mail.NewUIDSet(1, 2, 9)).Flags(mail.AllFlags).Number(7).Mailbox("Entwürfe", false).Mailbox("Entwürfe", true).
		String("é").Date(time.Unix(0, 0).UTC()).Literal(2, bytes.NewReader([]byte("ab"))).Flags(0)
	wire, _ = render(c)
	want := "X 1:2,9 (\\Draft \\Flagged $Forwarded \\Answered \\Seen \\Deleted) 7 \"Entw&APw-rfe\" \"Entwürfe\" {2}\r\né \" 1-Jan-1970 00:00:00 +0000\" {2}\r\nab ()\r\n"
	if d := cmp.Diff(want, wire); d != "" || c.Err() != nil {
		t.Error(d, c.Err())
	}
	for _, c := range []*Command{
		NewCommand("X").Raw("a\r\nb"), NewCommand("X").String("a\x00"), NewCommand("X").Set(nil), NewCommand("X").Mailbox("\xff", false),
	} {
		if c.Err() == nil {
			t.Errorf("%s: no error", c.buf)
		}
	}
}

func TestFlagNames(t *testing.T) {
	for i, name := range flagNames {
		if flagOf([]byte(name)) != 1<<i {
			t.Errorf("%s", name)
		}
	}
	for _, name := range []string{"", `\`, `\Recent`, "Seen", `\Seenx`, "$MDNSent", `$Forwarde`} {
		if flagOf([]byte(name)) != 0 {
			t.Errorf("%s", name)
		}
	}
}
