package transport

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrClosed is why operations fail after the connection was closed on this side.
var ErrClosed = errors.New("connection is closed")

// ErrPeerClosed is how the end of the stream is told.
var ErrPeerClosed = errors.New("the server closed the connection")

// NameEnd returns ErrPeerClosed for the end of the stream, and other errors as they are.
func NameEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrPeerClosed
	}
	return err
}

// TimeoutError says that the connection made no progress for too long.
type TimeoutError struct {
	// Sending: the server took no more data. Else it sent none.
	Sending bool
	// Talking: it has sent only unsolicited data.
	Talking bool
	After   time.Duration
}

func (e *TimeoutError) Error() string {
	if e.Sending {
		return fmt.Sprintf("server has accepted no data for %v", e.After)
	}
	if e.Talking {
		return fmt.Sprintf("server has sent only unsolicited data for %v", e.After)
	}
	return fmt.Sprintf("server has sent nothing for %v", e.After)
}

// Timeout implements net.Error's method.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error's method.
func (e *TimeoutError) Temporary() bool { return true }
