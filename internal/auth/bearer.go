package auth

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// TokenError is the error that a server sends for a token that it does not accept (RFC 7628
// §3.2.2).
type TokenError struct {
	// Status is an error code such as "invalid_token", or a number like an HTTP status. Scope is
	// the scope that the token needs. Both may be empty.
	Status, Scope string
}

func (e *TokenError) Error() string {
	s := "the token is not accepted"
	if e.Status != "" {
		s += ", status " + e.Status
	}
	if e.Scope != "" {
		s += ", scope " + e.Scope
	}
	return s
}

// tokenClient sends an access token of OAuth 2.0. If the server sends an error as a challenge, it
// must send a dummy response, so that the server completes the refusal.
type tokenClient struct {
	name, first, token string
	reply              []byte // dummy response to an error
	failure            error
}

var _ Failer = (*tokenClient)(nil)

// newOAuthBearer makes a client for OAUTHBEARER (RFC 7628).
func newOAuthBearer(l Login) sasl.Client {
	const ctrlA = "\x01"
	// The GS2 header contains the user name with its own escapes (RFC 5801 §4).
	first := "n,a=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(l.User) + ","
	if l.Host != "" {
		first += ctrlA + "host=" + l.Host
		if l.Port != 0 {
			first += ctrlA + "port=" + strconv.Itoa(l.Port)
		}
	}
	first += ctrlA + "auth=Bearer " + l.Password + ctrlA + ctrlA
	return &tokenClient{name: sasl.OAuthBearer, first: first, token: l.Password, reply: []byte(ctrlA)}
}

// newXOAuth2 makes a client for XOAUTH2, the non-standard predecessor of OAUTHBEARER.
func newXOAuth2(l Login) sasl.Client {
	first := "user=" + l.User + "\x01auth=Bearer " + l.Password + "\x01\x01"
	return &tokenClient{name: xoauth2, first: first, token: l.Password, reply: []byte{}}
}

func (c *tokenClient) Start() (mech string, ir []byte, err error) {
	return c.name, []byte(c.first), nil
}

func (c *tokenClient) Next(challenge []byte) ([]byte, error) {
	if c.failure != nil {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	// status should be a string, but some servers send a number.
	var told struct {
		Status any    `json:"status"`
		Scope  string `json:"scope"`
	}
	e := &TokenError{}
	if err := json.Unmarshal(challenge, &told); err == nil {
		if told.Status != nil {
			e.Status = c.clean(fmt.Sprint(told.Status))
		}
		e.Scope = c.clean(told.Scope)
	}
	c.failure = e
	return c.reply, nil
}

// clean makes a text of the server printable and removes the token.
func (c *tokenClient) clean(s string) string {
	if c.token != "" {
		s = strings.ReplaceAll(s, c.token, "****")
	}
	return shown(s)
}

// Failure implements Failer.
func (c *tokenClient) Failure() error { return c.failure }
