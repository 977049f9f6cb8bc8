package mail

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const tuid = "abcdefghijkl"

func convert(t *testing.T, c Conversion, in string) string {
	t.Helper()
	var want string
	for i, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		var b bytes.Buffer
		n, err := c.Copy(&b, r)
		if err != nil {
			t.Fatalf("copy: %v", err)
		}
		if n != int64(b.Len()) {
			t.Fatalf("returned %d, wrote %d bytes", n, b.Len())
		}
		if i > 0 && b.String() != want {
			t.Fatalf("depends on how the source is cut:\n%q\n%q", want, b.String())
		}
		want = b.String()
	}
	return want
}

func TestConversion(t *testing.T) {
	toLF := Conversion{FromCRLF: true, TUID: tuid}
	toCRLF := Conversion{ToCRLF: true, TUID: tuid}
	long := strings.Repeat("x", 100_000)
	tests := []struct {
		name string
		c    Conversion
		in   string
		want string
	}{
		{"pull", toLF, "A: b\r\nC: d\r\n\r\nbody\r\n", "A: b\nC: d\nX-TUID: abcdefghijkl\n\nbody\n"},
		{"push", toCRLF, "A: b\nC: d\n\nbody\n", "A: b\r\nC: d\r\nX-TUID: abcdefghijkl\r\n\r\nbody\r\n"},
		{"old TUID replaced in place", toLF, "A: b\r\nX-TUID: 123456789012\r\nC: d\r\n\r\n", "A: b\nX-TUID: abcdefghijkl\nC: d\n\n"},
		{"further TUIDs dropped", toLF, "X-TUID: 1\r\nX-TUID: 2\r\n\r\n", "X-TUID: abcdefghijkl\n\n"},
		{"TUID in another spelling", toLF, "x-Tuid:abc\r\nB: c\r\n\r\n", "X-TUID: abcdefghijkl\nB: c\n\n"},
		{"folded TUID", toLF, "X-TUID: abc\r\n def\r\n\tghi\r\nB: c\r\n d\r\n\r\n", "X-TUID: abcdefghijkl\nB: c\n d\n\n"},
		{"similar fields stay", toLF, "X-TUIDS: a\r\nX-TUI\r\n\r\n", "X-TUIDS: a\nX-TUI\nX-TUID: abcdefghijkl\n\n"},
		{"TUID in the body stays", toLF, "A: b\r\n\r\nX-TUID: 123456789012\r\n", "A: b\nX-TUID: abcdefghijkl\n\nX-TUID: 123456789012\n"},
		{"empty message", toLF, "", "X-TUID: abcdefghijkl\n"},
		{"no header", toLF, "\r\nbody", "X-TUID: abcdefghijkl\n\nbody"},
		{"no empty line", toLF, "A: b\r\n", "A: b\nX-TUID: abcdefghijkl\n"},
		{"cut header", toLF, "A: b", "A: b\nX-TUID: abcdefghijkl\n"},
		{"cut header ending in CR", toLF, "A: b\r", "X-TUID: abcdefghijkl\nA: b\r"},
		{"cut old TUID", toLF, "A: b\r\nX-TUID: 1", "A: b\nX-TUID: abcdefghijkl\n"},
		{"long header line", toLF, "A: " + long + "\r\nB: c\r\n\r\n" + long, "A: " + long + "\nB: c\nX-TUID: abcdefghijkl\n\n" + long},
		{"long TUID line", toLF, "X-TUID: " + long + "\r\nB: c\r\n\r\n", "X-TUID: abcdefghijkl\nB: c\n\n"},
		{"bare LF ends the header", toLF, "A: b\n\nX-TUID: 1\n", "A: b\nX-TUID: abcdefghijkl\n\nX-TUID: 1\n"},
		{"NUL and 8-bit", toLF, "A: \x00\xff\r\n\r\n\x00\xfe", "A: \x00\xff\nX-TUID: abcdefghijkl\n\n\x00\xfe"},
		{"line ends only, dropping", Conversion{FromCRLF: true}, "a\r\nb\rc\r\r\nd\ne\r", "a\nb\rc\r\nd\ne\r"},
		{"line ends only, adding", Conversion{ToCRLF: true}, "a\nb\r\nc\rd\n\n", "a\r\nb\r\nc\rd\r\n\r\n"},
		{"same line ends", Conversion{FromCRLF: true, ToCRLF: true}, "a\nb\r\nc\r", "a\nb\r\nc\r"},
		{"unchanged", Conversion{}, "a\nb\r\nc\r", "a\nb\r\nc\r"},
		{
			"placeholder",
			Conversion{FromCRLF: true, TUID: tuid, Placeholder: &Placeholder{Size: 2048}},
			"Subject: hello\r\nA: b\r\n\r\nbody",
			"Subject: [placeholder] hello\nA: b\nX-TUID: abcdefghijkl\n\nThe size of this message is 2KiB, which exceeds the MaxSize limit.\nTo fetch its contents, flag it and synchronize with Upgrade.\n",
		},
		{
			"placeholder, no subject, flagged",
			Conversion{ToCRLF: true, TUID: tuid, Placeholder: &Placeholder{Size: 1500 << 10, Flagged: true}},
			"A: b",
			"A: b\r\nX-TUID: abcdefghijkl\r\nSubject: [placeholder] (No Subject)\r\n\r\nThe size of this message is 1.5MiB, which exceeds the MaxSize limit.\r\nTo fetch its contents, flag it and synchronize with Upgrade.\r\n\r\nThe original of this message is flagged as important.\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := convert(t, tt.c, tt.in); got != tt.want {
				t.Errorf("got  %.300q\nwant %.300q", got, tt.want)
			}
		})
	}
}

