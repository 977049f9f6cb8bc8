package imap

import (
	"context"
	"errors"
	"net"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/transport"
)

// The bounds of the length of a set of UIDs in a command, in bytes. Some servers
// refuse command lines of more than 8000 bytes, so sets begin with maxSet. Others
// take no more than 1000 bytes; with sets of minSet a line stays below that.
const (
	maxSet = 7000
	minSet = 800
)

// maxSet returns the maximum length of sets in commands.
func (p *past) maxSet() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	if n := p.note.MaxSet; n >= minSet && n < maxSet {
		return n
	}
	return maxSet
}

// tooLong judges the failure of a command with that set. If the command may have been
// refused because of its length, it lowers maxSet and returns true: the command is
// then sent again in pieces. If the server has closed the connection instead, the next
// connection uses short commands only.
func (p *past) tooLong(err error, set mail.UIDSet) bool {
	n := len(set.AppendTo(nil))
	if err == nil || n <= minSet {
		return false
	}
	hungUp := saysNothing(err)
	if !hungUp && !refusesLine(err) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	shorter := max(minSet, n/2)
	if hungUp {
		shorter = minSet
	}
	if p.note.MaxSet == 0 || shorter < p.note.MaxSet {
		p.opts.debugf("commands with sets of %d bytes may be too long for the server, using at most %d: %v", n, shorter, err)
		p.note.MaxSet = shorter
		if hungUp {
			p.save()
		}
	}
	return !hungUp
}

// shortWorked notes that short commands succeeded after a long command was refused.
func (p *past) shortWorked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.save()
}

// refusesLine reports whether a refusal may be about the length of the command.
func refusesLine(err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok {
		return false
	}
	return !throttled.MatchString(r.Text) && !full.MatchString(r.Text) &&
		(r.Status == imapwire.StatusBad || reachOf(err) == ofMessage || r.Code.Name == "LIMIT")
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
