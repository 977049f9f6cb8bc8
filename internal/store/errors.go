package store

import (
	"errors"
	"fmt"
)

// ErrNoBox says that a mailbox does not exist.
var ErrNoBox = errors.New("no such mailbox")

// ErrGone says that a message does not exist any more.
var ErrGone = errors.New("message is gone")

// ErrCrowded says that a session that is needed cannot be had as long as others
// keep theirs, which perhaps wait for something themselves. Whoever gives back
// what it has may try again.
var ErrCrowded = errors.New("too few sessions")

// BoxError says that one mailbox of a store cannot be used.
type BoxError struct {
	Store, Box string
	Err        error
}

func (e *BoxError) Error() string {
	return fmt.Sprintf("store '%s', mailbox '%s': %v", e.Store, e.Box, e.Err)
}

func (e *BoxError) Unwrap() error { return e.Err }

// StoreError says that a whole store cannot be used (any more) in this run.
type StoreError struct {
	Store string
	Err   error
}

func (e *StoreError) Error() string { return fmt.Sprintf("store '%s': %v", e.Store, e.Err) }

func (e *StoreError) Unwrap() error { return e.Err }

// StoreErrors returns all failures of stores in the tree of an error: several stores may
// have failed at the same time.
func StoreErrors(err error) (found []*StoreError) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *StoreError:
		return []*StoreError{e}
	case interface{ Unwrap() error }:
		return StoreErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, x := range e.Unwrap() {
			found = append(found, StoreErrors(x)...)
		}
	}
	return found
}

// FullError says that there is no room for more messages. Everything else works.
type FullError struct{ Err error }

func (e *FullError) Error() string { return e.Err.Error() }

func (e *FullError) Unwrap() error { return e.Err }

// BodyError wraps an error of the source of a message that was being stored.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return e.Err.Error() }

func (e *BodyError) Unwrap() error { return e.Err }

// NameReason is why a store cannot have a mailbox of some name.
type NameReason uint8

// The reasons.
const (
	// NameInvalid: it is no name for a mailbox at all, anywhere.
	NameInvalid NameReason = iota
	// NameNested: a mailbox would be within another, but the store does not say
	// how that is laid out. NameError.Style is what fits, if there is something.
	NameNested
	// NameNoPath: the store does not say where mailboxes other than the inbox
	// are.
	NameNoPath
	// NameLayout: the layout of sub-folders cannot express it.
	NameLayout
	// NameDelimiter: the hierarchy delimiter is in it.
	NameDelimiter
	// NameFlat: the server has no mailboxes within others.
	NameFlat
	// NameInbox: it means, or leads to, the inbox.
	NameInbox
	// NameSystem: the operating system cannot have a file of that name.
	NameSystem
	// NameTaken: the file system cannot distinguish it from the name of another mailbox.
	NameTaken
	// NameReserved: the store has a file or directory of its own by that name.
	NameReserved
)

// NameError says that a store cannot have a mailbox of some name.
type NameError struct {
	Reason NameReason
	Name   string // canonical
	Style  string // SubFolders, with NameNested
	Text   string // what is wrong; it need not say the name
}

func (e *NameError) Error() string { return e.Text }
