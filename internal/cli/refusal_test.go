package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
)

// What servers in use say to a login, and what it means.
func TestJudgeLogin(t *testing.T) {
	response := func(status imapwire.Status, code, text string) error {
		return fmt.Errorf("wrapped: %w", &imapclient.ResponseError{Command: "LOGIN", Status: status, Code: imapwire.Code{Name: code}, Text: text})
	}
	no := func(code, text string) error { return response(imapwire.StatusNo, code, text) }
	bad := func(code, text string) error { return response(imapwire.StatusBad, code, text) }
	bye := func(code, text string) error {
		return &imapclient.ConnectionError{Err: &imapclient.ByeError{Code: imapwire.Code{Name: code}, Text: text}}
	}
	for _, tt := range []struct {
		err     error
		what    refusal
		outcome auth.Outcome
	}{
		{nil, ofNothing, auth.Accepted},
		{context.Canceled, ofNothing, auth.Undecided},
		{&imapclient.ConnectionError{Err: errors.New("reset")}, ofNothing, auth.Undecided},

		{no("AUTHENTICATIONFAILED", "Invalid credentials (Failure)"), ofSecret, auth.Rejected},
		{no("AUTHENTICATIONFAILED", "Try again later, mechanism not supported"), ofSecret, auth.Rejected},
		{no("AUTHORIZATIONFAILED", ""), ofSecret, auth.Rejected},
		{no("EXPIRED", ""), ofSecret, auth.Rejected},
		{no("", "LOGIN failed."), ofSecret, auth.Doubted},
		{no("", "AUTHENTICATE failed."), ofSecret, auth.Doubted},
		{no("ALERT", "Application-specific password required (Failure)"), ofSecret, auth.Doubted},
		{no("ALERT", "Your account is not enabled for IMAP use. (Failure)"), ofSecret, auth.Doubted},
		{no("", "Too many login failures, try again later"), ofSecret, auth.Rejected},
		{no("", "Your account has been locked"), ofSecret, auth.Rejected},
		{no("LIMIT", "Too many login attempts"), ofNothing, auth.Undecided},

		{no("UNAVAILABLE", "Temporary authentication failure."), ofNothing, auth.Undecided},
		{no("INUSE", ""), ofNothing, auth.Undecided},
		{no("SERVERBUG", ""), ofNothing, auth.Undecided},
		{no("CONTACTADMIN", ""), ofNothing, auth.Undecided},
		{no("PRIVACYREQUIRED", ""), ofNothing, auth.Undecided},
		{no("ALERT", "Too many simultaneous connections. (Failure)"), ofNothing, auth.Undecided},
		{no("", "Maximum number of connections from user+IP exceeded"), ofNothing, auth.Undecided},
		{no("", "User is authenticated but not connected."), ofNothing, auth.Undecided},
		{no("", "Request is throttled. Suggested Backoff Time: 300000 milliseconds"), ofNothing, auth.Undecided},

		{no("CANNOT", ""), ofMechanism, auth.Undecided},
		{no("", "Unsupported authentication mechanism."), ofMechanism, auth.Undecided},
		{no("", "mechanism not available"), ofMechanism, auth.Undecided},
		{no("", "bad protocol / cancel"), ofMechanism, auth.Undecided},
		{no("", "authentication failure"), ofSecret, auth.Doubted},
		{bad("", "Command Error. 12"), ofMechanism, auth.Undecided},
		{bad("", "Error in IMAP command AUTHENTICATE: Unknown command."), ofMechanism, auth.Undecided},
		{bad("AUTHENTICATIONFAILED", ""), ofSecret, auth.Rejected},
		{bad("", "invalid username or password"), ofSecret, auth.Doubted},

		{bye("AUTHENTICATIONFAILED", "no"), ofSecret, auth.Rejected},
		{bye("", "Too many failed attempts"), ofSecret, auth.Rejected},
		{bye("UNAVAILABLE", "going down"), ofNothing, auth.Undecided},
		{bye("", "Autologout"), ofNothing, auth.Undecided},

		{&auth.SCRAMError{Value: "invalid-proof"}, ofSecret, auth.Rejected},
		{&auth.SCRAMError{Value: "unknown-user"}, ofSecret, auth.Rejected},
		{&auth.SCRAMError{Value: "other-error"}, ofSecret, auth.Rejected},
		{&auth.SCRAMError{Value: "no-resources"}, ofNothing, auth.Undecided},
		{&auth.SCRAMError{Value: "unsupported-channel-binding-type"}, ofMechanism, auth.Undecided},
		{&auth.SCRAMError{Value: "channel-bindings-dont-match"}, ofNothing, auth.Rejected},
		{auth.ErrImpostor, ofNothing, auth.Rejected},
	} {
		if what, outcome := judgeLogin(tt.err); what != tt.what || outcome != tt.outcome {
			t.Errorf("%v: got %d, %d; want %d, %d", tt.err, what, outcome, tt.what, tt.outcome)
		}
	}
}
