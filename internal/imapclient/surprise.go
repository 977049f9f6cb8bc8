package imapclient

import (
	"context"
	"errors"
	"slices"

	"isync/internal/imapwire"
)

// SurpriseError says that the server did not answer as Options.Memo made the client
// expect, or that the connection was broken off while commands were sent
// optimistically. It is wrapped in a *ConnectionError. The next connection should be
// made without a memo.
type SurpriseError struct {
	What string
	// Incapable: the server does not support commands behind the login. Otherwise an
	// announcement was different, or the connection was lost for an unknown reason.
	Incapable bool
}

func (e *SurpriseError) Error() string { return "sent too much ahead: " + e.What }

// ErrNotLoggedIn is the error of a connection on which commands were sent after a login that failed.
var ErrNotLoggedIn = errors.New("the login has failed")

// otherReasons are codes of a BYE that is about the user, or the server.
var otherReasons = []string{
	imapwire.CodeUnavailable, imapwire.CodeAuthFailed, "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN",
	"INUSE", "LIMIT", imapwire.CodeOverQuota, "SERVERBUG",
}

// brokenOff turns the error that ended an optimistic connection into a surprise, unless
// another reason is known.
func brokenOff(err error) error {
	lost, ok := errors.AsType[*ConnectionError](err)
	if !ok || errors.Is(err, ErrNotLoggedIn) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, known := errors.AsType[*SurpriseError](err); known {
		return err
	}
	if bye, ok := errors.AsType[*ByeError](err); ok && slices.Contains(otherReasons, bye.Code.Name) {
		return err
	}
	return &ConnectionError{Host: lost.Host, Waiting: lost.Waiting, Err: &surprisingEnd{lost.Err}}
}

// surprisingEnd is the error of a connection whose end counts as a surprise. It has the
// text of the original error.
type surprisingEnd struct{ err error }

func (e *surprisingEnd) Error() string { return e.err.Error() }

// Unwrap returns the original error and the surprise.
func (e *surprisingEnd) Unwrap() []error { return []error{e.err, &SurpriseError{What: e.err.Error()}} }
