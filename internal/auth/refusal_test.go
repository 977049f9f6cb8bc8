package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// answer is an error of a connection that contains an answer of the server.
type answer struct{ said Answer }

func (answer) Error() string    { return "refused" }
func (a answer) Answer() Answer { return a.said }

// What servers in use say to a login, and what it means.
func TestJudgeLogin(t *testing.T) {
	response := func(status Status, code, text string) error {
		return fmt.Errorf("wrapped: %w", answer{Answer{status, code, text}})
	}
	no := func(code, text string) error { return response(No, code, text) }
	bad := func(code, text string) error { return response(Bad, code, text) }
	bye := func(code, text string) error { return response(Bye, code, text) }
	for _, tt := range []struct {
		err     error
		what    refusal
		outcome Outcome
	}{
		{nil, ofNothing, Accepted},
		{context.Canceled, ofNothing, Undecided},
		{errors.New("connection lost"), ofNothing, Undecided},

		{no("AUTHENTICATIONFAILED", "Invalid credentials (Failure)"), ofSecret, Rejected},
		{no("AUTHENTICATIONFAILED", "Try again later, mechanism not supported"), ofSecret, Rejected},
		{no("AUTHORIZATIONFAILED", ""), ofSecret, Rejected},
		{no("EXPIRED", ""), ofSecret, Rejected},
		{no("", "LOGIN failed."), ofSecret, Doubted},
		{no("", "AUTHENTICATE failed."), ofSecret, Doubted},
		{no("ALERT", "Application-specific password required (Failure)"), ofSecret, Doubted},
		{no("ALERT", "Your account is not enabled for IMAP use. (Failure)"), ofSecret, Doubted},
		{no("", "Too many login failures, try again later"), ofSecret, Rejected},
		{no("", "Your account has been locked"), ofSecret, Rejected},
		{no("LIMIT", "Too many login attempts"), ofNothing, Undecided},

		{no("UNAVAILABLE", "Temporary authentication failure."), ofNothing, Undecided},
		{no("INUSE", ""), ofNothing, Undecided},
		{no("SERVERBUG", ""), ofNothing, Undecided},
		{no("CONTACTADMIN", ""), ofNothing, Undecided},
		{no("PRIVACYREQUIRED", ""), ofNothing, Undecided},
		{no("ALERT", "Too many simultaneous connections. (Failure)"), ofNothing, Undecided},
		{no("", "Maximum number of connections from user+IP exceeded"), ofNothing, Undecided},
		{no("", "User is authenticated but not connected."), ofNothing, Undecided},
		{no("", "Request is throttled. Suggested Backoff Time: 300000 milliseconds"), ofNothing, Undecided},

		{no("CANNOT", ""), ofMechanism, Undecided},
		{no("", "Unsupported authentication mechanism."), ofMechanism, Undecided},
		{no("", "mechanism not available"), ofMechanism, Undecided},
		{no("", "bad protocol / cancel"), ofMechanism, Undecided},
		{no("", "authentication failure"), ofSecret, Doubted},
		{bad("", "Command Error. 12"), ofMechanism, Undecided},
		{bad("", "Error in IMAP command AUTHENTICATE: Unknown command."), ofMechanism, Undecided},
		{bad("AUTHENTICATIONFAILED", ""), ofSecret, Rejected},
		{bad("", "invalid username or password"), ofSecret, Doubted},

		{bye("AUTHENTICATIONFAILED", "no"), ofSecret, Rejected},
		{bye("", "Too many failed attempts"), ofSecret, Rejected},
		{bye("UNAVAILABLE", "going down"), ofNothing, Undecided},
		{bye("", "Autologout"), ofNothing, Undecided},

		{&SCRAMError{Value: "invalid-proof"}, ofSecret, Rejected},
		{&SCRAMError{Value: "unknown-user"}, ofSecret, Rejected},
		{&SCRAMError{Value: "other-error"}, ofSecret, Rejected},
		{&SCRAMError{Value: "no-resources"}, ofNothing, Undecided},
		{&SCRAMError{Value: "unsupported-channel-binding-type"}, ofMechanism, Undecided},
		{&SCRAMError{Value: "channel-bindings-dont-match"}, ofNothing, Rejected},
		{ErrImpostor, ofNothing, Rejected},
	} {
		if what, outcome := judgeLogin(tt.err); what != tt.what || outcome != tt.outcome {
			t.Errorf("%v: got %d, %d; want %d, %d", tt.err, what, outcome, tt.what, tt.outcome)
		}
	}
}
