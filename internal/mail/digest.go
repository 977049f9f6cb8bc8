package mail

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strings"
	"sync"
)

// Digest identifies the contents of a message in any store. Two messages with the same
// Sum differ at most in their line ends and in the value of X-TUID.
type Digest struct {
	// Size is the size in bytes that the message has with CR LF line ends and one X-TUID
	// field.
	Size int64
	// Sum is the hash of the message.
	Sum [sha256.Size]byte
	// Header is the hash of the header.
	Header [sha256.Size]byte
	// Original is not zero if the subject has the mark of a placeholder. It is then the
	// Header of the message that the placeholder stands for.
	Original [sha256.Size]byte
	// text is the beginning of the body, if there is such a mark.
	text string
}

// sameTUID stands for any temporary id in a Digest.
const sameTUID = "isync-digest"

// tuidLine is the length of the X-TUID field in a Digest, with its line end.
const tuidLine = len(TUIDHeader) + TUIDLen + len("\r\n")

// DigestSize returns the Digest.Size of a message with CR LF line ends: size bytes, with
// the value tuid of its X-TUID field ("": there is none). The result is wrong if the field
// is repeated or folded, or if the header is not terminated.
func DigestSize(size int64, tuid string) int64 {
	if tuid != "" {
		size -= int64(len(TUIDHeader) + len(tuid) + len("\r\n"))
	}
	return size + int64(tuidLine)
}

// maxDigestHeader is how much of a header, in bytes, is searched for a subject. A
// longer header is no header of a placeholder.
const maxDigestHeader = 256 << 10

// maxDigestText is how much of the body of a placeholder is kept, in bytes.
const maxDigestText = 1000

var digesters = sync.Pool{New: func() any { return &digester{sum: sha256.New()} }}

// ReadDigest reads a message. crlf says whether its lines end in CR LF. If r yields the
// header only, Header and Original are still right.
func ReadDigest(r io.Reader, crlf bool) (Digest, error) {
	d := digesters.Get().(*digester)
	defer digesters.Put(d)
	d.sum.Reset()
	d.header, d.text, d.state = d.header[:0], d.text[:0], inHeader
	conv := Conversion{FromCRLF: crlf, ToCRLF: true, TUID: sameTUID}
	n, err := conv.Copy(d, r)
	if err != nil {
		return Digest{}, err
	}
	out := Digest{Size: n}
	d.sum.Sum(out.Sum[:0])
	d.finish(&out)
	return out, nil
}

// StandsFor reports whether the message is a placeholder of another one, which has size
// bytes in its store.
func (d *Digest) StandsFor(original *Digest, size int64) bool {
	if d.Original == ([sha256.Size]byte{}) || d.Original != original.Header {
		return false
	}
	label := (&Placeholder{Size: size}).label()
	i := strings.Index(d.text, label)
	return i > 0 && strings.IndexByte("0123456789.", d.text[i-1]) < 0
}

// digester takes a converted message. It ignores CRs, so that line ends do not matter.
type digester struct {
	sum    hash.Hash
	header []byte
	text   []byte
	state  digestState
	plain  []byte // buffer
}

type digestState int8

const (
	inHeader digestState = iota
	inBody
	tooLong // the header is not kept
)

// Write implements io.Writer.
func (d *digester) Write(p []byte) (int, error) {
	n := len(p)
	if bytes.IndexByte(p, '\r') >= 0 {
		d.plain = d.plain[:0]
		for len(p) > 0 {
			i := bytes.IndexByte(p, '\r')
			if i < 0 {
				i = len(p)
			}
			d.plain = append(d.plain, p[:i]...)
			p = p[min(i+1, len(p)):]
		}
		p = d.plain
	}
	d.sum.Write(p)
	if d.state == inHeader {
		p = d.addHeader(p)
	}
	if d.state == inBody && len(d.text) < maxDigestText {
		d.text = append(d.text, p[:min(len(p), maxDigestText-len(d.text))]...)
	}
	return n, nil
}

// addHeader takes the header from p and returns the rest.
func (d *digester) addHeader(p []byte) []byte {
	old := len(d.header)
	d.header = append(d.header, p...)
	end := -1
	if len(d.header) > 0 && d.header[0] == '\n' {
		end = 0
	} else if i := bytes.Index(d.header[max(0, old-1):], []byte("\n\n")); i >= 0 {
		end = max(0, old-1) + i + 1
	}
	switch {
	case end >= 0:
		d.state = inBody
		p = p[end+1-old:]
		d.header = d.header[:end]
	case len(d.header) > maxDigestHeader:
		d.state = tooLong
		return nil
	default:
		return nil
	}
	return p
}

// finish sets the fields of the digest that are made from the header.
func (d *digester) finish(out *Digest) {
	if d.state == tooLong {
		return
	}
	header, original := sha256.New(), sha256.New()
	marked, subject := false, false
	for line := range bytes.Lines(d.header) {
		if subject || !isField(line, "subject:") {
			header.Write(line)
			original.Write(line)
			continue
		}
		subject = true
		// A placeholder may have a space here that the message does not have.
		value := bytes.TrimLeft(line[len("subject:"):], " ")
		writeSubject(header, value)
		var rest []byte
		if rest, marked = bytes.CutPrefix(value, []byte(placeholderMark)); marked {
			if string(bytes.TrimRight(rest, "\n")) == noSubject {
				continue // the line was added
			}
			value = bytes.TrimLeft(rest, " ")
		}
		writeSubject(original, value)
	}
	header.Sum(out.Header[:0])
	if marked {
		original.Sum(out.Original[:0])
		out.text = string(d.text)
	}
}

func writeSubject(h hash.Hash, value []byte) {
	_, _ = io.WriteString(h, "subject:")
	h.Write(value)
}
