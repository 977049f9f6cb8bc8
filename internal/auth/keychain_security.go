package auth

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// internetPassword asks the program security of macOS for an internet password.
// The error is ErrNotInKeychain if there is none.
func internetPassword(ctx context.Context, program, protocol, host, user string) (string, error) {
	// -g distinguishes a password from its hexadecimal form. -w does not: it prints that form if
	// the password has non-ASCII characters.
	cmd := exec.CommandContext(ctx, program, "find-internet-password", "-r", protocol, "-s", host, "-a", user, "-g")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return parseSecurity(stderr.String())
	case errors.As(err, &exit) && (exit.ExitCode() == errSecItemNotFound || strings.Contains(stderr.String(), "could not be found")):
		return "", ErrNotInKeychain
	}
	return "", fmt.Errorf("%s: %w", program, err)
}

// errSecItemNotFound is the exit status of security, made of the status -25300.
const errSecItemNotFound = 44

// parseSecurity finds the password in what security -g has printed, in one of
// the forms
//
//	password: "secret"
//	password: 0x73C3A9 "s\303\251"
//	password:
func parseSecurity(text string) (string, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "password:")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if digits, ok := strings.CutPrefix(value, "0x"); ok {
			digits, _, _ = strings.Cut(digits, " ")
			p, err := hex.DecodeString(digits)
			if err != nil {
				// The error of strconv would contain the password.
				return "", errors.New("cannot read what security prints")
			}
			return string(p), nil
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			return value[1 : len(value)-1], nil
		}
		return "", nil
	}
	return "", errors.New("security prints no password")
}
