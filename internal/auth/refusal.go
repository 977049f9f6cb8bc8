package auth

import (
	"errors"
	"regexp"
)

// Status is the status of a response that refuses a command (RFC 9051 §7.1).
type Status uint8

// The statuses.
const (
	No Status = iota
	Bad
	// Bye: the server closes the connection.
	Bye
)

// Answer is the response of a server that refuses a command.
type Answer struct {
	Status Status
	Code   string // response code, in upper case
	Text   string
}

// AnswerError is an error of a Conn that contains the server's response.
type AnswerError interface {
	error
	Answer() Answer
}

// The response codes that concern a login (RFC 5530, RFC 9208).
const (
	codeAuthFailed    = "AUTHENTICATIONFAILED"
	codeAuthorization = "AUTHORIZATIONFAILED"
	codeExpired       = "EXPIRED"
	codeCannot        = "CANNOT"
	codeUnavailable   = "UNAVAILABLE"
	codeInUse         = "INUSE"
	codeLimit         = "LIMIT"
	codeServerBug     = "SERVERBUG"
	codePrivacy       = "PRIVACYREQUIRED"
	codeContactAdmin  = "CONTACTADMIN"
	codeOverQuota     = "OVERQUOTA"
)

// refusal is the part of a login that a server refuses.
type refusal uint8

const (
	ofNothing   refusal = iota // undecided, or for other reasons
	ofMechanism                // the mechanism cannot be used; others may work
	ofSecret                   // user name and password are wrong or unusable
)

// Texts of refusals without a response code. A lock is a consequence of wrong passwords, even if
// the text says that it is temporary.
var (
	textLocked    = regexp.MustCompile(`(?i)(too many|repeated|excessive)\b.{0,30}\b(failed|failures|attempts|passwords)\b|\baccount\b.{0,40}\b(locked|blocked|disabled|suspended)`)
	textTransient = regexp.MustCompile(`(?i)too many|maximum (number of )?(connections|sessions)|(connection|session)s? limit|temporar|try again|throttl|backoff|rate limit|` +
		`not connected|internal (server )?error|timed? ?out|unavailable|overload|busy`)
	textMechanism = regexp.MustCompile(`(?i)(un(supported|known|recogni[sz]ed|implemented)|not (supported|implemented|enabled|available|allowed)|disabled|invalid)\b.{0,40}\bmechanism|` +
		`\bmechanism\b.{0,40}\b(un(supported|known|recogni[sz]ed|available|implemented)|not|disabled)|` +
		// Cyrus SASL sends this if it cannot use a channel binding. For a wrong password, it
		// sends "authentication failure".
		`\bbad protocol\b`)
	textSecret = regexp.MustCompile(`(?i)password|credential|(authentication|login|logon|auth) fail|invalid (user|login)|denied`)
)

// judgeLogin determines what the error of a login refuses, and the outcome for the secret.
func judgeLogin(err error) (refusal, Outcome) {
	if err == nil {
		return ofNothing, Accepted
	}
	e, ok := errors.AsType[AnswerError](err)
	if ok && e.Answer().Status == Bye {
		return judgeBye(e.Answer())
	}
	if e, ok := errors.AsType[*SCRAMError](err); ok {
		return judgeSCRAM(e.Value)
	}
	if errors.Is(err, ErrImpostor) {
		// A false server must not get another attempt.
		return ofNothing, Rejected
	}
	if !ok {
		return ofNothing, Undecided // for example a lost connection
	}
	a := e.Answer()
	if a.Status == Bad && a.Code == "" && !textSecret.MatchString(a.Text) && !textLocked.MatchString(a.Text) {
		return ofMechanism, Undecided
	}
	return judgeText(a.Code, a.Text)
}

// judgeBye judges a BYE. It has many reasons; only known phrases make it a refusal of
// the login.
func judgeBye(a Answer) (refusal, Outcome) {
	if a.Code == codeAuthFailed || textLocked.MatchString(a.Text) || textSecret.MatchString(a.Text) && !textTransient.MatchString(a.Text) {
		return judgeText(a.Code, a.Text)
	}
	return ofNothing, Undecided
}

// judgeText judges a NO by its code (RFC 5530) and its text.
func judgeText(code, text string) (refusal, Outcome) {
	switch code {
	case codeAuthFailed, codeAuthorization, codeExpired:
		return ofSecret, Rejected
	case codeCannot:
		return ofMechanism, Undecided
	case codeUnavailable, codeInUse, codeLimit, codeServerBug, codePrivacy, codeContactAdmin, codeOverQuota:
		return ofNothing, Undecided
	}
	switch {
	case textLocked.MatchString(text):
		return ofSecret, Rejected
	case textTransient.MatchString(text):
		return ofNothing, Undecided
	case textMechanism.MatchString(text):
		return ofMechanism, Undecided
	}
	return ofSecret, Doubted
}

// judgeSCRAM judges an error of SCRAM.
func judgeSCRAM(value string) (refusal, Outcome) {
	switch value {
	case SCRAMBindingType, SCRAMBindingUnsupported:
		return ofMechanism, Undecided
	case SCRAMBindingDiffers, SCRAMDowngrade:
		// Somebody is in between: an attacker, or something that takes TLS off
		// in front of the server. Anything weaker would be what the former wants.
		return ofNothing, Rejected
	case SCRAMNoResources:
		return ofNothing, Undecided
	}
	return ofSecret, Rejected
}
