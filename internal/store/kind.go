package store

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Kind says whether trying again may help after an error.
type Kind uint8

// The kinds of errors.
const (
	// KindNone: there is no error, or it does not come from the store, such as a
	// cancellation.
	KindNone Kind = iota
	// Passing: another attempt may succeed.
	Passing
	// Throttled: the client has sent too many requests. Another try may succeed later,
	// with fewer connections.
	Throttled
	// LastingMessage, LastingBox and LastingAccount: another try fails until the user
	// changes something. This concerns one message, one mailbox, or everything in the
	// account.
	LastingMessage
	LastingBox
	LastingAccount
)

func (k Kind) String() string {
	return [...]string{"none", "passing", "throttled", "lasting, one message", "lasting, one mailbox", "lasting, the account"}[k]
}

// Lasting reports whether trying again does not help.
func (k Kind) Lasting() bool { return k >= LastingMessage }

// KindError adds the kind to an error. It has the text of the error.
type KindError struct {
	Kind Kind
	// Wait is how long a server that throttles asks the client to wait; 0: not
	// specified.
	Wait time.Duration
	Err  error
}

func (e *KindError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *KindError) Unwrap() error { return e.Err }

// passing are errors of the operating system after which another try may succeed.
var passing = []error{
	syscall.EAGAIN, syscall.EINTR, syscall.EIO, syscall.EBUSY, syscall.ESTALE, syscall.ENOMEM, syscall.ENFILE, syscall.EMFILE,
	syscall.ETIMEDOUT, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
}

// KindOf returns the kind of an error of a store, and how long a server asks the client
// to wait. If the store has not set the kind (KindError), some errors are known to be
// passing. Every other error is lasting: for the mailbox if it is a *BoxError, for the
// account if it is a *StoreError, and else for the message. An error of several stores
// has the kind of the first one.
func KindOf(err error) (Kind, time.Duration) {
	if err == nil {
		return KindNone, 0
	}
	if e, ok := errors.AsType[*KindError](err); ok {
		return e.Kind, e.Wait
	}
	switch {
	case errors.Is(err, context.Canceled):
		return KindNone, 0
	case errors.Is(err, ErrCrowded):
		return Throttled, 0
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return Passing, 0
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return Passing, 0
	}
	for _, errno := range passing {
		if errors.Is(err, errno) {
			return Passing, 0
		}
	}
	if _, ok := errors.AsType[*StoreError](err); ok {
		return LastingAccount, 0
	}
	if _, ok := errors.AsType[*BoxError](err); ok {
		return LastingBox, 0
	}
	if _, ok := errors.AsType[*FullError](err); ok || errors.Is(err, ErrNoBox) {
		return LastingBox, 0
	}
	return LastingMessage, 0
}
