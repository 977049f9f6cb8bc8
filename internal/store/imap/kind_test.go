package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap/session"
	"isync/internal/transport"
)

// TestKinds: the kinds of the errors that the store returns.
func TestKinds(t *testing.T) {
	s := New(Options{Name: "far"})
	m := &mailbox{store: s, box: "b"}
	whole := s.storeError
	login := func(err error) error { return fmt.Errorf("login failed: %w", err) }
	box := func(err error) error { return s.boxError("b", err) }
	reading := func(err error) error { return m.failAs(unreadable(err), "reading messages", err) }
	storing := func(err error) error { return m.failAs(reachOf(err), "storing messages", err) }
	response := func(command string, status imapwire.Status, code, text string) error {
		return &imapclient.ResponseError{Command: command, Status: status, Code: imapwire.Code{Name: code}, Text: text}
	}
	no := func(code, text string) error { return response("UID FETCH", imapwire.StatusNo, code, text) }
	lost := func(err error) error { return &imapclient.ConnectionError{Host: "h", Waiting: "UID FETCH", Err: err} }
	bye := func(code, text string) error {
		return lost(&imapclient.ByeError{Code: imapwire.Code{Name: code}, Text: text})
	}
	const exchange = "Request is throttled. Suggested Backoff Time: 1500 milliseconds"
	for _, tt := range []struct {
		err  error
		want store.Kind
		wait time.Duration
	}{
		// Connections.
		{whole(lost(syscall.ECONNRESET)), store.Passing, 0},
		{whole(lost(os.ErrDeadlineExceeded)), store.Passing, 0},
		{box(lost(errors.New("unexpected EOF"))), store.Passing, 0},
		{whole(lost(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})), store.Passing, 0},
		{whole(lost(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true})), store.Passing, 0},
		{whole(bye("UNAVAILABLE", "maintenance")), store.Passing, 0},
		{whole(bye("", "Autologout")), store.Passing, 0},
		{whole(bye("", "Too many simultaneous connections")), store.Throttled, 0},
		{whole(store.ErrCrowded), store.Throttled, 0},
		{whole(lost(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})), store.LastingAccount, 0},
		{whole(lost(tls.RecordHeaderError{})), store.LastingAccount, 0},
		{whole(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}), store.Passing, 0},
		{whole(&transport.CipherError{}), store.LastingAccount, 0},
		// Logins.
		{whole(login(&auth.RefusedError{Err: no("AUTHENTICATIONFAILED", "no")})), store.LastingAccount, 0},
		{whole(login(&auth.RefusedError{Err: bye("", "wrong password")})), store.LastingAccount, 0},
		{whole(login(&auth.RepeatError{First: errors.New("x")})), store.LastingAccount, 0},
		{whole(login(&auth.SelectError{})), store.LastingAccount, 0},
		{whole(login(&auth.CommandError{Command: "x", Err: errors.New("exit status 1")})), store.LastingAccount, 0},
		{whole(login(session.ErrNoLogin)), store.LastingAccount, 0},
		{whole(login(no("UNAVAILABLE", "later"))), store.Passing, 0},
		{whole(login(no("ALERT", "Too many simultaneous connections. (Failure)"))), store.Throttled, 0},
		{whole(login(no("", "User is authenticated but not connected."))), store.Throttled, 0},
		// Mailboxes.
		{box(no("UNAVAILABLE", "")), store.Passing, 0},
		{box(no("INUSE", "")), store.Passing, 0},
		{box(no("SERVERBUG", "")), store.Passing, 0},
		{box(no("CONTACTADMIN", "")), store.Passing, 0},
		{box(no("", "Server Unavailable. 15")), store.Passing, 0},
		{box(no("", "System I/O error")), store.Passing, 0},
		{box(response("SELECT", imapwire.StatusBad, "", "Command Error. 12")), store.Passing, 0},
		{box(no("LIMIT", "")), store.Throttled, 0},
		{box(no("UNAVAILABLE", exchange)), store.Throttled, 1500 * time.Millisecond},
		{reading(no("", exchange)), store.Throttled, 1500 * time.Millisecond},
		{reading(no("OVERQUOTA", "")), store.Throttled, 0},
		{storing(no("OVERQUOTA", "")), store.LastingBox, 0},
		{storing(no("", "Quota exceeded")), store.LastingBox, 0},
		{box(response("CREATE", imapwire.StatusNo, "OVERQUOTA", "")), store.LastingBox, 0},
		{box(no("NOPERM", "")), store.LastingBox, 0},
		{box(no("READ-ONLY", "")), store.LastingBox, 0},
		{box(no("NONEXISTENT", "")), store.LastingBox, 0},
		{box(store.ErrNoBox), store.LastingBox, 0},
		{box(errNewValidity), store.LastingBox, 0},
		{box(&imapclient.AnswerError{Command: "SEARCH", Err: errors.New("odd")}), store.Passing, 0},
		// Messages.
		{judged(no("TOOBIG", "")), store.LastingMessage, 0},
		{judged(no("PARSE", "")), store.LastingMessage, 0},
		{judged(response("APPEND", imapwire.StatusNo, "LIMIT", "Mail size exceeds the limit")), store.LastingMessage, 0},
		{judged(response("APPEND", imapwire.StatusNo, "LIMIT", "Too many requests")), store.Throttled, 0},
		{judged(no("UNKNOWN-CTE", "")), store.LastingMessage, 0},
		{judged(no("", "something else")), store.Passing, 0},
		{judged(errNoText), store.LastingMessage, 0},
		// No kind.
		{judged(nil), store.KindNone, 0},
		{whole(context.Canceled), store.KindNone, 0},
	} {
		if got, wait := store.KindOf(tt.err); got != tt.want || wait != tt.wait {
			t.Errorf("%v: %s, %s; want %s, %s", tt.err, got, wait, tt.want, tt.wait)
		}
	}
}
