package imapwire

import (
	"errors"
	"io"
	"strconv"
)

// errLiteralOver is the error of a Literal that is used for too long.
var errLiteralOver = errors.New("imapwire: literal read after its end of life")

// A Literal is a string that is being received. It has exactly Size bytes, and then returns io.EOF. If the stream ends
// earlier, it returns another error. The part that is not read is skipped.
//
// It is also an io.WriterTo that writes the decoder's buffer without copying it.
type Literal struct {
	d    *Decoder
	size int64
	n    int64  // bytes not yet read from the stream
	mem  []byte // or the bytes themselves, of a string that was no literal
	live bool
}

// Size returns the size of the whole literal in bytes.
func (l *Literal) Size() int64 { return l.size }

// Read implements io.Reader.
func (l *Literal) Read(p []byte) (int, error) {
	if !l.live {
		return 0, errLiteralOver
	}
	if l.mem != nil {
		n := copy(p, l.mem)
		l.mem = l.mem[n:]
		if len(l.mem) == 0 {
			l.mem = nil
		}
		return n, nil
	}
	if l.n == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	d := l.d
	if d.pos == d.end && len(p) >= bufferSize/2 {
		// Large reads bypass the buffer.
		if d.err != nil {
			return 0, d.err
		}
		n, err := d.r.Read(p[:min(int64(len(p)), l.n)])
		l.n -= int64(n)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			d.err = noEOF(err)
		}
		return 0, d.err
	}
	b, err := l.next()
	n := copy(p, b)
	l.use(n)
	return n, err
}

// WriteTo implements io.WriterTo.
func (l *Literal) WriteTo(w io.Writer) (written int64, err error) {
	if !l.live {
		return 0, errLiteralOver
	}
	if l.mem != nil {
		n, err := w.Write(l.mem)
		l.mem = nil
		return int64(n), err
	}
	for l.n > 0 {
		b, err := l.next()
		if err != nil {
			return written, err
		}
		n, err := w.Write(b)
		l.use(len(b))
		written += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// next returns bytes of the literal that are in the buffer, at least one.
func (l *Literal) next() ([]byte, error) {
	d := l.d
	if d.pos == d.end {
		if err := l.refill(); err != nil {
			return nil, err
		}
	}
	return d.buf[d.pos : d.pos+int(min(int64(d.end-d.pos), l.n))], nil
}

// use marks the next n bytes in the buffer as read.
func (l *Literal) use(n int) {
	d := l.d
	d.pos += n
	l.n -= int64(n)
	// Literals are not a part of the line or of the trace.
	d.seg, d.lineStart, d.traceAt = d.pos, d.pos, d.pos
}

func (l *Literal) refill() error {
	err := l.d.fill()
	if err != nil {
		l.d.err = noEOF(err)
		return l.d.err
	}
	return nil
}

// drain skips the rest of the literal, and makes it unusable.
func (l *Literal) drain() error {
	l.live = false
	l.mem = nil
	for l.n > 0 {
		b, err := l.next()
		if err != nil {
			return err
		}
		l.use(len(b))
	}
	return nil
}

// noEOF converts io.EOF within a response to another error.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// beginLiteral is called right after a literal's announcement.
func (d *Decoder) beginLiteral(n int64) {
	if d.trace != nil {
		d.traceText(d.pos)
		// Trace "{42}", and continue in the same line.
		for k := len(d.traceBuf); k > 0 && (d.traceBuf[k-1] == '\n' || d.traceBuf[k-1] == '\r'); k-- {
			d.traceBuf = d.traceBuf[:k-1]
		}
	}
	d.line += d.pos - d.lineStart
	d.seg, d.lineStart, d.traceAt = d.pos, d.pos, d.pos
	d.lit.size, d.lit.n, d.lit.mem = n, n, nil
}

// literalHeader reads "{n}" CRLF, or "{n+}" CRLF, and begins that literal. An invalid header is fatal only if the line ends
// like an announcement of a literal; finish checks that.
func (d *Decoder) literalHeader() error {
	d.pos++ // the opening brace
	n, err := d.number()
	if err != nil {
		return err
	}
	if n > 1<<62 {
		return errLiteral
	}
	c, err := d.peek()
	if err != nil {
		return err
	}
	if c == '+' || c == '-' {
		d.pos++
		if c, err = d.peek(); err != nil {
			return err
		}
	}
	if c != '}' {
		return errLiteral
	}
	d.pos++
	if c, err = d.peek(); err != nil {
		return err
	}
	if c == '\r' {
		d.pos++
		if c, err = d.peek(); err != nil {
			return err
		}
	}
	if c != '\n' {
		return errLiteral
	}
	d.pos++
	d.beginLiteral(int64(n))
	return nil
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
