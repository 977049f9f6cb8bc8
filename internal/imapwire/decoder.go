package imapwire

import (
	"bytes"
	"errors"
	"io"
)

// Limits of the data that a server may send. See the package comment.
const (
	// MaxLine is the maximum length of a response without literals, in bytes. It suffices for the answer
	// to a SEARCH of a huge mailbox: four million UIDs of seven digits.
	MaxLine = 32 << 20
	// MaxString is the maximum length of a string that is kept, such as a mailbox name, in bytes. A
	// response with a longer one is skipped.
	MaxString = 16 << 10
	// MaxText is the maximum length of the text of a status response, in bytes. The rest is dropped.
	MaxText = 1 << 20
)

const (
	bufferSize = 64 << 10
	// lookback is the number of bytes before the read position that are kept when the buffer is filled, so
	// that the end of a line can be examined for the announcement of a literal.
	lookback = 32
	// maxTrace is the maximum length of a response in a trace, in bytes.
	maxTrace = 4 << 10
)

// ErrLineTooLong is returned by Decoder.Read for a response of more than
// MaxLine bytes.
var ErrLineTooLong = errors.New("server sent an endless line")

// A SyntaxError is the reason why a response was not understood.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

const (
	errSpace      SyntaxError = "expected a space"
	errNumber     SyntaxError = "expected a number"
	errOverflow   SyntaxError = "number too large"
	errAtom       SyntaxError = "expected an atom"
	errString     SyntaxError = "expected a string"
	errQuoted     SyntaxError = "unterminated quoted string"
	errOpen       SyntaxError = "expected an opening parenthesis"
	errClose      SyntaxError = "expected a closing parenthesis"
	errTooLong    SyntaxError = "string too long"
	errTooMany    SyntaxError = "too many items"
	errLiteral    SyntaxError = "malformed literal"
	errEOL        SyntaxError = "response ends early"
	errSet        SyntaxError = "expected a set of numbers"
	errUnknown    SyntaxError = "unknown response"
	errDate       SyntaxError = "malformed date"
	errCodeSyntax SyntaxError = "malformed response code"
)

// A Decoder reads responses from a stream. Only one goroutine may use it.
type Decoder struct {
	r        io.Reader
	buf      []byte // 64 KiB, behind lookback bytes of what came before them
	pos, end int    // unread bytes: buf[pos:end]
	err      error  // sticky

	// seg is the beginning of the current segment of the line: after the previous line end or literal, or
	// the beginning of the buffer.
	seg  int
	line int // bytes of the current response before lineStart
	// lineStart is the index of the first byte that line does not count.
	lineStart int

	scratch []byte // holds tokens that straddle a refill or had escapes
	lit     Literal
	uids    uidCollector

	trace    func(line []byte)
	traceBuf []byte
	traceAt  int // bytes from here on are not yet in traceBuf
	traceCut int // bytes left out of traceBuf
}

// NewDecoder returns a Decoder that reads from r.
func NewDecoder(r io.Reader) *Decoder {
	d := &Decoder{buf: make([]byte, lookback+bufferSize)}
	d.lit.d = d
	d.Reset(r)
	return d
}

// Reset makes the decoder read from r. It drops buffered bytes and errors. It may be called between responses.
func (d *Decoder) Reset(r io.Reader) {
	d.r, d.err = r, nil
	d.pos, d.end = lookback, lookback
	d.seg, d.line, d.lineStart = lookback, 0, lookback
	d.lit.n, d.lit.mem = 0, nil
	d.traceBuf, d.traceAt, d.traceCut = d.traceBuf[:0], lookback, 0
}

// Buffered returns the bytes that were read from the stream but not yet used.
// They are valid until the next Read.
func (d *Decoder) Buffered() []byte { return d.buf[d.pos:d.end] }

// SetTrace makes the decoder call f with every response, without its line end, and with the sizes of literals instead of
// their contents. The line is valid until f returns. nil turns tracing off. SetTrace may be called between responses.
func (d *Decoder) SetTrace(f func(line []byte)) {
	d.trace = f
	d.traceBuf, d.traceAt, d.traceCut = d.traceBuf[:0], d.pos, 0
}

