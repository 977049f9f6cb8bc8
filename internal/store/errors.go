package store

import (
	"errors"
	"fmt"
)

// ErrNoBox says that a mailbox does not exist.
var ErrNoBox = errors.New("no such mailbox")

// ErrGone says that a message does not exist any more.
var ErrGone = errors.New("message is gone")

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

// BodyError wraps an error of the source of a message that was being stored.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return e.Err.Error() }

func (e *BodyError) Unwrap() error { return e.Err }
