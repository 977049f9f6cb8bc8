package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/zalando/go-keyring"
)

// ErrNotInKeychain is the error if the keyring has no password of the user.
var ErrNotInKeychain = errors.New("there is none")

// ErrNoSessionBus is the error if there is no connection to the Secret Service.
var ErrNoSessionBus = errors.New("there is no D-Bus session bus")

// KeychainError reports that the keyring returned no password.
type KeychainError struct {
	Host, User string
	Err        error
}

func (e *KeychainError) Error() string {
	return fmt.Sprintf("keyring, password of '%s' on '%s': %v", e.User, e.Host, e.Err)
}

// Unwrap returns the cause.
func (e *KeychainError) Unwrap() error { return e.Err }

// Keychain returns the password of a user on a host from the keyring of the
// system, which may ask the user to unlock it:
//
//   - macOS: the internet password of the server and the account for the protocol
//     imap, or else imps, or else the generic password of the service and account;
//   - Linux, NetBSD, OpenBSD: an item of the Secret Service whose attributes are
//     service, the host, and username;
//   - Windows: the generic credential "host:user".
//
// The error is a *KeychainError. The libraries cannot cancel a question to the user, so it
// remains after the end of ctx.
func Keychain(ctx context.Context, host, user string) (string, error) {
	if host == "" {
		return "", &KeychainError{host, user, errors.New("no Host is set")}
	}
	type result struct {
		password string
		err      error
	}
	c := make(chan result, 1)
	go func() {
		p, err := lookUp(ctx, host, user)
		c <- result{p, err}
	}()
	select {
	case r := <-c:
		if r.err == nil {
			r.password, r.err = keychainValue(r.password)
		}
		if r.err != nil {
			return "", &KeychainError{host, user, r.err}
		}
		return r.password, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// keychainValue removes the line end of passwords that were imported from files, and rejects
// invalid passwords.
func keychainValue(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case strings.ContainsAny(s, "\x00\r\n"):
		return "", errors.New("it has several lines")
	}
	return s, nil
}

// library gets the password from the keyring with the library.
func library(host, user string) (string, error) {
	p, err := keyring.Get(host, user)
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return "", ErrNotInKeychain
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return "", errors.New("mbsync supports no keyring on this system")
	}
	return p, err
}

// narrow converts a password that Windows programs have stored in UTF-16 to UTF-8. Other
// passwords are unchanged; they contain no NULs.
func narrow(s string) string {
	if len(s)%2 != 0 || !strings.Contains(s, "\x00") {
		return s
	}
	units := make([]uint16, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		units = append(units, uint16(s[i])|uint16(s[i+1])<<8)
	}
	return string(utf16.Decode(units))
}
