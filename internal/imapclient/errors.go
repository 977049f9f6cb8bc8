package imapclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"isync/internal/auth"
	"isync/internal/imapwire"
)

// ResponseError says that the server has answered a command with NO or BAD.
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

// Answer implements auth.AnswerError.
func (e *ResponseError) Answer() auth.Answer {
	status := auth.No
	if e.Status == imapwire.StatusBad {
		status = auth.Bad
	}
	return auth.Answer{Status: status, Code: e.Code.Name, Text: e.Text}
}

// ByeError says that the server has ended the connection with BYE.
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

// Answer implements auth.AnswerError.
func (e *ByeError) Answer() auth.Answer {
	return auth.Answer{Status: auth.Bye, Code: e.Code.Name, Text: e.Text}
}

// Waiting is what a client waits for: the name of a command, or one of the constants
// below.
type Waiting string

// The other things that a client waits for.
const (
	ForGreeting Waiting = "the greeting"
	ForTLS      Waiting = "the TLS handshake"
)

// ErrNoStartTLS says that the server does not offer STARTTLS, which Options.Security
// requires.
var ErrNoStartTLS = errors.New("STARTTLS is required but the server does not offer it")

// ConnectionError says that the connection is lost.
type ConnectionError struct {
	// Host is Options.Host.
	Host string
	// Waiting is what the client waited for: ForGreeting, ForTLS, or the name of a
	// command, such as "UID FETCH"; "": nothing.
	Waiting Waiting
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
		s += " while waiting for " + string(e.Waiting)
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

// certificate returns the reason why the server's certificate was refused; "": it was not.
func (e *ConnectionError) certificate() string {
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](e.Err); ok {
		return cert.Err.Error()
	}
	// crypto/tls has no types for these errors.
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

// BodyError wraps an error of the source of a message that was being appended. Unless it also wraps a
// *ConnectionError, nothing was sent, and the connection still works.
type BodyError struct {
	Err error
	// Conn is set if the connection was closed because a part of the message was sent already.
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

// HasCode reports whether err is a NO or BAD with this response code, such as
// imapwire.CodeTryCreate.
func HasCode(err error, name string) bool {
	r, ok := errors.AsType[*ResponseError](err)
	return ok && r.Code.Name == name
}

// An AnswerError says that the answer to a command, or a part of it, is invalid.
type AnswerError struct {
	Command string
	Err     error
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("server's answer to %s cannot be read: %v", e.Command, e.Err)
}

func (e *AnswerError) Unwrap() error { return e.Err }
