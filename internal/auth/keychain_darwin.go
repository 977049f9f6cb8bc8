package auth

import (
	"context"
	"errors"
)

// lookUp asks the Keychain.
func lookUp(ctx context.Context, host, user string) (string, error) {
	// The library knows generic passwords only.
	for _, protocol := range []string{"imap", "imps"} {
		p, err := internetPassword(ctx, "/usr/bin/security", protocol, host, user)
		if !errors.Is(err, ErrNotInKeychain) {
			return p, err
		}
	}
	return library(host, user)
}

func hasKeychain() bool { return true }
