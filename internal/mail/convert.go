package mail

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// TUIDLen is the length of a temporary id: the random mark that a copy of a
// message carries in its X-TUID header so that an interrupted run's copies are
// found again.
const TUIDLen = 12

// TUIDHeader is the header field that carries a TUID, with its separator.
const TUIDHeader = "X-TUID: "

// Conversion says how a message is changed when it is copied. The zero value copies it unchanged.
type Conversion struct {
	// FromCRLF, ToCRLF: the line ends of the source and of the target. Where
	// they differ, converting to CR LF adds a CR before every bare LF,
	// converting to LF drops a CR right before an LF; other CRs stay.
	FromCRLF, ToCRLF bool
	// TUID, if not empty, replaces the first X-TUID header field (others are
	// dropped), however that is spelled or folded, or is added at the end of
	// the header. If the last line is cut after a CR, as in messages with the line
	// ends of old Macs, the id comes before that line: after it, the CR would become
	// part of a line end.
	TUID string
	// Placeholder, if not nil, replaces the body and marks the subject.
	Placeholder *Placeholder
	// MessageID, if not nil, is called with the Message-ID while the header is copied, if
	// there is TUID or Placeholder. It is not called if the message has none.
	MessageID func(id string)
}

// Placeholder describes the message that a placeholder stands for.
type Placeholder struct {
	Size    int64 // bytes
	Flagged bool
}

// placeholderMark goes before the subject of a placeholder.
const placeholderMark = "[placeholder] "

// noSubject is the subject of a placeholder, behind the mark, of a message without one.
const noSubject = "(No Subject)"

// label returns the size of the message for people.
func (p *Placeholder) label() string {
	if p.Size>>10 >= 1000 {
		return fmt.Sprintf("%.1fMiB", float64(p.Size)/(1<<20))
	}
	return fmt.Sprintf("%dKiB", p.Size>>10)
}

// body returns the text of a placeholder, which names size and remedy.
func (p *Placeholder) body(eol string) string {
	var b strings.Builder
	b.WriteString("The size of this message is " + p.label() + ", which exceeds the MaxSize limit." + eol)
	b.WriteString("To fetch its contents, flag it and synchronize with Upgrade." + eol)
	if p.Flagged {
		b.WriteString(eol + "The original of this message is flagged as important." + eol)
	}
	return b.String()
}

var (
	readerPool = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}
	writerPool = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}
)

// Copy reads a message from src, converts it, and writes it to dst. It returns the number of bytes
// written. It needs a constant amount of memory, even for very long lines. It returns errors of src
// and dst unchanged; io.EOF of src is the end of the message.
//
// The header ends at the first empty line. A message without an empty line consists of a header
// only. If something is added to it, a last line without an end is completed. An empty line is added
// only to a placeholder, which has a body.
func (c *Conversion) Copy(dst io.Writer, src io.Reader) (int64, error) {
	r := readerPool.Get().(*bufio.Reader)
	defer readerPool.Put(r)
	r.Reset(src)
	defer r.Reset(nil)

	out := writerPool.Get().(*bufio.Writer)
	defer writerPool.Put(out)
	out.Reset(dst)
	defer out.Reset(nil)

	n, err := c.copyTo(out, r)
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return n, err
}

// copyTo is Copy between buffers.
func (c *Conversion) copyTo(out *bufio.Writer, r *bufio.Reader) (int64, error) {
	w := &lineWriter{w: out, add: c.ToCRLF && !c.FromCRLF, drop: c.FromCRLF && !c.ToCRLF}
	if c.TUID != "" || c.Placeholder != nil {
		done, err := c.copyHeader(w, r)
		if done || err != nil {
			return w.n, err
		}
	}
	for {
		chunk, err := peekSome(r)
		if len(chunk) > 0 {
			if werr := w.write(chunk); werr != nil {
				return w.n, werr
			}
			_, _ = r.Discard(len(chunk))
		}
		if err == io.EOF {
			return w.n, w.finish()
		}
		if err != nil {
			return w.n, err
		}
	}
}

// peekSome returns the buffered data. If there is none, it reads once.
func peekSome(r *bufio.Reader) ([]byte, error) {
	if r.Buffered() == 0 {
		if _, err := r.Peek(1); err != nil && r.Buffered() == 0 {
			return nil, err
		}
	}
	return r.Peek(r.Buffered())
}

