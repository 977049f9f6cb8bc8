package transport

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrClosed is the error of operations after this side has closed the connection.
var ErrClosed = errors.New("connection is closed")

// ErrPeerClosed reports that the server has closed the connection.
var ErrPeerClosed = errors.New("the server closed the connection")

// NameEnd returns ErrPeerClosed for the end of the stream, and any other error unchanged.
func NameEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrPeerClosed
	}
	return err
}

// TimeoutError reports that the connection made no progress for the time After.
type TimeoutError struct {
	// Sending: the server accepted no more data. Otherwise it sent none.
	Sending bool
	// Talking: the server sent only unsolicited data.
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

// Timeout implements net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *TimeoutError) Temporary() bool { return true }
