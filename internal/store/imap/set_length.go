package imap

import (
	"context"
	"errors"
	"net"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store/imap/session"
	"isync/internal/transport"
)

// The limits of the length of a set of UIDs in a command, in bytes. Some servers refuse command lines of more
// than 8000 bytes, so sets have at most maxSet. Others accept no more than 1000 bytes. With sets of minSet,
// a line is shorter than that.
const (
	maxSet = 7000
	minSet = 800
)

// setLengths limits the length of sets in the commands for one server.
type setLengths struct {
	record *session.ServerRecord
	debugf func(format string, args ...any)
}

// maxSet returns the maximum length of sets in commands.
func (l *setLengths) maxSet() int {
	if n := l.record.MaxSet(); n >= minSet && n < maxSet {
		return n
	}
	return maxSet
}

// tooLong judges the failure of a command with that set. If the command may have been
// refused because of its length, it lowers maxSet and returns true: the command is
// then sent again in pieces. If the server has closed the connection instead, the next
// connection uses short commands only.
func (l *setLengths) tooLong(err error, set mail.UIDSet) bool {
	n := len(set.AppendTo(nil))
	if err == nil || n <= minSet {
		return false
	}
	hungUp := saysNothing(err)
	if !hungUp && !refusesLine(err) {
		return false
	}
	shorter := max(minSet, n/2)
	if hungUp {
		shorter = minSet
	}
	if l.record.LowerMaxSet(shorter) {
		l.debugf("commands with sets of %d bytes may be too long for the server, using at most %d: %v", n, shorter, err)
		if hungUp {
			l.record.SaveMaxSet()
		}
	}
	return !hungUp
}

// shortWorked notes that short commands succeeded after a long command was refused.
func (l *setLengths) shortWorked() { l.record.SaveMaxSet() }

// refusesLine reports whether a refusal may be about the length of the command.
func refusesLine(err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok {
		return false
	}
	return !throttled.MatchString(r.Text) && !full.MatchString(r.Text) &&
		(r.Status == imapwire.StatusBad || reachOf(err) == ofMessage || r.Code.Name == codeLimit)
}

// saysNothing reports whether the server has closed the connection, and not this
// program.
func saysNothing(err error) bool {
	if !isLost(err) || errors.Is(err, transport.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return false
	}
	return true
}
