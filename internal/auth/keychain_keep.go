package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// keychainLimit is how long --setup waits for the keyring. A locked keyring first asks its user,
// who may not see the question.
const keychainLimit = 5 * time.Second

// ErrKeychainSilent is the error if the keyring has not answered in time.
var ErrKeychainSilent = fmt.Errorf("it has not answered within %v; it is probably locked", keychainLimit)

// HasKeychain reports whether there may be a keyring: on Linux and the BSDs, a session bus.
func HasKeychain() bool { return hasKeychain() }

// InKeychain returns the password of a user, like Keychain, but gives up after 5 seconds.
func InKeychain(ctx context.Context, host, user string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, keychainLimit)
	defer cancel()
	password, err := Keychain(limited, host, user)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = &KeychainError{host, user, ErrKeychainSilent}
	}
	return password, err
}

// KeepInKeychain stores the password of a user in the keyring, where Keychain finds it. It
// replaces an existing password. It returns an error after 5 seconds, but the keyring may
// still store the password later.
func KeepInKeychain(ctx context.Context, host, user, password string) error {
	if !hasKeychain() {
		return &KeychainError{host, user, ErrNoSessionBus}
	}
	return withinLimit(ctx, host, user, func() error { return keyring.Set(host, user, password) })
}

// ForgetInKeychain removes the password that KeepInKeychain has stored.
func ForgetInKeychain(ctx context.Context, host, user string) error {
	return withinLimit(ctx, host, user, func() error { return keyring.Delete(host, user) })
}

func withinLimit(ctx context.Context, host, user string, do func() error) error {
	c := make(chan error, 1)
	go func() { c <- do() }()
	timer := time.NewTimer(keychainLimit)
	defer timer.Stop()
	select {
	case err := <-c:
		if err != nil {
			err = &KeychainError{host, user, err}
		}
		return err
	case <-timer.C:
		return &KeychainError{host, user, ErrKeychainSilent}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