// copyHeader copies the header with its changes, including the empty line. done is true if nothing
// follows.
func (c *Conversion) copyHeader(w *lineWriter, r *bufio.Reader) (done bool, err error) {
	eol := "\n"
	if c.ToCRLF {
		eol = "\r\n"
	}
	tuidDone := c.TUID == ""
	subjectDone := c.Placeholder == nil
	var id idFinder
	drop := false  // the line belongs to a field that is dropped
	ahead := false // the id was put before an odd line
	// finish adds the fields that were not added yet.
	finish := func() error {
		var add string
		if !tuidDone {
			add += TUIDHeader + c.TUID + eol
		}
		if !subjectDone {
			add += "Subject: " + placeholderMark + noSubject + eol
		}
		return w.raw(add)
	}
	for {
		line, rerr := r.ReadSlice('\n')
		if rerr == io.EOF && len(line) == 0 { // no empty line
			if err := w.finish(); err != nil {
				return true, err
			}
			return true, c.endCut(w, finish, eol, eol, true)
		}
		if rerr != nil && rerr != bufio.ErrBufferFull && rerr != io.EOF {
			return true, rerr
		}
		first := line
		if rerr == nil && len(bytes.TrimRight(first, "\r\n")) == 0 && len(first) <= 2 {
			if err := finish(); err != nil {
				return true, err
			}
			if c.Placeholder != nil {
				return true, w.raw(eol + c.Placeholder.body(eol))
			}
			return false, w.write(first)
		}
		folded := first[0] == ' ' || first[0] == '\t'
		if c.MessageID != nil && id.done(first, folded) {
			c.MessageID(id.text)
		}
		odd := hasBareCR(first)
		if odd && !folded && !tuidDone && (rerr == bufio.ErrBufferFull || rerr == io.EOF && first[len(first)-1] == '\r') {
			tuidDone, ahead = true, true
			if err := w.finish(); err != nil {
				return true, err
			}
			if err := w.raw(TUIDHeader + c.TUID + eol); err != nil {
				return true, err
			}
		}
		switch {
		case drop && folded: // the rest of a folded field
		case c.TUID != "" && isField(first, "x-tuid:") && (!odd || rerr == nil): // else it may be all of the message
			drop = true
			if !tuidDone {
				tuidDone = true
				err = w.raw(TUIDHeader + c.TUID + eol)
			}
		case !subjectDone && isField(first, "subject:"):
			drop, subjectDone = false, true
			n := len("Subject:")
			if n < len(first) && first[n] == ' ' {
				n++
			}
			if err = w.write(first[:n]); err == nil {
				mark := placeholderMark
				if first[n-1] != ' ' {
					mark = " " + mark
				}
				err = w.raw(mark)
			}
			if err == nil {
				err = w.write(first[n:])
			}
		default:
			drop = false
			err = w.write(first)
		}
		last := first[len(first)-1]
		for err == nil && rerr == bufio.ErrBufferFull { // the rest of a long line
			if line, rerr = r.ReadSlice('\n'); len(line) > 0 {
				last = line[len(line)-1]
			}
			if !drop {
				err = w.write(line)
			}
		}
		if err != nil {
			return true, err
		}
		switch rerr {
		case nil:
		case io.EOF: // the last line is cut
			if err := w.finish(); err != nil {
				return true, err
			}
			if ahead && c.Placeholder == nil {
				return true, nil // nothing is added behind it
			}
			if last == '\r' {
				// The CR is a part of the line, and must not become a part of its end.
				return true, c.endCut(w, finish, "\r\n", eol, drop)
			}
			return true, c.endCut(w, finish, eol, eol, drop)
		default:
			return true, rerr
		}
	}
}

// endCut completes a header without an empty line. whole: the last line has an end, or was dropped.
// Otherwise it gets the given end.
func (c *Conversion) endCut(w *lineWriter, finish func() error, end, eol string, whole bool) error {
	if !whole {
		if err := w.raw(end); err != nil {
			return err
		}
	}
	if err := finish(); err != nil {
		return err
	}
	if c.Placeholder != nil {
		return w.raw(eol + c.Placeholder.body(eol))
	}
	return nil
}

