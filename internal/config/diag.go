package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"isync/internal/event"
)

// Pos is a place in a configuration file. The zero value means "nowhere": the
// value was not given but is a default.
type Pos struct {
	File string // as it was named when loading
	Line int    // from 1
}

// IsSet reports whether p is a place at all.
func (p Pos) IsSet() bool { return p.Line > 0 }

// String returns "file:line", or "" for nowhere.
func (p Pos) String() string {
	if !p.IsSet() {
		return ""
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Error is one thing wrong with a configuration file.
type Error struct {
	Pos Pos
	// Word is the offending word as it was understood; empty if there is no
	// single one, or if it could be (a part of) a password.
	Word string
	// Msg tells what is wrong, naming the word.
	Msg string
	// Hint, if not empty, tells how to put it right.
	Hint string
	// Err is the cause, if there is one besides the text.
	Err error
}

// Error returns position, message and hint on one line.
func (e *Error) Error() string {
	s := e.Msg
	if e.Pos.IsSet() {
		s = e.Pos.String() + ": " + s
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorList is everything wrong with a configuration file, in the order of its
// lines. It is never returned empty.
type ErrorList []*Error

// Error returns all errors, one per line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes the members visible to errors.Is and errors.As.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Notice is something to tell about a configuration that is usable all the
// same.
type Notice struct {
	// Severity is event.Notice of an old spelling that keeps working, and event.Warning
	// of something that is probably not what was meant.
	Severity event.Severity
	Pos      Pos // the first place; may be nowhere
	Fact     event.Fact
	// Outdated is how many deprecated words the notice is about, in all its lines.
	// Fix replaces them.
	Outdated int
}

// maxQuoted limits how much of a word is repeated in a message, in bytes.
const maxQuoted = 80

// quote returns a word as it is shown in messages: quoted, control characters
// escaped, overlong ones cut.
func quote(word string) string {
	if len(word) <= maxQuoted {
		return strconv.Quote(word)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(word[cut]) {
		cut--
	}
	return strconv.Quote(word[:cut]) + "..."
}

// errorAt builds an Error; the message should name word by means of quote, and
// may wrap a cause with %w.
func errorAt(pos Pos, word, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Pos: pos, Word: word, Msg: err.Error(), Err: errors.Unwrap(err)}
}
