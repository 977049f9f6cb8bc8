package mail

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// copyOf returns a message as a copy of it would be.
func copyOf(t interface{ Fatal(...any) }, c Conversion, text string) string {
	var b bytes.Buffer
	if _, err := c.Copy(&b, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func digestOf(t interface{ Fatal(...any) }, text string, crlf bool) Digest {
	d, err := ReadDigest(iotestOneByte{strings.NewReader(text)}, crlf)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := ReadDigest(strings.NewReader(text), crlf)
	if err != nil || whole != d {
		t.Fatal("the digest depends on how the message is read", err)
	}
	return d
}

// iotestOneByte reads one byte at a time.
type iotestOneByte struct{ io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// TestDigestOfCopies: a message and any chain of copies of it have the same digest,
// another message has another one, and a placeholder is recognized.
func TestDigestOfCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			"Subject: hello\n", "Subject:\n", "SUBJECT:x\n", "Subject: a\n  b\n", "From: x\n", "X-TUID: abcdefghijkl\n", "X: y\r\n",
			"\n", "body\n", "line\r\n", "no end", "X: a\rb\n", "[placeholder] ", "Subject: [placeholder] x\n",
		})
		text := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "text"), "")
		near := digestOf(t, text, false)
		crlf := false
		copied := text
		for _, to := range rapid.SliceOfN(rapid.Bool(), 1, 4).Draw(t, "copies") {
			copied = copyOf(t, Conversion{FromCRLF: crlf, ToCRLF: to, TUID: "ABCDEFGHIJKL"}, copied)
			crlf = to
		}
		if d := digestOf(t, copied, crlf); d.Sum != near.Sum {
			t.Fatalf("the copy %q of %q is taken for another message", copied, text)
		}
		if d := digestOf(t, text+"x", false); d.Sum == near.Sum {
			t.Fatalf("%q and another message have the same digest", text)
		}
		const size = 1234567
		ph := copyOf(t, Conversion{FromCRLF: crlf, TUID: "ABCDEFGHIJKL", Placeholder: &Placeholder{Size: size}}, copied)
		d, original := digestOf(t, ph, false), digestOf(t, copied, crlf)
		// Where a message has no proper header, it may not be recognized.
		if strings.HasPrefix(text, "Subject: hello\nFrom: x\n\n") && !d.StandsFor(&original, size) {
			t.Fatalf("%q is not recognized as a placeholder of %q", ph, copied)
		}
		if d.StandsFor(&original, size*2) {
			t.Fatal("recognized with another size")
		}
		if original.StandsFor(&d, size) {
			t.Fatal("the message is taken for a placeholder of its placeholder")
		}
	})
}

// TestPlaceholderDigest: placeholders of both programs are recognized by the header and
// the size that they tell.
func TestPlaceholderDigest(t *testing.T) {
	const size = 20 << 20
	for name, header := range map[string]string{
		"plain":      "From: a\nSubject: hello\nTo: b\n",
		"no blank":   "From: a\nSubject:hello\n",
		"folded":     "Subject:\n hello\nFrom: a\n",
		"no subject": "From: a\n",
		"marked":     "Subject: [placeholder] hello\nFrom: a\n",
		"with id":    "X-TUID: abcdefghijkl\nSubject: hello\n",
	} {
		t.Run(name, func(t *testing.T) {
			text := header + "\n" + strings.Repeat("x", 100) + "\n"
			far := copyOf(t, Conversion{ToCRLF: true}, text)
			ph := copyOf(t, Conversion{FromCRLF: true, TUID: "ABCDEFGHIJKL", Placeholder: &Placeholder{Size: size, Flagged: true}}, far)
			d := digestOf(t, ph, false)
			original := digestOf(t, far, true)
			onlyHeader := digestOf(t, copyOf(t, Conversion{ToCRLF: true}, header+"\n"), true)
			if !d.StandsFor(&original, size) || !d.StandsFor(&onlyHeader, size) {
				t.Errorf("%q is not recognized", ph)
			}
			// The words of another program.
			i := strings.Index(ph, "\n\n")
			other := ph[:i] + "\n\nWith 20.0MiB it is too big.\n"
			if d = digestOf(t, other, false); !d.StandsFor(&original, size) {
				t.Errorf("%q is not recognized", other)
			}
			other = ph[:i] + "\n\nWith 120.0MiB it is too big.\n"
			if d = digestOf(t, other, false); d.StandsFor(&original, size) {
				t.Errorf("%q is recognized", other)
			}
		})
	}
}

// TestDigestSize: the size of a message on a server tells the size in its digest.
func TestDigestSize(t *testing.T) {
	for _, tuid := range []string{"", "ABCDEFGHIJKL"} {
		text := copyOf(t, Conversion{ToCRLF: true, TUID: tuid}, "From: a\n\nbody\n")
		if got, want := DigestSize(int64(len(text)), tuid), digestOf(t, text, true).Size; got != want {
			t.Errorf("with X-TUID %q: %d, want %d", tuid, got, want)
		}
		if got := digestOf(t, "From: a\n\nbody\n", false).Size; got != DigestSize(int64(len(text)), tuid) {
			t.Error("the size depends on the line ends")
		}
	}
}