// fill reads more of the stream. All bytes in the buffer must be consumed.
func (d *Decoder) fill() error {
	if d.err != nil {
		return d.err
	}
	if err := d.account(); err != nil {
		return err
	}
	if d.trace != nil {
		d.traceText(d.end)
	}
	// Keep the last few bytes in front of the new ones.
	keep := min(lookback, d.end-d.seg)
	copy(d.buf[lookback-keep:lookback], d.buf[d.end-keep:d.end])
	d.seg = lookback - keep
	d.pos, d.end = lookback, lookback
	d.lineStart, d.traceAt = lookback, lookback
	for range 100 {
		n, err := d.r.Read(d.buf[lookback:])
		if n > 0 {
			// An error together with data will be returned again.
			d.end += n
			return nil
		}
		if err != nil {
			d.err = err
			return err
		}
	}
	d.err = io.ErrNoProgress
	return d.err
}

// account counts the bytes used since it was last called as part of the line.
func (d *Decoder) account() error {
	d.line += d.pos - d.lineStart
	d.lineStart = d.pos
	if d.line > MaxLine {
		d.err = ErrLineTooLong
	}
	return d.err
}

// peek returns the next byte without consuming it.
func (d *Decoder) peek() (byte, error) {
	if d.pos == d.end {
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	return d.buf[d.pos], nil
}

// beginResponse resets the counter and the trace.
func (d *Decoder) beginResponse() {
	d.seg, d.line, d.lineStart = d.pos, 0, d.pos
	d.traceBuf, d.traceAt, d.traceCut = d.traceBuf[:0], d.pos, 0
}

// finish consumes the rest of a response, including literals and its line end.
func (d *Decoder) finish() error {
	if err := d.lit.drain(); err != nil {
		return err
	}
	for {
		i := bytes.IndexByte(d.buf[d.pos:d.end], '\n')
		if i < 0 {
			d.pos = d.end
			if err := d.fill(); err != nil {
				return err
			}
			continue
		}
		nl := d.pos + i
		n, ok, err := announced(d.buf[d.seg:nl])
		if err != nil {
			d.err = err
			return err
		}
		d.pos = nl + 1
		if !ok {
			d.emitTrace(nl)
			return d.account()
		}
		d.beginLiteral(n)
		if err := d.lit.drain(); err != nil {
			return err
		}
	}
}

// finishText is finish for a line that cannot contain literals.
func (d *Decoder) finishText() error {
	for {
		i := bytes.IndexByte(d.buf[d.pos:d.end], '\n')
		if i >= 0 {
			nl := d.pos + i
			d.pos = nl + 1
			d.emitTrace(nl)
			return d.account()
		}
		d.pos = d.end
		if err := d.fill(); err != nil {
			return err
		}
	}
}

// announced reports whether a line that ends with b announces a literal.
func announced(b []byte) (n int64, ok bool, err error) {
	b = bytes.TrimSuffix(b, []byte{'\r'})
	if len(b) < 3 || b[len(b)-1] != '}' {
		return 0, false, nil
	}
	i := len(b) - 2
	if b[i] == '+' || b[i] == '-' {
		i--
	}
	last := i
	for i >= 0 && '0' <= b[i] && b[i] <= '9' {
		i--
	}
	if i == last {
		return 0, false, nil
	}
	if i < 0 && last >= 20 {
		// All kept bytes are digits: no literal has such a size.
		return 0, false, errLiteral
	}
	if i < 0 || b[i] != '{' {
		return 0, false, nil
	}
	for _, c := range b[i+1 : last+1] {
		if n > (1<<62)/10 {
			return 0, false, errLiteral
		}
		n = n*10 + int64(c-'0')
	}
	return n, true, nil
}

// traceText moves the used bytes before index to into the trace.
func (d *Decoder) traceText(to int) {
	b := d.buf[d.traceAt:to]
	d.traceAt = to
	if n := maxTrace - len(d.traceBuf); len(b) > n {
		n = max(n, 0)
		d.traceCut += len(b) - n
		b = b[:n]
	}
	d.traceBuf = append(d.traceBuf, b...)
}

// emitTrace traces the response that ends before index nl.
func (d *Decoder) emitTrace(nl int) {
	if d.trace == nil {
		return
	}
	d.traceText(nl)
	b := bytes.TrimSuffix(d.traceBuf, []byte{'\r'})
	if d.traceCut > 0 {
		b = append(b, "[... "...)
		b = appendInt(b, int64(d.traceCut))
		b = append(b, " more bytes]"...)
	}
	d.trace(b)
}
