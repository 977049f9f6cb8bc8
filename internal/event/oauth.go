package event

// ConsentNeeded: there is no token of OAuth 2.0 that can be used, so the user has to log in
// at the provider.
type ConsentNeeded struct {
	Command string // what the user has to enter
}

// Code implements Fact.
func (ConsentNeeded) Code() Code { return "consent-needed" }

// ConsentRefused: the user, or the provider, has refused access to the mail.
type ConsentRefused struct {
	Command string // to log in
}

// Code implements Fact.
func (ConsentRefused) Code() Code { return "consent-refused" }

// ConsentFailed: the login at the provider has failed.
type ConsentFailed struct {
	Command string // to try again
}

// Code implements Fact.
func (ConsentFailed) Code() Code { return "consent-failed" }

// ProviderUnavailable: the provider of the token cannot be reached, or does not work now.
type ProviderUnavailable struct{}

// Code implements Fact.
func (ProviderUnavailable) Code() Code { return "provider-unavailable" }

// ProviderRefused: the provider does not accept the request of this program.
type ProviderRefused struct {
	Client Keyword
}

// Code implements Fact.
func (ProviderRefused) Code() Code { return "provider-refused" }

// TokenFileExposed: other users can read or replace the file with the token.
type TokenFileExposed struct {
	Command string // changes that
	Again   string // obtains another token, since this one may be known
}

// Code implements Fact.
func (TokenFileExposed) Code() Code { return "token-file-exposed" }

// TokenKeyWrong: the file with the token cannot be decrypted.
type TokenKeyWrong struct {
	Keyword Keyword // TokenKeyCmd
	// Missing: there is no TokenKeyCmd.
	Missing bool
	File    string
	Command string // obtains another token
}

// Code implements Fact.
func (TokenKeyWrong) Code() Code { return "token-key-wrong" }

// TokenKeyringSilent: the keyring does not answer.
type TokenKeyringSilent struct{}

// Code implements Fact.
func (TokenKeyringSilent) Code() Code { return "token-keyring-silent" }

// TokenKeyringUnusable: the keyring cannot be used for tokens.
type TokenKeyringUnusable struct {
	Keyword Keyword // TokenStore
}

// Code implements Fact.
func (TokenKeyringUnusable) Code() Code { return "token-keyring-unusable" }

// TokenLocked: another process has locked the token for too long.
type TokenLocked struct{}

// Code implements Fact.
func (TokenLocked) Code() Code { return "token-locked" }

// TokenUnsaved: the provider has issued a new token, which could not be saved yet. It is
// used, and saved later.
type TokenUnsaved struct {
	Account string
	Err     error
}

// Code implements Fact.
func (TokenUnsaved) Code() Code { return "token-unsaved" }

// TokenLost: a new token could not be saved until the end of the program.
type TokenLost struct {
	Account, Command string
	Err              error
}

// Code implements Fact.
func (TokenLost) Code() Code { return "token-lost" }

// AuthenticatedNotConnected: the server knows the user, but gives no access to the mailbox.
type AuthenticatedNotConnected struct {
	User    Keyword
	Command string // obtains a token for the right scope
}

// Code implements Fact.
func (AuthenticatedNotConnected) Code() Code { return "authenticated-not-connected" }

// AccountUnknown: the configuration has no account of that name.
type AccountUnknown struct {
	Name, File string
	Meant      string // the most similar name; "": none
	List       string // the command that lists the accounts
}

// Code implements Fact.
func (AccountUnknown) Code() Code { return "account-unknown" }

// AccountWithoutOAuth: the account does not use OAuth 2.0.
type AccountWithoutOAuth struct {
	Section string
}

// Code implements Fact.
func (AccountWithoutOAuth) Code() Code { return "account-without-oauth" }