func TestConversionReportsErrors(t *testing.T) {
	boom := iotest.ErrReader(io.ErrClosedPipe)
	c := Conversion{FromCRLF: true, TUID: tuid}
	for _, head := range []string{"", "A: b\r\n", "A: b\r\n\r\nbo"} {
		_, err := c.Copy(io.Discard, io.MultiReader(strings.NewReader(head), boom))
		if err != io.ErrClosedPipe {
			t.Errorf("after %q: error %v", head, err)
		}
	}
	if _, err := c.Copy(failWriter{}, strings.NewReader("A: b\r\n\r\n")); err != io.ErrShortWrite {
		t.Errorf("write error: %v", err)
	}
}

type failWriter struct{}

func (failWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A naive model of the conversion: the whole message in memory.
func model(c Conversion, in string) string {
	conv := func(s string) string {
		switch {
		case c.FromCRLF && !c.ToCRLF:
			return strings.ReplaceAll(s, "\r\n", "\n")
		case !c.FromCRLF && c.ToCRLF:
			return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
		}
		return s
	}
	if c.TUID == "" {
		return conv(in)
	}
	eol := "\n"
	if c.ToCRLF {
		eol = "\r\n"
	}
	var head []string
	rest, found := in, false
	for rest != "" {
		line, tail, ok := strings.Cut(rest, "\n")
		if ok {
			line += "\n"
		}
		if line == "\n" || line == "\r\n" {
			found = true
			break
		}
		head = append(head, line)
		rest = tail
	}
	var b strings.Builder
	done, drop := false, false
	for _, l := range head {
		folded := l[0] == ' ' || l[0] == '\t'
		if drop && folded {
			continue
		}
		ahead := strings.HasSuffix(l, "\r") && !folded && !done
		if ahead {
			b.WriteString("X-TUID: " + c.TUID + eol + l)
			done = true
			continue
		}
		cutOdd := !strings.HasSuffix(l, "\n") && strings.Contains(l, "\r")
		if drop = !cutOdd && len(l) >= 7 && strings.EqualFold(l[:7], "X-TUID:"); drop {
			if !done {
				b.WriteString("X-TUID: " + c.TUID + eol)
			}
			done = true
			continue
		}
		b.WriteString(conv(l))
		switch {
		case strings.HasSuffix(l, "\r"):
			b.WriteString("\r\n")
		case !strings.HasSuffix(l, "\n"):
			b.WriteString(eol)
		}
	}
	if !done {
		b.WriteString("X-TUID: " + c.TUID + eol)
	}
	if found {
		b.WriteString(conv(rest))
	}
	return b.String()
}

func FuzzConversion(f *testing.F) {
	for _, s := range []string{"", "A: b\r\n\r\nc", "X-TUID: 1\r\nX", "\r\r\n\n\r", "A\r", "A: b\n\r\nX", "x-tuid:1\r\n 2\r\n3"} {
		for m := range byte(8) {
			f.Add(s, m)
		}
	}
	f.Fuzz(func(t *testing.T, in string, mode byte) {
		c := Conversion{FromCRLF: mode&1 != 0, ToCRLF: mode&2 != 0}
		if mode&4 != 0 {
			c.TUID = tuid
		}
		if got, want := convert(t, c, in), model(c, in); got != want {
			t.Fatalf("%+v %q: got %q, want %q", c, in, got, want)
		}
	})
}

// TestRemovedHeader: whatever the line ends of a message are, it is as before when
// our header is taken out again; only a last line without an end has got one,
// unless it ends in a CR.
func TestRemovedHeader(t *testing.T) {
	long := strings.Repeat("x", 33<<10)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a: b", "Subject: s", "X", "\r", "\r", "\n", "\r\n", "\n\n", " f", "\t", ":", long, "X-TUIDs: 1"}), 0, 12).Draw(t, "parts")
		in := strings.Join(parts, "")
		crlf := rapid.Bool().Draw(t, "CRLF")
		eol := "\n"
		if crlf {
			eol = "\r\n"
		}
		c := &Conversion{FromCRLF: crlf, ToCRLF: crlf, TUID: "0123456789ab"}
		var out strings.Builder
		n, err := c.Copy(&out, strings.NewReader(in))
		if err != nil || n != int64(out.Len()) {
			t.Fatal(n, err)
		}
		header := TUIDHeader + c.TUID + eol
		before, after, ok := strings.Cut(out.String(), header)
		if !ok || strings.Contains(after, header) {
			t.Fatalf("%.200q: %.200q", in, out.String())
		}
		if before != "" && !strings.HasSuffix(before, "\n") {
			t.Fatalf("the header is not at the beginning of a line: %.200q", out.String())
		}
		switch rest := before + after; {
		case rest == in:
		case strings.HasSuffix(in, "\r") && rest == in+"\r\n" && after == "":
			// The cut line belongs to a folded field, or is a very long one.
		case after == "" && rest == in+eol && !strings.HasSuffix(in, "\r") && !strings.HasSuffix(in, "\n"):
		default:
			t.Fatalf("%.200q became %.200q", in, out.String())
		}
	})
}

