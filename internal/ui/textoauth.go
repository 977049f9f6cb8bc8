package ui

import (
	"fmt"
	"time"

	"isync/internal/event"
)

// oauthWordings are about tokens of OAuth 2.0.
var oauthWordings = []wording{
	hints(func(f event.ConsentNeeded) string { return "log in at the provider: " + f.Command }),
	hints(func(f event.ConsentRefused) string {
		return "log in again, and allow the access on the page of the provider: " + f.Command + "; an administrator may have to permit this OAuthClientId first"
	}),
	hints(func(f event.ConsentFailed) string { return "try again: " + f.Command }),
	hint[event.ProviderUnavailable]("the provider of the token cannot be reached, or does not work; the stored token is unchanged; try again later"),
	hints(func(f event.ProviderRefused) string {
		return "the provider rejected the request: check " + keywordText(f.Client) + ", OAuthClientSecret and OAuthScope"
	}),
	hints(func(f event.TokenFileExposed) string {
		return "to make it private: " + f.Command + "; if somebody may have read the token, revoke it at the provider, then log in again: " + f.Again
	}),
	hints(func(f event.TokenKeyWrong) string {
		what := "make TokenKeyCmd print the passphrase of the file"
		if f.Missing {
			what = "add TokenKeyCmd, a command that prints the passphrase"
		} else if f.Keyword.Place.Line > 0 {
			what = "make " + keywordText(f.Keyword) + " print the passphrase of the file"
		}
		return what + ", or remove the token and log in again: rm " + f.File + " && " + f.Command
	}),
	hint[event.TokenKeyringSilent]("unlock the keyring (log in to the desktop), or write 'TokenStore file'"),
	hints(func(f event.TokenKeyringUnusable) string {
		return "start a keyring service in this session, or write 'TokenStore file' instead of " + keywordText(f.Keyword)
	}),
	hint[event.TokenLocked]("if the disk is full, make room, so that the other mbsync can save its token; otherwise stop that process"),
	advises(func(f event.TokenUnsaved) (string, string) {
		return fmt.Sprintf("the new token of %s could not be saved: %v", f.Account, f.Err),
			"make room on the disk before mbsync ends: it uses the new token and tries to save it again; the former token may not be valid any more"
	}),
	advises(func(f event.TokenLost) (string, string) {
		return fmt.Sprintf("the new token of %s could not be saved, and is lost: %v", f.Account, f.Err),
			"if the next run cannot log in, log in again: " + f.Command
	}),
	hints(func(f event.AuthenticatedNotConnected) string {
		return "the server accepted the token, but does not open the mailbox; possible reasons: " +
			"(1) the mailbox of " + keywordText(f.User) + " does not exist, or belongs to somebody else (for a shared mailbox see OAuthUser); " +
			"(2) the token has the scope for the other kind of account, personal or work: " + f.Command + "; " +
			"(3) IMAP is switched off for the mailbox: its owner or the administrator can switch it on; " +
			"(4) the server does not accept the address of this computer (mbsync has tried IPv4, too)"
	}),
	advises(func(f event.AccountUnknown) (string, string) {
		hint := "to list the accounts with OAuth: " + f.List
		if f.Meant != "" {
			hint = "did you mean '" + f.Meant + "'?"
		}
		return fmt.Sprintf("there is no account '%s' in %s", f.Name, f.File), hint
	}),
	advises(func(f event.AccountWithoutOAuth) (string, string) {
		return f.Section + " does not use OAuth", "add the lines 'OAuth PROVIDER' and 'OAuthClientId ID'"
	}),
}

// VisitLines tell the user to visit a page of the provider. tunnel, if not "", is the command
// by which the browser of another computer reaches this one. paste: the address of the last
// page can be pasted.
func VisitLines(address, tunnel string, paste bool) []string {
	lines := []string{"Open this page in a browser, and allow the access:", "", address, ""}
	if tunnel != "" {
		lines = append(lines, "If the browser is on another computer, first run this command there:", "", "    "+tunnel, "")
	}
	if paste {
		lines = append(lines, "If the browser cannot show the last page, copy its address, which begins with", "http://localhost, and paste it here. The pasted text is not shown.")
	}
	return lines
}

// OpenedLines tell the user that a browser was opened.
func OpenedLines(address string) []string {
	return []string{"Allow the access in the browser that has opened. If none has opened, open this page:", "", address, ""}
}

// DeviceLines tell the user how to authorize a device.
func DeviceLines(visit, code, complete string, expires time.Time) []string {
	lines := []string{"Open this page on any device, and enter the code:", "", "    " + visit, "    " + code, ""}
	if complete != "" {
		lines = append(lines, "Or open this address, which contains the code:", "", "    "+complete, "")
	}
	return append(lines, "The code can be used until "+expires.Local().Format("15:04")+".")
}

// AgainLine tells the user that another consent is necessary.
func AgainLine(personal bool) string {
	if personal {
		return "This is a personal account, which needs another permission. Allow the access once more."
	}
	return "This is an account of an organization, which needs another permission. Allow the access once more."
}

// TokenSavedLine tells where a token was saved.
func TokenSavedLine(account, store string) string {
	return account + ": the token was saved: " + store
}

// LoginWorksLine tells that a login was tried.
func LoginWorksLine(account, server, mechanism string) string {
	text := account + ": the login to " + server + " works"
	if mechanism != "" {
		text += " (" + mechanism + ")"
	}
	return text + "."
}

// ForgottenLine tells that a token was removed.
func ForgottenLine(account, store string) string {
	return account + ": the token was removed: " + store + ". To revoke the access, use the page of the provider."
}

// NothingForgottenLine tells that there was no token.
func NothingForgottenLine(account string) string { return account + ": there is no token." }

// TokenState is what is known of the token of an account.
type TokenState struct {
	Account, Provider, User, Store string
	// Command obtains a token.
	Command string
	Now     time.Time
	// Unknown: the store cannot be read. Foreign: the token belongs to another client or user.
	Unknown, Foreign     bool
	HasToken, HasRefresh bool
	Expires              time.Time // of the access token; zero: unknown
}

// TokenStateLines tell about the token of an account.
func TokenStateLines(t TokenState) []string {
	head := t.Account + ": " + t.Provider
	if t.User != "" {
		head += ", " + t.User
	}
	lines := []string{head + ", " + t.Store}
	var state string
	switch {
	case t.Unknown:
		state = "the token cannot be read"
	case !t.HasToken:
		state = "no token; log in with: " + t.Command
	case t.Foreign:
		state = "the token belongs to another user, OAuthClientId or provider; log in with: " + t.Command
	case t.HasRefresh && t.Expires.After(t.Now):
		state = "logged in; the access token is refreshed before " + t.Expires.Local().Format(time.DateTime)
	case t.HasRefresh:
		state = "logged in; the access token is refreshed in the next run"
	case t.Expires.IsZero():
		state = "logged in; the provider does not report when the access ends"
	case t.Expires.After(t.Now):
		state = "logged in until " + t.Expires.Local().Format(time.DateTime) + "; then: " + t.Command
	default:
		state = "the token has expired; log in with: " + t.Command
	}
	return append(lines, "    "+state)
}
