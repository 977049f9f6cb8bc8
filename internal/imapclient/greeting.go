package imapclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// ProtocolError says that what a server has sent instead of a greeting is not of
// IMAP.
type ProtocolError struct {
	// Protocol is whose greeting it looks like, such as "POP3"; "" if unknown.
	Protocol string
	// Line is the first line of it, shortened; "" if it is no text.
	Line string
	// Err is why nothing more is waited for; nil if the line is reason enough.
	Err error
}

func (e *ProtocolError) Error() string {
	s := "the server does not speak IMAP"
	switch {
	case e.Protocol != "":
		s += " but " + e.Protocol
	case e.Line == "":
		s += ", or encrypts from the beginning"
	}
	if e.Line != "" {
		s += fmt.Sprintf("; it says %q", e.Line)
	}
	return s
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// otherGreetings tell what the server of another protocol says at first.
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

// maxFirstLine bounds how much of the first line is looked at.
const maxFirstLine = 200

// greetingReader looks at what a server sends at first, so that what is not IMAP is
// noticed at once. Everything else is passed on as it comes.
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

// judge returns an error if what has come, and the end of it if any, is no
// greeting of IMAP.
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
	if end != nil && !errors.Is(end, ErrClosed) {
		return e
	}
	if len(g.head) > 4*maxFirstLine {
		g.head = g.head[:maxFirstLine] // enough to tell
	}
	return nil
}
