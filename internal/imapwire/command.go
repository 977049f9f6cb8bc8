package imapwire

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"isync/internal/mail"
)

// maxQuoted is the longest string that is sent as a quoted string.
const maxQuoted = 1000

// Errors of a Command whose arguments cannot be sent.
var (
	errNUL     = errors.New("a string with a NUL byte cannot be sent")
	errRawLine = errors.New("a line break cannot be sent in an argument")
)

// A Command is a request without its tag: text and literals. Each method that adds an argument adds a space before it.
// Err returns the first error.
type Command struct {
	verb  string
	buf   []byte
	parts []Part
	begin int // of the text that is in no part yet
	err   error
}

// A Part of a command is either text or a literal.
type Part struct {
	// Text is sent as it is. It ends with the line end where the command does.
	Text []byte
	// Secret: the text must not appear in any trace.
	Secret bool
	// Literal is not nil if the part is a literal.
	Literal *LiteralArg
}

// LiteralArg is a literal of a command. The sender adds its announcement, because it knows which kinds of literals the
// server supports.
type LiteralArg struct {
	Size   int64
	Secret bool
	// Message: it is a message to be stored. Its announcement may depend on its contents (RFC 6855 §4).
	Message bool
	// Body writes exactly Size bytes. It is called once.
	Body io.WriterTo
}

// NewCommand begins a command, such as "UID FETCH".
func NewCommand(verb string) *Command {
	return &Command{verb: verb, buf: append(make([]byte, 0, 128), verb...)}
}

// Verb returns the argument of NewCommand.
func (c *Command) Verb() string { return c.verb }

// Err returns the first error of the arguments.
func (c *Command) Err() error { return c.err }

func (c *Command) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Raw adds s unchanged. The caller is responsible for its syntax. Line breaks are an error.
func (c *Command) Raw(s string) *Command {
	for i := range len(s) {
		if b := s[i]; b == '\r' || b == '\n' || b == 0 {
			c.fail(errRawLine)
			return c
		}
	}
	c.buf = append(append(c.buf, ' '), s...)
	return c
}

// Number adds a number.
func (c *Command) Number(n uint64) *Command {
	c.buf = strconv.AppendUint(append(c.buf, ' '), n, 10)
	return c
}

// Set adds a set of UIDs. It must not be empty.
func (c *Command) Set(s mail.UIDSet) *Command {
	if s.Empty() {
		c.fail(errors.New("an empty set of messages cannot be sent"))
	}
	c.buf = s.AppendTo(append(c.buf, ' '))
	return c
}

// Flags adds a list of flags.
func (c *Command) Flags(f mail.Flags) *Command {
	c.buf = AppendFlags(append(c.buf, ' '), f)
	return c
}

// Date adds a date-time.
func (c *Command) Date(t time.Time) *Command {
	c.buf = AppendDate(append(c.buf, ' '), t)
	return c
}

// Mailbox adds a mailbox name, in modified UTF-7 unless utf8 is set (RFC 6855).
func (c *Command) Mailbox(name string, utf8 bool) *Command {
	if utf8 {
		return c.str(name, false, true)
	}
	raw, err := EncodeUTF7(name)
	if err != nil {
		c.fail(err)
		return c
	}
	return c.String(raw)
}

// String adds a string: quoted if possible, else as a literal.
func (c *Command) String(s string) *Command { return c.str(s, false, false) }

// Secret adds a string that must not appear in traces.
func (c *Command) Secret(s string) *Command { return c.str(s, true, false) }

func (c *Command) str(s string, secret, eightBit bool) *Command {
	quotable := len(s) <= maxQuoted
	for i := range len(s) {
		switch b := s[i]; {
		case b == 0:
			c.fail(errNUL)
			return c
		case b == '\r' || b == '\n' || b >= 0x80 && !eightBit:
			quotable = false
		}
	}
	c.buf = append(c.buf, ' ')
	if !quotable {
		c.literal(&LiteralArg{Size: int64(len(s)), Secret: secret, Body: bytes.NewReader([]byte(s))})
		return c
	}
	if secret {
		c.cut(false)
	}
	c.buf = AppendQuoted(c.buf, s)
	if secret {
		c.cut(true)
	}
	return c
}

// SecretRaw adds s unchanged. It must not appear in traces.
func (c *Command) SecretRaw(s string) *Command {
	c.buf = append(c.buf, ' ')
	c.cut(false)
	c.buf = append(c.buf, s...)
	c.cut(true)
	return c
}

// Literal adds a literal of exactly size bytes, which body will write when the
// command is sent.
func (c *Command) Literal(size int64, body io.WriterTo) *Command {
	c.buf = append(c.buf, ' ')
	c.literal(&LiteralArg{Size: size, Body: body})
	return c
}

// Message is Literal for a message to be stored.
func (c *Command) Message(size int64, body io.WriterTo) *Command {
	c.buf = append(c.buf, ' ')
	c.literal(&LiteralArg{Size: size, Body: body, Message: true})
	return c
}

func (c *Command) literal(l *LiteralArg) {
	c.cut(false)
	c.parts = append(c.parts, Part{Literal: l})
}

// cut makes a part from the text since the last part.
func (c *Command) cut(secret bool) {
	if c.begin < len(c.buf) {
		// The buffer may move when it grows, but what was written stays valid.
		c.parts = append(c.parts, Part{Text: c.buf[c.begin:len(c.buf):len(c.buf)], Secret: secret})
		c.begin = len(c.buf)
	}
}

// Parts ends the command and returns its parts in order, the line end
// included. Nothing can be added any more.
func (c *Command) Parts() []Part {
	if c.begin >= 0 {
		c.buf = append(c.buf, '\r', '\n')
		c.cut(false)
		c.begin = -1
	}
	return c.parts
}

// Line returns the command without its line end; "" if it cannot be sent, has literals, or
// contains a secret. Nothing can be added any more.
func (c *Command) Line() string {
	parts := c.Parts()
	if c.err != nil || len(parts) != 1 || parts[0].Literal != nil || parts[0].Secret {
		return ""
	}
	return string(bytes.TrimSuffix(parts[0].Text, []byte("\r\n")))
}

// AppendQuoted appends s as a quoted string (RFC 9051 §9). s must not hold CR,
// LF or NUL.
func AppendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// AppendLiteralHeader appends the announcement of a literal, line end included.
func AppendLiteralHeader(b []byte, size int64, sync bool) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, size, 10)
	if !sync {
		b = append(b, '+')
	}
	return append(b, "}\r\n"...)
}
