// Package provider is a table of the IMAP servers of mail providers: host, port, kind of
// encryption, kind of login, and the mail domains. Configurations refer to a row of the
// table by its name (the keyword Provider); a setup finds the row by the domain of a mail
// address or of an MX record. The package uses no network.
//
// A row has only values from the help page of the provider. A zero value means that the
// page has no value, or that the default of the program is right.
package provider

import (
	"slices"
	"strings"
)

// Encryption is the kind of encryption of a connection.
type Encryption uint8

// The kinds of encryption. All providers encrypt.
const (
	IMAPS    Encryption = iota // from the first byte
	STARTTLS                   // after the command of that name
)

// Secret is the kind of password that a provider accepts from mail programs.
type Secret uint8

// The kinds of secrets.
const (
	Password    Secret = iota // the password of the account
	AppPassword               // one that is made for a single program, in the settings of the account
	TokenOnly                 // none: only OAuth
)

// Provider is a row of the table.
type Provider struct {
	// Name is the word for configurations: lower case.
	Name string
	// Title is the name for people.
	Title string

	Host string
	Port int
	TLS  Encryption
	// Hosts are other hosts, for users of a mail domain.
	Hosts []HostOf
	// OAuth is the name of the OAuth provider; "": there is none for mail programs.
	OAuth string
	// Secret is accepted besides OAuth. SecretPage is the page where the user creates it, or
	// that explains how; "": no special page.
	Secret     Secret
	SecretPage string
	// Connections and PipelineDepth are values for the keywords of these names; 0: the
	// default is right.
	Connections, PipelineDepth int
	// OwnCertificate: the certificate of the server is self-signed.
	OwnCertificate bool
	// Folders are mailboxes with a special use whose names are the same for all users.
	Folders []Folder

	// Domains are mail domains whose users all have their mail here.
	Domains []string
	// MX are domains of the mail exchangers that receive mail for domains of customers.
	MX []string

	// Source is the help page with these values, and Date the day when the row was written
	// or last compared with it, as 2006-01-02.
	Source, Date string
}

// HostOf is a host for users of a mail domain.
type HostOf struct{ Domain, Host string }

// Folder is a mailbox with a special use (RFC 6154), such as Sent.
type Folder struct{ Use, Name string }

// All returns all providers in the order of their importance.
func All() []Provider { return slices.Clone(table) }

// Names returns the names of all providers.
func Names() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return names
}

// ByName returns the provider of a name; case does not matter.
func ByName(name string) (Provider, bool) {
	return find(func(p *Provider) bool { return strings.EqualFold(p.Name, name) })
}

// ByDomain returns the provider of all mailboxes of a mail domain, the part of an address
// behind the "@".
func ByDomain(domain string) (Provider, bool) {
	domain = canonical(domain)
	return find(func(p *Provider) bool { return slices.Contains(p.Domains, domain) })
}

// ByMX returns the provider that a mail exchanger belongs to.
func ByMX(host string) (Provider, bool) {
	host = canonical(host)
	return find(func(p *Provider) bool {
		return slices.ContainsFunc(p.MX, func(mx string) bool { return host == mx || strings.HasSuffix(host, "."+mx) })
	})
}

// HostFor returns the host for a user. If the user name has no domain, it is the usual host.
func (p *Provider) HostFor(user string) string {
	if _, domain, ok := strings.Cut(user, "@"); ok {
		for _, h := range p.Hosts {
			if h.Domain == canonical(domain) {
				return h.Host
			}
		}
	}
	return p.Host
}

// Folder returns the mailbox with a special use; "": it is not known.
func (p *Provider) Folder(use string) string {
	for _, f := range p.Folders {
		if strings.EqualFold(f.Use, use) {
			return f.Name
		}
	}
	return ""
}

// canonical returns a domain in lower case and without the dot at the end.
func canonical(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

func find(is func(*Provider) bool) (Provider, bool) {
	for i := range table {
		if is(&table[i]) {
			return table[i], true
		}
	}
	return Provider{}, false
}
