package setup

import (
	"fmt"
	"strconv"
	"strings"

	"isync/internal/config"
	"isync/internal/discover"
	"isync/internal/provider"
)

// Keeper is where a password is kept.
type Keeper string

// The places for passwords.
const (
	InKeyring Keeper = "keyring" // the keyring of the system
	InPass    Keeper = "pass"    // the password manager pass
	InFile    Keeper = "file"    // a file that only the user can read
	ByCommand Keeper = "command" // wherever a command finds it
	Nowhere   Keeper = "ask"     // nowhere: it is asked for in each run
)

// Deletions is what is deleted on the other side, too.
type Deletions string

// The kinds of deletions.
const (
	KeepAll         Deletions = "no"
	DeleteMessages  Deletions = "messages"
	DeleteMailboxes Deletions = "mailboxes"
)

// Plan is an account with its stores and its channel.
type Plan struct {
	Address discover.Address
	// Server and Provider are what was found, or what the user has answered. Provider is nil
	// if the server is not that of a provider in the table.
	Server   discover.Server
	Provider *provider.Provider
	User     string
	// Certificate is a file with a certificate to trust; "": none.
	Certificate string

	// OAuth is the keyword's value if tokens of OAuth 2.0 are used; "": a password is. Issuer
	// and Scopes are those of a custom provider.
	OAuth, Issuer, ClientID string
	Scopes                  []string
	// SecretCmd prints the client secret; "": there is none.
	SecretCmd string

	Keeper Keeper
	// PassCmd prints the password; "": the key ring has it, or it is asked for.
	PassCmd string

	// Name is that of the account and the channel. Those of the stores begin with it.
	Name string
	// Directory is where the mail goes, without a slash at the end.
	Directory string
	Patterns  []string
	// Most is the number of messages of each mailbox; 0: all.
	Most      int
	Deletions Deletions
	// Explicit: the file has defaults for channels, so all that matters is written.
	Explicit bool
}

// Remote and Local are the names of the stores.
func (p *Plan) Remote() string { return p.Name + "-remote" }

// Local is the name of the Maildir store.
func (p *Plan) Local() string { return p.Name + "-local" }

// preset reports whether the preset of the provider names this server.
func (p *Plan) preset() bool {
	return p.Provider != nil && p.Provider.HostFor(p.User) == p.Server.Host &&
		p.Provider.Port == p.Server.Port && p.Provider.TLS == p.Server.TLS
}

// portOf is the port that needs not be written.
func portOf(e provider.Encryption) int {
	if e == provider.STARTTLS {
		return 143
	}
	return 993
}

// Text returns the sections of the configuration. They mean the same whatever the global
// options of the file are.
func (p *Plan) Text() string {
	var b strings.Builder
	line := func(keyword string, words ...string) {
		b.WriteString(keyword)
		for _, w := range words {
			b.WriteString(" " + config.QuoteArg(w))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "# Mail of %s@%s\n", p.Address.Local, p.Address.Shown)
	line("IMAPAccount", p.Name)
	if p.preset() {
		line("Provider", p.Provider.Name)
	} else {
		line("Host", p.Server.Host)
		if p.Server.Port != portOf(p.Server.TLS) {
			line("Port", strconv.Itoa(p.Server.Port))
		}
		line("TLSType", [...]string{provider.IMAPS: "IMAPS", provider.STARTTLS: "STARTTLS"}[p.Server.TLS])
	}
	if p.Certificate != "" {
		line("CertificateFile", p.Certificate)
	}
	line("User", p.User)
	switch {
	case p.OAuth != "":
		line("OAuth", p.OAuth)
		if p.Issuer != "" {
			line("OAuthIssuer", p.Issuer)
			line("OAuthScope", p.Scopes...)
		}
		line("OAuthClientId", p.ClientID)
		if p.SecretCmd != "" {
			line("OAuthClientSecretCmd", p.SecretCmd)
		}
	case p.PassCmd != "":
		line("PassCmd", p.PassCmd)
	case p.Keeper == InKeyring:
		line("UseKeychain", "yes")
	}

	b.WriteByte('\n')
	line("IMAPStore", p.Remote())
	line("Account", p.Name)

	b.WriteByte('\n')
	line("MaildirStore", p.Local())
	line("Path", p.Directory+"/")
	line("Inbox", p.Directory+"/INBOX")
	line("SubFolders", "Verbatim")

	b.WriteByte('\n')
	line("Channel", p.Name)
	line("Far", ":"+p.Remote()+":")
	line("Near", ":"+p.Local()+":")
	line("Patterns", p.Patterns...)
	line("Create", "Both")
	remove, expunge := "None", "None"
	switch p.Deletions {
	case DeleteMessages:
		expunge = "Both"
	case DeleteMailboxes:
		expunge, remove = "Both", "Both"
	}
	line("Remove", remove)
	line("Expunge", expunge)
	if p.Most > 0 || p.Explicit {
		line("MaxMessages", strconv.Itoa(p.Most))
	}
	if p.Most > 0 {
		line("ExpireUnread", "yes")
	}
	if p.Explicit {
		line("ExpireSide", "Near")
		line("Sync", "All")
		line("ExpungeSolo", "None")
	}
	return b.String()
}
