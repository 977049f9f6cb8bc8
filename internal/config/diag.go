package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"isync/internal/event"
)

// Pos is a place in a configuration file. The zero value means that there is none: the value is a
// default.
type Pos struct {
	File string // as it was named when loading
	Line int    // from 1
}

// IsSet reports whether p is a place.
func (p Pos) IsSet() bool { return p.Line > 0 }

// String returns "file:line"; "": p is not set.
func (p Pos) String() string {
	if !p.IsSet() {
		return ""
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Error is an error in a configuration file.
type Error struct {
	Pos Pos
	// Word is the invalid word after unquoting. It is empty if there is no single word, or if it
	// may be (a part of) a password.
	Word string
	// Msg describes the error and names the word.
	Msg string
	// Hint, if not empty, describes the correction.
	Hint string
	// Err is the cause, if any.
	Err error
}

// Error returns the position, message and hint in one line.
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

// ErrorList holds all errors in a configuration file, in the order of its lines. It is never
// empty when returned.
type ErrorList []*Error

// Error returns all errors, one per line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the members, for errors.Is and errors.As.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Notice is a message about a configuration that can be used.
type Notice struct {
	// Severity is event.Notice for a deprecated spelling that still works, and event.Warning for
	// a probable mistake.
	Severity event.Severity
	Pos      Pos // the first place; it may be unset
	Fact     event.Fact
	// Outdated is the number of deprecated words on all lines of this notice. Fix replaces them.
	Outdated int
}

// maxQuoted is the maximum length in bytes of a word in a message.
const maxQuoted = 80

// quote returns a word as messages show it: quoted, with control characters escaped, and
// shortened if it is too long.
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

// errorAt makes an Error. The message should show the word with quote, and may wrap a cause with
// %w.
func errorAt(pos Pos, word, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Pos: pos, Word: word, Msg: err.Error(), Err: errors.Unwrap(err)}
}
