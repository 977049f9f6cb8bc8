package auth

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // that is what CRAM-MD5 is made of
	"encoding/hex"

	"github.com/emersion/go-sasl"
)

// answers is a SASL client without an initial response. Each function responds to one challenge.
type answers struct {
	name string
	next []func(challenge []byte) []byte
}

func (a *answers) Start() (mech string, ir []byte, err error) { return a.name, nil, nil }

func (a *answers) Next(challenge []byte) ([]byte, error) {
	if len(a.next) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := a.next[0]
	a.next = a.next[1:]
	return answer(challenge), nil
}

// newCRAMMD5 makes a client for CRAM-MD5 (RFC 2195).
func newCRAMMD5(l Login) sasl.Client {
	return &answers{cramMD5, []func([]byte) []byte{
		func(challenge []byte) []byte {
			mac := hmac.New(md5.New, []byte(l.Password))
			mac.Write(challenge)
			return []byte(l.User + " " + hex.EncodeToString(mac.Sum(nil)))
		},
	}}
}

// newLoginMech makes a client for the non-standard mechanism LOGIN: the server asks for the user
// name and for the password, with varying prompts.
func newLoginMech(l Login) sasl.Client {
	say := func(s string) func([]byte) []byte {
		return func([]byte) []byte { return []byte(s) }
	}
	return &answers{loginMech, []func([]byte) []byte{say(l.User), say(l.Password)}}
}
