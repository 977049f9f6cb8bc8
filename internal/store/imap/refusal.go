package imap

import (
	"errors"
	"fmt"
	"regexp"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
)

// reach says what a refusal applies to.
type reach uint8

const (
	// ofMessage: it may concern this message. If this is not certain, several
	// such refusals in a row show that it concerns the mailbox (maxRefused).
	ofMessage reach = iota
	ofBox           // the mailbox cannot be used at the moment
	ofStore         // nor can anything else of the account
	ofRoom          // there is no room for more messages; everything else works
)

// Words in refusals without a helpful code.
var (
	// throttled: there were too many requests, or the login is not complete yet, as Exchange
	// reports for a while. It concerns the whole account.
	throttled = regexp.MustCompile(`(?i)(throttl|suggested backoff|bandwidth limit|authenticated but not connected|too many (requests|commands|simultaneous|connections))`)
	// full: the account is full.
	full = regexp.MustCompile(`(?i)(over ?quota|quota (is |has been |was )?exceeded|exceed\w* .{0,30}quota|(mailbox|account|disk) (is )?full|insufficient (storage|space)|no space left)`)
	// busy: the mailbox is not available for a while.
	busy = regexp.MustCompile(`(?i)(server (is )?(too )?busy|try (it )?again|retry later|temporar(y|ily)|timeout while waiting for lock|locked by another)`)
)

// reachOf returns what the refusal of a command about a message applies to. A problem of the mailbox or the
// account (RFC 5530, RFC 9208) is temporary or will be solved, and must not count as a failure of the
// message.
func reachOf(err error) reach {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok {
		return ofMessage
	}
	switch r.Code.Name {
	case imapwire.CodeTooBig, "PARSE", "UNKNOWN-CTE":
		return ofMessage
	case imapwire.CodeOverQuota:
		return ofRoom
	case "THROTTLED":
		return ofStore
	}
	switch {
	case throttled.MatchString(r.Text):
		return ofStore
	case full.MatchString(r.Text):
		return ofRoom
	case busy.MatchString(r.Text):
		return ofBox
	}
	switch r.Code.Name {
	case imapwire.CodeTryCreate, imapwire.CodeNonexistent, imapwire.CodeReadOnly,
		"INUSE", "NOPERM", "EXPIRED", "PRIVACYREQUIRED":
		return ofBox
	case codeLimit:
		if !exceedsLimit(r) {
			return ofBox
		}
	}
	return ofMessage
}

// codeLimit means that a limit of the server is exceeded (RFC 5530 §3).
const codeLimit = "LIMIT"

// exceedsLimit reports whether the message to be stored exceeds a limit, most likely by its size: Dovecot
// has such a limit, quota_max_mail_size. Otherwise it is a limit for commands or connections.
func exceedsLimit(r *imapclient.ResponseError) bool {
	return r.Command == "APPEND" && r.Code.Name == codeLimit && !throttled.MatchString(r.Text) && !busy.MatchString(r.Text)
}

// certain reports whether a refusal is certainly about the message.
func certain(err error) bool {
	return imapclient.HasCode(err, imapwire.CodeTooBig) || imapclient.HasCode(err, "PARSE") || imapclient.HasCode(err, "UNKNOWN-CTE")
}

// unreadable classifies a refusal to send messages. An exceeded quota means here that
// too much was read, because nothing is stored.
func unreadable(err error) reach {
	r := reachOf(err)
	if r == ofRoom {
		return ofStore
	}
	return r
}

// failAs is fail for a refusal with that reach.
func (m *mailbox) failAs(r reach, what string, err error) error {
	switch r {
	case ofStore:
		return &store.StoreError{Store: m.store.opts.Name, Err: judged(fmt.Errorf("%s in '%s': %w", what, m.box, err))}
	case ofRoom:
		return m.fail(what, &store.FullError{Err: err})
	}
	return m.fail(what, err)
}
