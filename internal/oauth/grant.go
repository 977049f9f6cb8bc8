package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Grant is what a provider has granted to this program.
type Grant struct {
	// Provider, Client and Server say whom the tokens come from, and whom they were
	// given to. They must not be sent to anybody else.
	Provider string `json:"provider"`
	Client   string `json:"client_id"`
	Server   string `json:"server"`
	// User is the user who was asked for, if that is known.
	User  string `json:"user,omitempty"`
	Scope string `json:"scope,omitempty"`

	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token,omitempty"`
	// Obtained is when the access token was issued, and Expires when it expires; zero:
	// unknown.
	Obtained time.Time `json:"obtained"`
	Expires  time.Time `json:"expires,omitzero"`
}

// Format writes no token, whatever the verb.
func (g *Grant) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "a grant of "+clean(g.Provider))
}

// grantVersion is the version of the stored form.
const grantVersion = 1

// storedGrant is the stored form of a Grant.
type storedGrant struct {
	Version int `json:"version"`
	*Grant
}

// maxGrant limits the size of a stored grant, in bytes.
const maxGrant = 256 << 10

// ErrDamaged says that what is stored is not a grant.
var ErrDamaged = errors.New("it does not contain a token of mbsync")

// encodeGrant returns the stored form of a grant.
func encodeGrant(g *Grant) ([]byte, error) {
	data, err := json.MarshalIndent(storedGrant{grantVersion, g}, "", "  ")
	if err != nil {
		return nil, errors.New("the token cannot be encoded") // the error might have it
	}
	return append(data, '\n'), nil
}

// decodeGrant reads the stored form. Nothing but white space is no grant: nil.
func decodeGrant(data []byte) (*Grant, error) {
	if len(data) > maxGrant {
		return nil, ErrDamaged
	}
	if strings.TrimSpace(string(data)) == "" {
		return nil, nil
	}
	s := storedGrant{Grant: &Grant{}}
	// The error of the decoder could quote a token.
	if err := json.Unmarshal(data, &s); err != nil || s.Grant == nil {
		return nil, ErrDamaged
	}
	switch {
	case s.Version > grantVersion:
		return nil, fmt.Errorf("it was written by a newer version of this program (format %d)", s.Version)
	case s.Version < 1, s.Grant.Access == "" && s.Grant.Refresh == "", !isToken(s.Grant.Access), !isToken(s.Grant.Refresh):
		return nil, ErrDamaged
	}
	return s.Grant, nil
}

// isToken reports whether a text can be a token (RFC 6749, appendix A.12).
func isToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// The times before the expiry of an access token.
const (
	// renewBefore is when it is refreshed.
	renewBefore = 5 * time.Minute
)

// renewAt returns when the access token has to be refreshed: five minutes before it
// expires, or after half of its lifetime if that is short. Zero: never.
func (g *Grant) renewAt() time.Time {
	if g.Expires.IsZero() {
		return time.Time{}
	}
	before := renewBefore
	if life := g.Expires.Sub(g.Obtained); !g.Obtained.IsZero() && life < 2*before {
		before = max(life/2, 0)
	}
	return g.Expires.Add(-before)
}
