package cli

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"isync/internal/auth"
)

// aboutKeychain advises about the key chain of the system.
func (a *adviser) aboutKeychain(e *auth.KeychainError) string {
	switch {
	case e.Host == "":
		return "without Host use PassCmd"
	case errors.Is(e, auth.ErrNoSessionBus):
		return "the Secret Service is reached over the bus of a session, which cron, for one, does not have: set DBUS_SESSION_BUS_ADDRESS there, or use PassCmd"
	case errors.Is(e, auth.ErrNotInKeychain):
		return "to put it there: " + storeCommand(runtime.GOOS, e.Host, e.User)
	}
	return "if the key chain cannot be used, use PassCmd instead of UseKeychain"
}

// storeCommand returns a command that puts a password, which it asks for, into
// the key chain of an operating system.
func storeCommand(goos, host, user string) string {
	switch goos {
	case "darwin":
		return fmt.Sprintf("security add-internet-password -r imap -s %s -a %s -w", shellQuote(host), shellQuote(user))
	case "windows":
		return fmt.Sprintf(`cmdkey /generic:"%s:%s" /user:"%s" /pass`, host, user, user)
	}
	return fmt.Sprintf("secret-tool store --label=%s service %s username %s", shellQuote("mbsync "+host), shellQuote(host), shellQuote(user))
}

// shellQuote quotes a word for the shell if that is necessary.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./-_", r))
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