// TestOldMacs: messages whose lines end in CR only.
func TestOldMacs(t *testing.T) {
	for _, in := range []string{
		"A: b\r\rbody\r", "A: b\r", "\r", "A: b\nC: d\r", "X-TUID: 1\rA: b\r\rbody\r", "Subject: s\r\r" + strings.Repeat("line\r", 20000),
		"X-TUID: 1\r" + strings.Repeat("line\r", 20000),
	} {
		for _, c := range []Conversion{{}, {ToCRLF: true}, {FromCRLF: true}, {FromCRLF: true, ToCRLF: true}} {
			c.TUID = "0123456789ab"
			var out strings.Builder
			if _, err := c.Copy(&out, strings.NewReader(in)); err != nil {
				t.Fatal(err)
			}
			eol := "\n"
			if c.ToCRLF {
				eol = "\r\n"
			}
			want := in
			if c.ToCRLF && !c.FromCRLF {
				want = strings.ReplaceAll(in, "\n", "\r\n")
			}
			if got := strings.Replace(out.String(), TUIDHeader+c.TUID+eol, "", 1); got != want {
				t.Errorf("%+v: %.100q became %.100q", c, in, out.String())
			}
		}
	}
}

// TestConversionFindsMessageID: the Message-ID is told while the header is copied, before
// the body is.
func TestConversionFindsMessageID(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Subject: x\nMessage-ID: <a@b>\n\nhi\n", "<a@b>"},
		{"message-id:<a@b>\nSubject: x\n\nhi\n", "<a@b>"},
		{"Message-Id:\n <a@b>\nSubject: x\n\nhi\n", "<a@b>"},
		{"Message-ID: \n\t<a@b>\n\nhi\n", "<a@b>"},
		{"Message-ID:\nMessage-ID: <a@b>\nMessage-ID: <c@d>\n\n", "<a@b>"},
		{"Message-ID: <a@b>", "<a@b>"},
		{"Subject: x\n Message-ID: <a@b>\n\nhi\n", ""},
		{"Subject: x\n\nMessage-ID: <a@b>\n", ""},
		{"X: y\n <a@b>\n\n", ""},
		{"Message-ID: " + strings.Repeat("x", 100_000) + "\n\n", strings.Repeat("x", maxField-1)},
	} {
		for _, crlf := range []bool{false, true} {
			text := tt.text
			if crlf {
				text = strings.ReplaceAll(text, "\n", "\r\n")
			}
			var got []string
			c := Conversion{FromCRLF: crlf, TUID: "AAAAAAAAAAAA", MessageID: func(id string) { got = append(got, id) }}
			var out, plain bytes.Buffer
			if _, err := c.Copy(&out, strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
			c.MessageID = nil
			if _, err := c.Copy(&plain, strings.NewReader(text)); err != nil || plain.String() != out.String() {
				t.Errorf("%.50q: the copy differs (%v)", text, err)
			}
			if want := tt.want; len(got) > 1 || (len(got) == 1) != (want != "") || len(got) == 1 && got[0] != want {
				t.Errorf("%.50q: got %.50q, want %.50q", text, got, want)
			}
		}
	}
}
