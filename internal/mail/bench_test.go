package mail

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// mailText makes a message of about so many bytes: a header such as mail has that
// went through a few servers, and a body of lines.
func mailText(size int, eol string) string {
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])%s\tby mail.example.net with ESMTPS;%s", i, i, i, eol, eol)
	}
	b.WriteString("From: Emperor Penguin <emperor@example.org>" + eol + "Subject: a letter" + eol + eol)
	for i := 0; b.Len() < size; i++ {
		// Lines of base64, and some text.
		n := 76
		if i%8 == 0 {
			n = 20 + i%50
		}
		b.WriteString(strings.Repeat("y", n) + eol)
	}
	return b.String()
}

var benchSizes = []struct {
	name  string
	bytes int
}{{"1KB", 1 << 10}, {"30KB", 30 << 10}, {"1MB", 1 << 20}, {"20MB", 20 << 20}}

// sink takes what is written, as a file or a connection would, and is not asked
// for a buffer of its own.
type sink struct{ n int64 }

func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return len(p), nil
}

// BenchmarkConversion measures how fast a message is brought into the form of the
// other side: from a server to files and back, and from like to like.
func BenchmarkConversion(b *testing.B) {
	for _, way := range []struct {
		name string
		c    Conversion
	}{
		{"pull", Conversion{FromCRLF: true, TUID: tuid}},
		{"push", Conversion{ToCRLF: true, TUID: tuid}},
		{"LF to LF", Conversion{TUID: tuid}},
		{"CRLF to CRLF", Conversion{FromCRLF: true, ToCRLF: true, TUID: tuid}},
	} {
		eol := "\n"
		if way.c.FromCRLF {
			eol = "\r\n"
		}
		for _, size := range benchSizes {
			text := mailText(size.bytes, eol)
			b.Run(way.name+"/"+size.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				r := strings.NewReader("")
				src := struct{ io.Reader }{r} // with no method but Read
				for b.Loop() {
					r.Reset(text)
					if _, err := way.c.Copy(new(sink), src); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestConversionAllocates: what is allocated does not depend on the size of the
// message.
func TestConversionAllocates(t *testing.T) {
	const size = 20 << 20
	for _, c := range []Conversion{{FromCRLF: true, TUID: tuid}, {ToCRLF: true, TUID: tuid}, {TUID: tuid}} {
		eol := "\n"
		if c.FromCRLF {
			eol = "\r\n"
		}
		text := mailText(size, eol)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := c.Copy(new(sink), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		// The buffers, at most.
		if n := after.TotalAlloc - before.TotalAlloc; n > size/100 {
			t.Errorf("%+v: %d bytes for a message of %d", c, n, size)
		}
	}
}
