package imap

import (
	"errors"
	"fmt"
	"regexp"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
)

// reach is how far a refusal reaches.
type reach uint8

const (
	ofMessage reach = iota // this message is not wanted
	ofBox                  // the mailbox cannot be used at the moment
	ofStore                // nor can anything else of the account
)

// Words in refusals without a helpful code: that too much was asked for of
// late, that the account is full, and what Exchange says for a while after a
// login.
var wholeAccount = regexp.MustCompile(`(?i)(throttled|suggested backoff|bandwidth limit|authenticated but not connected|over ?quota|quota (is |has been )?exceeded|exceed\w* .{0,30}quota)`)

// reachOf tells how far the refusal of a command about a message reaches. What
// is the matter with the mailbox or the account (RFC 5530, RFC 9208) will pass,
// or be mended, and must not be held against the message.
func reachOf(err error) reach {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok {
		return ofMessage
	}
	switch r.Code.Name {
	case imapwire.CodeTooBig:
		return ofMessage
	case imapwire.CodeOverQuota:
		return ofStore
	case imapwire.CodeTryCreate, imapwire.CodeNonexistent, imapwire.CodeUnavailable, imapwire.CodeReadOnly,
		"INUSE", "LIMIT", "NOPERM", "EXPIRED", "PRIVACYREQUIRED", "CONTACTADMIN":
		if wholeAccount.MatchString(r.Text) {
			return ofStore
		}
		return ofBox
	}
	if wholeAccount.MatchString(r.Text) {
		return ofStore
	}
	return ofMessage
}

// unreadable tells how far the refusal to send a message reaches, which was
// asked for twice.
func unreadable(err error) reach {
	if imapclient.HasCode(err, "SERVERBUG") {
		return ofBox
	}
	return reachOf(err)
}

// failAs is fail with a refusal of that reach.
func (m *mailbox) failAs(r reach, what string, err error) error {
	if r == ofStore {
		return &store.StoreError{Store: m.store.opts.Name, Err: fmt.Errorf("%s in '%s': %w", what, m.box, err)}
	}
	return m.fail(what, err)
}
