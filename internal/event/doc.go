// Package event has the values that describe everything a run reports: notices,
// warnings and errors, each with a code.
//
// A Fact is the subject of one message. Each kind of fact is a type of its own with
// typed fields: sides, UIDs, counts, names, errors. There are no sentences here;
// package ui makes the text. docs/messages.md explains each code to users.
//
// The package is pure.
package event

// Code names a kind of message. A code is part of the interface of the program:
// other programs compare it. It never changes, while the text may.
type Code string

// Fact is what a notice, a warning or an error is about.
type Fact interface{ Code() Code }

// Severity is how serious a message is.
type Severity uint8

// The severities.
const (
	// Notice is something that the user may like to know.
	Notice Severity = iota
	// Warning is something that the user should look at.
	Warning
	// Error is something that went wrong, so that the run has not fully succeeded.
	Error
)

// String returns "notice", "warning" or "error".
func (s Severity) String() string { return [...]string{"notice", "warning", "error"}[s] }