// hasBareCR reports whether there is a CR in a line that is not part of its end.
func hasBareCR(line []byte) bool {
	i := bytes.IndexByte(line, '\r')
	return i >= 0 && (i != len(line)-2 || line[i+1] != '\n')
}

// isField reports whether a line begins the header field of the given name,
// which is in lower case and ends in a colon.
func isField(line []byte, name string) bool {
	return len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name)
}

// lineWriter converts line ends and counts the bytes that it has written. It keeps a CR at the end of
// a write until the next byte is known.
type lineWriter struct {
	w         *bufio.Writer
	n         int64
	add, drop bool
	cr        bool // add: the last byte was a CR; drop: a CR is held back
}

func (w *lineWriter) out(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := w.w.Write(b)
	w.n += int64(n)
	return err
}

var (
	crByte = []byte{'\r'}
	crlf   = []byte("\r\n")
)

func (w *lineWriter) write(b []byte) error {
	switch {
	case w.add:
		return w.writeAdding(b)
	case w.drop:
		return w.writeDropping(b)
	}
	return w.out(b)
}

// writeAdding and writeDropping collect lines in the free part of the buffer, and write them
// together. A call for each line would take longer than copying it.
func (w *lineWriter) writeAdding(b []byte) error {
	buf := w.w.AvailableBuffer()
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			w.cr = b[len(b)-1] == '\r'
			return w.outBoth(buf, b)
		}
		end := crlf
		if i == 0 && w.cr || i > 0 && b[i-1] == '\r' {
			end = crlf[1:]
		}
		w.cr = false
		if len(buf)+i+len(end) > cap(buf) {
			if err := w.outBoth(buf, b[:i]); err != nil {
				return err
			}
			if err := w.out(end); err != nil {
				return err
			}
			buf = w.w.AvailableBuffer()
		} else {
			buf = append(append(buf, b[:i]...), end...)
		}
		b = b[i+1:]
	}
	return w.out(buf)
}

func (w *lineWriter) writeDropping(b []byte) error {
	if w.cr && len(b) > 0 {
		w.cr = false
		if b[0] != '\n' {
			if err := w.out(crByte); err != nil {
				return err
			}
		}
	}
	buf := w.w.AvailableBuffer()
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			return w.outBoth(buf, b)
		}
		if i == len(b)-1 {
			w.cr = true
			return w.outBoth(buf, b[:i])
		}
		n := i
		if b[i+1] != '\n' {
			n++ // the CR stays
		}
		if len(buf)+n > cap(buf) {
			if err := w.outBoth(buf, b[:n]); err != nil {
				return err
			}
			buf = w.w.AvailableBuffer()
		} else {
			buf = append(buf, b[:n]...)
		}
		b = b[i+1:]
	}
	return w.out(buf)
}

// outBoth writes the collected lines and the data after them.
func (w *lineWriter) outBoth(a, b []byte) error {
	if err := w.out(a); err != nil {
		return err
	}
	return w.out(b)
}

// finish writes a CR that was kept.
func (w *lineWriter) finish() error {
	if w.drop && w.cr {
		w.cr = false
		return w.out(crByte)
	}
	return nil
}

// raw writes text that already has the target's line ends.
func (w *lineWriter) raw(s string) error {
	if s == "" {
		return nil
	}
	if err := w.finish(); err != nil {
		return err
	}
	w.cr = false
	n, err := w.w.WriteString(s)
	w.n += int64(n)
	return err
}

// idFinder finds the Message-ID in the lines of a header.
type idFinder struct {
	text string
	open bool // the field may go on in the next line
	over bool
}

// done takes a line of a header, or the beginning of a long one. It reports whether the
// line completes text. The value may be in the line after the name (RFC 5322 §2.2.3).
func (f *idFinder) done(line []byte, folded bool) bool {
	switch {
	case f.over:
		return false
	case f.open && folded:
	case isField(line, "message-id:"):
		line = line[len("message-id:"):]
	default:
		f.open = false
		return false
	}
	f.text = string(bytes.TrimSpace(line[:min(len(line), maxField)]))
	f.over = f.text != ""
	f.open = !f.over
	return f.over
}
