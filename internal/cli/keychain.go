package cli

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"isync/internal/auth"
	"isync/internal/event"
)

// aboutKeychain diagnoses errors of the system's keyring.
func aboutKeychain(e *auth.KeychainError) event.Fact {
	switch {
	case e.Host == "":
		return event.KeychainNeedsHost{}
	case errors.Is(e, auth.ErrNoSessionBus):
		return event.KeychainNeedsSession{}
	case errors.Is(e, auth.ErrNotInKeychain):
		return event.NotInKeychain{Command: storeCommand(runtime.GOOS, e.Host, e.User)}
	}
	return event.KeychainUnusable{}
}

// storeCommand returns a command that asks for a password and stores it in the keyring of an
// operating system.
func storeCommand(goos, host, user string) string {
	switch goos {
	case "darwin":
		return fmt.Sprintf("security add-internet-password -r imap -s %s -a %s -w", shellQuote(host), shellQuote(user))
	case "windows":
		return fmt.Sprintf(`cmdkey /generic:"%s:%s" /user:"%s" /pass`, host, user, user)
	}
	return fmt.Sprintf("secret-tool store --label=%s service %s username %s", shellQuote("mbsync "+host), shellQuote(host), shellQuote(user))
}

// shellQuote quotes a word for the shell if necessary.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./-_", r))
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
