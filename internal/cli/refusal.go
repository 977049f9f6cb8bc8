package cli

import (
	"errors"
	"regexp"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
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
func judgeLogin(err error) (refusal, auth.Outcome) {
	if err == nil {
		return ofNothing, auth.Accepted
	}
	if bye, ok := errors.AsType[*imapclient.ByeError](err); ok {
		if r, o := judgeText(bye.Code.Name, bye.Text); bye.Code.Name == imapwire.CodeAuthFailed || textLocked.MatchString(bye.Text) || textSecret.MatchString(bye.Text) && !textTransient.MatchString(bye.Text) {
			return r, o
		}
		return ofNothing, auth.Undecided
	}
	if _, ok := errors.AsType[*imapclient.ConnectionError](err); ok {
		return ofNothing, auth.Undecided
	}
	if e, ok := errors.AsType[*auth.SCRAMError](err); ok {
		return judgeSCRAM(e.Value)
	}
	if errors.Is(err, auth.ErrImpostor) {
		// Nobody shall get another chance to look like the server.
		return ofNothing, auth.Rejected
	}
	e, ok := errors.AsType[*imapclient.ResponseError](err)
	switch {
	case !ok:
		return ofNothing, auth.Undecided
	case e.Status == imapwire.StatusBad && e.Code.Name == "" && !textSecret.MatchString(e.Text) && !textLocked.MatchString(e.Text):
		return ofMechanism, auth.Undecided
	}
	return judgeText(e.Code.Name, e.Text)
}

// judgeText judges a NO by its code (RFC 5530) and its text.
func judgeText(code, text string) (refusal, auth.Outcome) {
	switch code {
	case imapwire.CodeAuthFailed, "AUTHORIZATIONFAILED", "EXPIRED":
		return ofSecret, auth.Rejected
	case "CANNOT":
		return ofMechanism, auth.Undecided
	case imapwire.CodeUnavailable, "INUSE", "LIMIT", "SERVERBUG", "PRIVACYREQUIRED", "CONTACTADMIN", imapwire.CodeOverQuota:
		return ofNothing, auth.Undecided
	}
	switch {
	case textLocked.MatchString(text):
		return ofSecret, auth.Rejected
	case textTransient.MatchString(text):
		return ofNothing, auth.Undecided
	case textMechanism.MatchString(text):
		return ofMechanism, auth.Undecided
	}
	return ofSecret, auth.Doubted
}

// judgeSCRAM judges an error of SCRAM.
func judgeSCRAM(value string) (refusal, auth.Outcome) {
	switch value {
	case auth.SCRAMBindingType, auth.SCRAMBindingUnsupported:
		return ofMechanism, auth.Undecided
	case auth.SCRAMBindingDiffers, auth.SCRAMDowngrade:
		// Somebody is in between: an attacker, or something that takes TLS off
		// in front of the server. Anything weaker would be what the former wants.
		return ofNothing, auth.Rejected
	case auth.SCRAMNoResources:
		return ofNothing, auth.Undecided
	}
	return ofSecret, auth.Rejected
}
