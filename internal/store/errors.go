package store

import (
	"errors"
	"fmt"
)

// ErrNoBox says that a mailbox does not exist.
var ErrNoBox = errors.New("no such mailbox")

// ErrGone says that a message does not exist any more.
var ErrGone = errors.New("message is gone")

// ErrCrowded says that all sessions are in use, perhaps by callers that wait for
// something themselves. The caller may give back its own sessions, and try again.
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

// FullError says that the store has no room for more messages. Everything else works.
type FullError struct{ Err error }

func (e *FullError) Error() string { return e.Err.Error() }

func (e *FullError) Unwrap() error { return e.Err }

// BodyError says that a message could not be stored because reading it failed.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return e.Err.Error() }

func (e *BodyError) Unwrap() error { return e.Err }

// NameReason is the reason why a store cannot have a mailbox with a certain name.
type NameReason uint8

// The reasons.
const (
	// NameInvalid: no store can have a mailbox with this name.
	NameInvalid NameReason = iota
	// NameNested: the mailbox would be within another one, but the configuration does not
	// say how sub-folders are stored (SubFolders). NameError.Style is the value that fits
	// the existing directories; "": unknown.
	NameNested
	// NameNoPath: the store has no Path, so it has no mailboxes other than the inbox.
	NameNoPath
	// NameLayout: the layout of sub-folders cannot represent the name.
	NameLayout
	// NameDelimiter: the name contains the hierarchy delimiter.
	NameDelimiter
	// NameFlat: the server does not support mailboxes within other mailboxes.
	NameFlat
	// NameInbox: the name means the inbox.
	NameInbox
	// NameSystem: the operating system does not allow a file with this name.
	NameSystem
	// NameTaken: the file system cannot distinguish the name from that of another mailbox.
	NameTaken
	// NameReserved: the store uses a file or directory with this name itself.
	NameReserved
)

// NameError says that a store cannot have a mailbox with a certain name.
type NameError struct {
	Reason NameReason
	Name   string // canonical
	Style  string // SubFolders, with NameNested
	Text   string // what is wrong; it need not say the name
}

func (e *NameError) Error() string { return e.Text }
