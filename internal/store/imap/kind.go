package imap

import (
	"crypto/tls"
	"errors"
	"regexp"
	"strconv"
	"time"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap/session"
	"isync/internal/transport"
)

// backoff is the time that Exchange asks clients to wait.
var backoff = regexp.MustCompile(`(?i)suggested backoff time: *([0-9]{1,9}) *milliseconds`)

// judged adds the kind to an error.
func judged(err error) error {
	if _, known := errors.AsType[*store.KindError](err); known || err == nil {
		return err
	}
	kind, wait := kindOf(err)
	if kind == store.KindNone {
		return err
	}
	return &store.KindError{Kind: kind, Wait: wait, Err: err}
}

// kindOf returns the kind of an error; store.KindNone: package store determines it. A
// refusal without a known code or phrase counts as passing, since another try shows
// whether it lasts.
func kindOf(err error) (store.Kind, time.Duration) {
	if _, full := errors.AsType[*store.FullError](err); full {
		return store.LastingBox, 0
	}
	if lastsForAccount(err) {
		return store.LastingAccount, 0
	}
	if e, ok := errors.AsType[*auth.UnavailableError](err); ok {
		if e.Passing {
			return store.Passing, 0
		}
		return store.LastingAccount, 0
	}
	e, ok := errors.AsType[auth.AnswerError](err)
	if ok {
		said := e.Answer()
		kind := kindOfAnswer(said)
		if r, ok := errors.AsType[*imapclient.ResponseError](err); ok && kind == store.Throttled {
			switch {
			case stores(r.Command) && overQuota(said):
				kind = store.LastingBox
			case exceedsLimit(r):
				kind = store.LastingMessage
			}
		}
		return kind, waitOf(said.Text)
	}
	if isLost(err) {
		return store.Passing, 0
	}
	if _, garbled := errors.AsType[*imapclient.AnswerError](err); garbled {
		return store.Passing, 0
	}
	return store.KindNone, 0
}

// lastsForAccount reports whether nothing of the account can be used until the user
// changes the configuration, the account, or the server.
func lastsForAccount(err error) bool {
	if lost, ok := errors.AsType[*imapclient.ConnectionError](err); ok && lost.Malformed() {
		return true
	}
	_, refused := errors.AsType[*auth.RefusedError](err)
	_, repeated := errors.AsType[*auth.RepeatError](err)
	_, noMechanism := errors.AsType[*auth.SelectError](err)
	_, noCommand := errors.AsType[*auth.CommandError](err)
	_, noKey := errors.AsType[*auth.KeychainError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, noCiphers := errors.AsType[*transport.CipherError](err)
	return refused || repeated || noMechanism || noCommand || noKey || untrusted || noTLS || noCiphers ||
		errors.Is(err, auth.ErrImpostor) || errors.Is(err, auth.ErrNoUser) || errors.Is(err, auth.ErrNoPrompt) || errors.Is(err, session.ErrNoLogin)
}

// kindOfAnswer judges an answer by its code (RFC 5530, RFC 9208) and by known phrases.
func kindOfAnswer(a auth.Answer) store.Kind {
	switch a.Code {
	case imapwire.CodeTooBig, "PARSE", "UNKNOWN-CTE":
		return store.LastingMessage
	case imapwire.CodeOverQuota, codeLimit, "THROTTLED":
		return store.Throttled
	case imapwire.CodeAuthFailed, "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED":
		return store.LastingAccount
	case imapwire.CodeUnavailable, "INUSE", "SERVERBUG", "CONTACTADMIN":
		if throttled.MatchString(a.Text) {
			return store.Throttled
		}
		return store.Passing
	}
	switch {
	case throttled.MatchString(a.Text), full.MatchString(a.Text):
		return store.Throttled
	case busy.MatchString(a.Text):
		return store.Passing
	}
	switch a.Code {
	case imapwire.CodeTryCreate, imapwire.CodeNonexistent, imapwire.CodeReadOnly, "NOPERM", "CANNOT", "ALREADYEXISTS", "HASCHILDREN":
		return store.LastingBox
	}
	return store.Passing
}

// overQuota reports whether an answer is about the room for messages.
func overQuota(a auth.Answer) bool {
	return a.Code == imapwire.CodeOverQuota || full.MatchString(a.Text) && !throttled.MatchString(a.Text)
}

// stores reports whether a command stores something. Then "over quota" means that the
// storage is full; otherwise it means that too much was read.
func stores(command string) bool {
	switch command {
	case "APPEND", "COPY", "UID COPY", "MOVE", "UID MOVE", "CREATE":
		return true
	}
	return false
}

// waitOf returns how long the server asks the client to wait; 0: not specified.
func waitOf(text string) time.Duration {
	m := backoff.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
