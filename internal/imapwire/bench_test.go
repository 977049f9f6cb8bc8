package imapwire

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"isync/internal/mail"
)

// BenchmarkFlagLines decodes a listing of 100,000 messages per iteration.
func BenchmarkFlagLines(b *testing.B) {
	var in bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&in, "* %d FETCH (UID %d FLAGS (\\Seen))\r\n", i+1, i+1000)
	}
	in.WriteString("A1 OK done\r\n")
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		d := NewDecoder(bytes.NewReader(in.Bytes()))
		var r Response
		n := 0
		for {
			if err := d.Read(&r, nil); err != nil {
				b.Fatal(err)
			}
			if r.Kind != KindFetch {
				break
			}
			if r.Fetch.Flags == mail.FlagSeen && r.Fetch.UID != 0 {
				n++
			}
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkBodies decodes 100 MB in bodies of 24 KB.
func BenchmarkBodies(b *testing.B) {
	var in bytes.Buffer
	text := bytes.Repeat([]byte("0123456789abcdef01234567\r\n"), 1000)
	for i := range 4000 {
		fmt.Fprintf(&in, "* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {%d}\r\n%s)\r\n", i+1, i+1000, len(text), text)
	}
	b.SetBytes(int64(in.Len()))
	b.ReportAllocs()
	for b.Loop() {
		d := NewDecoder(bytes.NewReader(in.Bytes()))
		var r Response
		for {
			err := d.Read(&r, func(_ *Fetch, _ Section, l *Literal) {
				if _, err := l.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			})
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
