package imapclient

import (
	"bytes"
	"unicode/utf8"
)

// maxPeek is how much of a message is looked at for the end of its header.
const maxPeek = 64 << 10

// utf8Form is what stands before the announcement of a message whose header is
// in UTF-8, up to the literal; a parenthesis closes it (RFC 6855 §4).
const utf8Form = "UTF8 (~"

// An announcer is a sender of a message that is announced as soon as enough of
// its header has come.
type announcer struct {
	s    *sender
	cmd  *command
	size int64
	held []byte // what has come so far

	announced     bool
	international bool // it was announced in the form for UTF-8
}

// Write takes bytes of the message.
func (a *announcer) Write(p []byte) (int, error) {
	if a.announced {
		return a.s.Write(p)
	}
	begin := p
	if len(a.held) > 0 {
		a.held = append(a.held, p...)
		begin = a.held
	}
	if len(begin) < maxPeek && int64(len(begin)) < a.size && !headerEnds(begin) {
		if len(a.held) == 0 {
			a.held = append(a.held, p...)
		}
		return len(p), nil
	}
	if err := a.announce(begin); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end is called after the last byte.
func (a *announcer) end() error {
	if !a.announced && int64(len(a.held)) == a.size {
		if err := a.announce(a.held); err != nil {
			return err
		}
	}
	if !a.announced || a.s.left > 0 {
		return errLiteralLength
	}
	return nil
}

// announce announces the message, and sends what has come of it.
func (a *announcer) announce(begin []byte) error {
	if int64(len(begin)) > a.size {
		return errLiteralLength
	}
	prefix := ""
	if a.international = internationalHeader(begin); a.international {
		prefix = utf8Form
	}
	if err := a.s.announce(a.cmd, a.size, prefix); err != nil {
		return err
	}
	a.announced = true
	a.s.left = a.size
	a.held = nil
	_, err := a.s.Write(begin)
	return err
}

// headerEnds tells whether a message that begins with b has its header in b.
func headerEnds(b []byte) bool { return headerLen(b) < len(b) }

// headerLen returns the length of the header, as far as it is in b.
func headerLen(b []byte) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 0
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + len("\r\n")
	}
	return len(b)
}

// internationalHeader tells whether the header of the message that begins with
// b holds characters beyond ASCII, in UTF-8. Others, of which nobody knows what
// they mean, are not what the form for UTF-8 is for.
func internationalHeader(b []byte) bool {
	n := headerLen(b)
	header := b[:n]
	if n == len(b) {
		// It may have been cut within a character.
		for i := 1; i < utf8.UTFMax && i <= len(header); i++ {
			if c := header[len(header)-i]; utf8.RuneStart(c) {
				if c >= utf8.RuneSelf && !utf8.FullRune(header[len(header)-i:]) {
					header = header[:len(header)-i]
				}
				break
			}
		}
	}
	for _, c := range header {
		if c >= utf8.RuneSelf {
			return utf8.Valid(header)
		}
	}
	return false
}
