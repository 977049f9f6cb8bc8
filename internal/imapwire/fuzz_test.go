package imapwire

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecoder feeds streams and checks that how they are cut into reads makes
// no difference, and that the decoder ends.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"* OK [CAPABILITY IMAP4rev1] hi\r\nA1 OK [UIDNEXT 5] x\r\n",
		"* 1 FETCH (UID 5 BODY[] {5}\r\nabcde FLAGS (\\Seen))\r\n",
		"* 1 FETCH (BODY[HEADER.FIELDS (\"A\" {1}\r\nB)]<5> ~{3}\r\n\x00)) MODSEQ (7) ENVELOPE ((({2}\r\n))))\r\n* 5 EXISTS\r\n",
		"* LIST (\\A) \"/\" {3}\r\na\r\n (X (\"y\"))\r\n* LIST () \"/\" b (\"OLDNAME\" (\"a\"))\r\n* STATUS x (MESSAGES 5)\r\n",
		"* SEARCH 1 2 3\r\n* ESEARCH (TAG \"A\") UID ALL 1:5 COUNT 5\r\n* VANISHED (EARLIER) 1:7\r\n",
		"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n* ID (\"a\" NIL)\r\n* FLAGS (\\Seen)\r\n* ENABLED X\r\n",
		"* XYZ {3}\r\nabc def {2+}\r\nxy\r\n+ idling\r\n* BYE\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r1, b1, err1 := readAll(bytes.NewReader(in))
		r2, b2, err2 := readAll(iotest.OneByteReader(bytes.NewReader(in)))
		if fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Fatalf("%v, byte by byte %v", err1, err2)
		}
		eq := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if d := cmp.Diff(r1, r2, eq); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(b1, b2); d != "" {
			t.Fatal(d)
		}
		// With a trace, and bodies skipped or written out, it is all the same.
		d := NewDecoder(iotest.HalfReader(bytes.NewReader(in)))
		lines := 0
		d.SetTrace(func([]byte) { lines++ })
		for i := 0; ; i++ {
			var r Response
			err := d.Read(&r, func(_ *Fetch, _ Section, l *Literal) {
				if l.Size()%2 == 0 {
					_, _ = l.WriteTo(io.Discard)
				}
			})
			if err != nil {
				if i != len(r1) || lines < i {
					t.Fatalf("%d responses, %d lines, want %d", i, lines, len(r1))
				}
				break
			}
			if d := cmp.Diff(r1[i], r, eq); d != "" {
				t.Fatal(d)
			}
		}
	})
}
