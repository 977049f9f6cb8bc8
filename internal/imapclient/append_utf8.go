package imapclient

import (
	"bytes"
	"unicode/utf8"
)

// maxPeek is the number of bytes of a message in which the end of its header is searched.
const maxPeek = 64 << 10

// utf8Form precedes the literal of a message with a header in UTF-8. A parenthesis follows the literal (RFC
// 6855 §4).
const utf8Form = "UTF8 (~"

// A messageWriter sends a message as a literal. It begins the literal as soon as enough
// of the header has arrived.
type messageWriter struct {
	s    *sender
	cmd  *command
	size int64
	held []byte // what has come so far

	started       bool
	international bool // the literal has the form for UTF-8
}

// Write takes bytes of the message.
func (w *messageWriter) Write(p []byte) (int, error) {
	if w.started {
		return w.s.Write(p)
	}
	begin := p
	if len(w.held) > 0 {
		w.held = append(w.held, p...)
		begin = w.held
	}
	if len(begin) < maxPeek && int64(len(begin)) < w.size && !headerEnds(begin) {
		if len(w.held) == 0 {
			w.held = append(w.held, p...)
		}
		return len(p), nil
	}
	if err := w.start(begin); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end is called after the last byte.
func (w *messageWriter) end() error {
	if !w.started && int64(len(w.held)) == w.size {
		if err := w.start(w.held); err != nil {
			return err
		}
	}
	if !w.started || w.s.left > 0 {
		return errLiteralLength
	}
	return nil
}

// start begins the literal, and sends the part of the message that has arrived.
func (w *messageWriter) start(begin []byte) error {
	if int64(len(begin)) > w.size {
		return errLiteralLength
	}
	prefix := ""
	if w.international = internationalHeader(begin); w.international {
		prefix = utf8Form
	}
	if err := w.s.beginLiteral(w.cmd, w.size, prefix); err != nil {
		return err
	}
	w.started = true
	w.s.left = w.size
	w.held = nil
	_, err := w.s.Write(begin)
	return err
}

// headerEnds reports whether b, the beginning of a message, contains the whole header.
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

// internationalHeader reports whether the header in b, the beginning of a message,
// contains non-ASCII characters in valid UTF-8. Only such messages may be sent in the
// form for UTF-8.
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
