package auth

import (
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"

	"isync/internal/event"
)

// Mechanism is a login method.
type Mechanism struct {
	// Name is the name in the IANA registry of SASL mechanisms, or LOGIN, which is the IMAP
	// command (RFC 9051 §6.2.3) or, if that is disabled, the mechanism.
	Name string
	// Cleartext: the password or token itself is sent, so anyone who reads the connection gets
	// it.
	Cleartext bool
	// Token: the secret is an OAuth 2.0 access token instead of a password.
	Token bool
	// Certificate: the client certificate of the connection authenticates the user. It needs
	// neither a password nor a user name.
	Certificate bool
	// Binding: the proof is bound to the TLS connection, so that a man in the middle cannot use
	// it.
	Binding bool

	newClient func(Login) sasl.Client
}

// Login is the input of a mechanism.
type Login struct {
	User     string // may be empty for a mechanism with Certificate
	Password string
	// Host and Port are the configured ones.
	Host string
	Port int
	// Keys, if not nil, caches keys that are expensive to derive from the password.
	Keys *Keys

	binding gs2
}

// Names of mechanisms that other files use.
const (
	loginMech    = "LOGIN"
	scramSHA1    = "SCRAM-SHA-1"
	scramSHA256  = "SCRAM-SHA-256"
	plusSuffix   = "-PLUS"
	xoauth2      = "XOAUTH2"
	cramMD5      = "CRAM-MD5"
	anyMechanism = "*"
)

// mechanisms are all login methods, the strongest first.
var mechanisms = []Mechanism{
	{Name: sasl.External, Certificate: true, newClient: func(l Login) sasl.Client { return sasl.NewExternalClient(l.User) }},
	{Name: scramSHA256 + plusSuffix, Binding: true, newClient: newSCRAM(scramSHA256, true)},
	{Name: scramSHA256, newClient: newSCRAM(scramSHA256, false)},
	{Name: scramSHA1 + plusSuffix, Binding: true, newClient: newSCRAM(scramSHA1, true)},
	{Name: scramSHA1, newClient: newSCRAM(scramSHA1, false)},
	{Name: sasl.OAuthBearer, Cleartext: true, Token: true, newClient: newOAuthBearer},
	{Name: xoauth2, Cleartext: true, Token: true, newClient: newXOAuth2},
	{Name: cramMD5, newClient: newCRAMMD5},
	{Name: sasl.Plain, Cleartext: true, newClient: func(l Login) sasl.Client { return sasl.NewPlainClient("", l.User, l.Password) }},
	{Name: loginMech, Cleartext: true, newClient: newLoginMech},
}

// Names returns the names of all mechanisms, the strongest first.
func Names() []string {
	names := make([]string, len(mechanisms))
	for i, m := range mechanisms {
		names[i] = m.Name
	}
	return names
}

// supported reports whether a mechanism is in the table.
func supported(name string) bool {
	return slices.ContainsFunc(mechanisms, func(m Mechanism) bool { return m.Name == name })
}

// Choice is a possible login method.
type Choice struct {
	Mechanism
	// Command: it is the IMAP command LOGIN, which has no SASL client.
	Command bool
	// Warning, if not nil, must be shown to the user.
	Warning event.Fact

	binding gs2
}

// ID identifies the choice in Request.Unusable. It contains the channel binding, because a server
// may be able to use only some bindings.
func (c *Choice) ID() string { return choiceID(c.Name, c.binding.ChannelBinding) }

func choiceID(name string, cb scram.ChannelBinding) string {
	if cb.Type == "" {
		return name
	}
	return strings.ToUpper(name + " " + string(cb.Type))
}

// NewClient returns the SASL client for one attempt; nil: it is a Command. The client may also
// implement Prover and Failer.
func (c *Choice) NewClient(l Login) sasl.Client {
	if c.Command {
		return nil
	}
	l.binding = c.binding
	return c.newClient(l)
}

// A Prover is a SASL client that also authenticates the server.
type Prover interface {
	// Proven is called after the login succeeded. An error means that the server is not
	// authentic. The connection must then be closed.
	Proven() error
}

// A Failer is a SASL client that may know why the login failed.
type Failer interface {
	// Failure returns the reason that the server has sent; nil: none.
	Failure() error
}
