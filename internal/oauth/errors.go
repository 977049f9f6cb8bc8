package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
)

// Reason is why a user has to log in (again).
type Reason uint8

// The reasons.
const (
	// NoToken: nothing is stored.
	NoToken Reason = iota
	// Rejected: the provider has rejected the refresh token.
	Rejected
	// OtherClient: the stored token belongs to another client id, provider or user.
	OtherClient
	// NoRefresh: the access token has expired, and the provider gave no refresh token.
	NoRefresh
	// Damaged: what is stored cannot be read.
	Damaged
)

// ConsentError says that the user has to log in (again).
type ConsentError struct {
	Account string
	Reason  Reason
	Err     error // what the provider said; nil: nothing
}

func (e *ConsentError) Error() string {
	switch e.Reason {
	case Rejected:
		return fmt.Sprintf("the provider does not accept the stored token of %s any more: %v", e.Account, e.Err)
	case OtherClient:
		return fmt.Sprintf("the stored token of %s belongs to another user, OAuthClientId or provider", e.Account)
	case NoRefresh:
		return fmt.Sprintf("the token of %s has expired, and the provider gave no refresh token", e.Account)
	case Damaged:
		return fmt.Sprintf("the stored token of %s cannot be read: %v", e.Account, e.Err)
	}
	return fmt.Sprintf("there is no token for %s yet", e.Account)
}

// Unwrap returns what the provider said.
func (e *ConsentError) Unwrap() error { return e.Err }

// RequestError says that a request to the provider has failed.
type RequestError struct {
	// Server is the host; What is what was wanted, such as "refresh the token".
	Server, What string
	// Status is the HTTP status; 0: there was no answer. Code and Description are those
	// of RFC 6749; Code "": the answer has none.
	Status            int
	Code, Description string
	// Err is why there is no answer, or what is wrong with it; nil if there is a Code.
	Err error
}

func (e *RequestError) Error() string {
	text := fmt.Sprintf("%s: cannot %s: ", e.Server, e.What)
	switch {
	case e.Code != "":
		text += e.Code
		if e.Description != "" {
			text += " (" + e.Description + ")"
		}
	default:
		text += e.Err.Error()
	}
	return text
}

// Unwrap returns why there is no answer.
func (e *RequestError) Unwrap() error { return e.Err }

// The error codes after which the user has to log in again (RFC 6749 §5.2, OpenID Connect
// Core §3.1.2.6).
var consentCodes = []string{"invalid_grant", "interaction_required", "login_required", "consent_required", "access_denied", "expired_token"}

// The error codes after which another try may succeed.
var passingCodes = []string{"temporarily_unavailable", "server_error", "slow_down", "authorization_pending", "rate_limit_exceeded", "too_many_requests"}

// needsConsent reports whether the user has to log in again.
func (e *RequestError) needsConsent() bool {
	return e.Status < http.StatusInternalServerError && slices.Contains(consentCodes, e.Code)
}

// Passing reports whether another try may succeed. Only a refusal with a code of OAuth is
// known to last: everything else may come from something between us and the provider.
func (e *RequestError) Passing() bool {
	return e.Code == "" || e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests || slices.Contains(passingCodes, e.Code)
}

// errTimeout says that the provider did not answer in time.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string { return e.text }
func (*timeoutError) Timeout() bool   { return true }
func (*timeoutError) Temporary() bool { return true }

var _ net.Error = (*timeoutError)(nil)

// requestError makes an error of what the library returns, without the text of the answer.
// server is the address that was asked.
func requestError(ctx context.Context, server, what string, err error) error {
	if err == nil {
		return nil
	}
	e := &RequestError{Server: hostOf(server), What: what}
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		e.Status = r.Response.StatusCode
		if isErrorCode(r.ErrorCode) {
			e.Code, e.Description = r.ErrorCode, clean(r.ErrorDescription)
		} else {
			e.Err = fmt.Errorf("the answer has status %d and is not an OAuth response", e.Status)
		}
		return e
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.Err = u.Err // the address is left out
		if errors.Is(err, context.DeadlineExceeded) || u.Timeout() {
			e.Err = &timeoutError{"there was no answer in time"}
		}
		return e
	}
	if cause := context.Cause(ctx); cause != nil {
		e.Err = cause
		if errors.Is(cause, context.DeadlineExceeded) {
			e.Err = &timeoutError{"there was no complete answer in time"}
		}
		return e
	}
	// The text of the error could quote the answer.
	e.Status, e.Err = http.StatusOK, errors.New("the answer is not an OAuth response")
	return e
}

// isErrorCode reports whether a text can be an error code. Anything else is not quoted.
func isErrorCode(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.') {
			return false
		}
	}
	return true
}
