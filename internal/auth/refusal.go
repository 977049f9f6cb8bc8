package auth

import (
	"errors"
	"regexp"
)

// Status is the status of an answer that refuses something (RFC 9051 §7.1).
type Status uint8

// The statuses.
const (
	No Status = iota
	Bad
	// Bye: it closes the connection.
	Bye
)

// Answer is the answer of a server that refuses something.
type Answer struct {
	Status Status
	Code   string // response code, in upper case
	Text   string
}

// AnswerError is an error of a Conn that contains an answer of the server.
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

// refusal is what a server does not accept of a login.
type refusal uint8

const (
	ofNothing   refusal = iota // it has not judged, or it has other reasons
	ofMechanism                // that one cannot be used; others may do
	ofSecret                   // user name and password are wrong, or of no use
)

// Texts of refusals without a code that tells more. A lock comes from wrong
// passwords, whatever else the text promises.
var (
	textLocked    = regexp.MustCompile(`(?i)(too many|repeated|excessive)\b.{0,30}\b(failed|failures|attempts|passwords)\b|\baccount\b.{0,40}\b(locked|blocked|disabled|suspended)`)
	textTransient = regexp.MustCompile(`(?i)too many|maximum (number of )?(connections|sessions)|(connection|session)s? limit|temporar|try again|throttl|backoff|rate limit|` +
		`not connected|internal (server )?error|timed? ?out|unavailable|overload|busy`)
	textMechanism = regexp.MustCompile(`(?i)(un(supported|known|recogni[sz]ed|implemented)|not (supported|implemented|enabled|available|allowed)|disabled|invalid)\b.{0,40}\bmechanism|` +
		`\bmechanism\b.{0,40}\b(un(supported|known|recogni[sz]ed|available|implemented)|not|disabled)|` +
		// The SASL library of Cyrus, of a binding that it cannot do for one. A
		// wrong password is an "authentication failure" to it.
		`\bbad protocol\b`)
	textSecret = regexp.MustCompile(`(?i)password|credential|(authentication|login|logon|auth) fail|invalid (user|login)|denied`)
)

// judgeLogin tells what the error of a login is about, and what follows for the
// secret that was used.
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
		// Nobody shall get another chance to look like the server.
		return ofNothing, Rejected
	}
	if !ok {
		return ofNothing, Undecided // such as a lost connection
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
