package imapclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"isync/internal/imapwire"
)

// errNoMessages is why an APPEND of nothing fails.
var errNoMessages = errors.New("nothing to append")

// errFoundTooMany says that the answer to a SEARCH is invalid.
var errFoundTooMany = errors.New("it lists more messages than the mailbox has")

// errHalfSent is why a connection was given up.
var errHalfSent = errors.New("a message could not be sent completely")

// ResponseError is a command's NO or BAD.
type ResponseError struct {
	// Command is the command's verb, such as "UID FETCH".
	Command string
	Status  imapwire.Status // StatusNo or StatusBad
	Code    imapwire.Code
	Text    string
}

func (e *ResponseError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "server refused %s: %s", e.Command, e.Status)
	if e.Code.Name != "" {
		b.WriteString(" [" + e.Code.Name)
		if e.Code.Args != "" {
			b.WriteString(" " + e.Code.Args)
		}
		b.WriteString("]")
	}
	if e.Text != "" {
		b.WriteString(" " + e.Text)
	}
	return b.String()
}

// ByeError says that the server ended the connection, and why.
type ByeError struct {
	Code imapwire.Code
	Text string
}

func (e *ByeError) Error() string {
	s := "server said goodbye"
	if e.Code.Name != "" {
		s += " [" + e.Code.Name + "]"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// ConnectionError says that the connection is lost.
type ConnectionError struct {
	// Host is what Options called the server.
	Host string
	// Waiting is what was waited for, such as "UID FETCH" or "the greeting";
	// "" for nothing.
	Waiting string
	Err     error
}

func (e *ConnectionError) Error() string {
	if why := e.certificate(); why != "" {
		s := "certificate"
		if e.Host != "" {
			s += " of " + e.Host
		}
		return s + " refused: " + why
	}
	s := "connection"
	if e.Host != "" {
		s += " to " + e.Host
	}
	s += " lost"
	if e.Waiting != "" {
		s += " while waiting for " + e.Waiting
	}
	return s + ": " + e.Err.Error()
}

func (e *ConnectionError) Unwrap() error { return e.Err }

// Malformed reports whether the server's certificate was refused because no client can
// accept it.
func (e *ConnectionError) Malformed() bool {
	_, verified := errors.AsType[*tls.CertificateVerificationError](e.Err)
	return !verified && e.certificate() != ""
}

// certificate tells why the server's certificate was refused, "" if it was not.
func (e *ConnectionError) certificate() string {
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](e.Err); ok {
		return cert.Err.Error()
	}
	// For these crypto/tls has no types.
	text := e.Err.Error()
	if why, ok := strings.CutPrefix(text, "tls: failed to parse certificate from server: "); ok {
		return why
	}
	for _, begin := range []string{"tls: server sent certificate containing ", "tls: server's certificate contains "} {
		if strings.HasPrefix(text, begin) {
			return text
		}
	}
	return ""
}

// BodyError wraps an error of the source of a message that was being appended.
// Unless it also wraps a *ConnectionError nothing was sent, and the connection
// goes on.
type BodyError struct {
	Err error
	// Conn is set if the connection had to be given up, because the message
	// was already half sent.
	Conn *ConnectionError
}

func (e *BodyError) Error() string { return "cannot read the message: " + e.Err.Error() }

// Unwrap returns the errors it wraps.
func (e *BodyError) Unwrap() []error {
	if e.Conn == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Conn}
}

// HasCode tells whether err is a command's NO or BAD with the response code of
// that name, such as imapwire.CodeTryCreate.
func HasCode(err error, name string) bool {
	r, ok := errors.AsType[*ResponseError](err)
	return ok && r.Code.Name == name
}

// An AnswerError says that a command was answered, but that the answer, or a
// part of it, cannot be read.
type AnswerError struct {
	Command string
	Err     error
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("server's answer to %s cannot be read: %v", e.Command, e.Err)
}

func (e *AnswerError) Unwrap() error { return e.Err }
