package imapclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"isync/internal/transport"
)

// ProtocolError says that a server has sent something other than an IMAP greeting.
type ProtocolError struct {
	// Protocol is the detected protocol, such as "POP3"; "" if unknown.
	Protocol string
	// Line is the first line, shortened; "" if it is not text.
	Line string
	// Err is the error that ended the wait; nil if the line itself ended it.
	Err error
}

func (e *ProtocolError) Error() string {
	s := "the server does not speak IMAP"
	switch {
	case e.Protocol != "":
		s = "the server speaks " + e.Protocol + ", not IMAP"
	case e.Line == "":
		s += ", or the port uses implicit TLS"
	}
	if e.Line != "" {
		s += fmt.Sprintf("; its first line is %q", e.Line)
	}
	return s
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// otherGreetings match the first lines of other protocols.
var otherGreetings = []struct {
	protocol string
	begin    *regexp.Regexp
}{
	{"POP3", regexp.MustCompile(`^(\+OK|-ERR)( |$)`)},
	{"SMTP or FTP", regexp.MustCompile(`^[245][0-9][0-9]([ -]|$)`)},
	{"HTTP", regexp.MustCompile(`(?i)^(HTTP/[0-9]|<!DOCTYPE|<html)`)},
	{"SSH", regexp.MustCompile(`^SSH-[0-9]`)},
	{"ManageSieve", regexp.MustCompile(`^"(IMPLEMENTATION|SIEVE|SASL|STARTTLS|VERSION)"`)},
	{"VNC", regexp.MustCompile(`^RFB [0-9]`)},
}

// maxFirstLine is the number of bytes of the first line that are examined.
const maxFirstLine = 200

// greetingReader checks the first data from a server, so that other protocols are
// detected at once. All data is passed on unchanged.
type greetingReader struct {
	r    io.Reader
	head []byte // so far
	done bool
}

func (g *greetingReader) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if g.done {
		return n, err
	}
	g.head = append(g.head, p[:min(n, maxFirstLine)]...)
	if other := g.judge(err); other != nil {
		g.done = true
		return 0, other
	}
	return n, err
}

// judge returns an error if the data so far, or its end, cannot be an IMAP
// greeting.
func (g *greetingReader) judge(end error) error {
	head := bytes.TrimLeft(g.head, "\r\n")
	if len(head) > 0 && head[0] == '*' {
		g.done, g.head = true, nil
		return nil
	}
	if len(head) == 0 {
		return nil
	}
	line, _, whole := bytes.Cut(head, []byte("\n"))
	if head[0] < ' ' && head[0] != '\t' && head[0] != 0x1b || bytes.IndexByte(line, 0) >= 0 {
		return &ProtocolError{}
	}
	if !whole && end == nil && len(line) < maxFirstLine {
		return nil
	}
	e := &ProtocolError{Line: strings.ToValidUTF8(string(bytes.TrimRight(line[:min(len(line), maxFirstLine)], "\r")), "?"), Err: end}
	for _, o := range otherGreetings {
		if o.begin.MatchString(e.Line) {
			e.Protocol, e.Err = o.protocol, nil
			return e
		}
	}
	if end != nil && !errors.Is(end, transport.ErrClosed) {
		return e
	}
	if len(g.head) > 4*maxFirstLine {
		g.head = g.head[:maxFirstLine] // enough to tell
	}
	return nil
}
