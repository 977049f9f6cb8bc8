package auth

import (
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"

	"isync/internal/event"
)

// Mechanism is a way to log in.
type Mechanism struct {
	// Name is that of the IANA registry of SASL mechanisms, or LOGIN, which is
	// the command of IMAP (RFC 9051 §6.2.3) or, if that is disabled, the
	// mechanism.
	Name string
	// Cleartext: the password itself, or the token, is sent, and whoever reads
	// the connection has it.
	Cleartext bool
	// Token: what is sent is not a password but an OAuth 2.0 access token.
	Token bool
	// Certificate: the client certificate of the connection is what proves who
	// we are, and neither a password nor a user name is needed.
	Certificate bool
	// Binding: the proof is bound to the TLS connection, so that somebody in
	// the middle could not use it.
	Binding bool

	newClient func(Login) sasl.Client
}

// Login is what a mechanism works with.
type Login struct {
	User     string // may be empty for a mechanism with Certificate
	Password string
	// Host and Port are what the user wanted to connect to.
	Host string
	Port int
	// Keys, if not nil, keeps what is costly to derive from the password.
	Keys *Keys

	binding gs2
}

// The names of mechanisms that are mentioned elsewhere.
const (
	loginMech    = "LOGIN"
	scramSHA1    = "SCRAM-SHA-1"
	scramSHA256  = "SCRAM-SHA-256"
	plusSuffix   = "-PLUS"
	xoauth2      = "XOAUTH2"
	cramMD5      = "CRAM-MD5"
	anyMechanism = "*"
)

// mechanisms holds all ways to log in, the strongest first.
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

// Choice is a way to log in that is possible.
type Choice struct {
	Mechanism
	// Command: it is the LOGIN command of IMAP, for which there is no client.
	Command bool
	// Warning, if not nil, is to be shown to the user.
	Warning event.Fact

	binding gs2
}

// ID names the choice for Request.Unusable: with -PLUS one binding may do where
// another does not.
func (c *Choice) ID() string { return choiceID(c.Name, c.binding.ChannelBinding) }

func choiceID(name string, cb scram.ChannelBinding) string {
	if cb.Type == "" {
		return name
	}
	return strings.ToUpper(name + " " + string(cb.Type))
}

// NewClient returns the SASL client for one attempt. Besides sasl.Client it may
// implement Prover and Failer. It is nil for a Command.
func (c *Choice) NewClient(l Login) sasl.Client {
	if c.Command {
		return nil
	}
	l.binding = c.binding
	return c.newClient(l)
}

// A Prover is a SASL client whose server has to prove something, too.
type Prover interface {
	// Proven is called once the server has let us in. An error means that it is
	// not who it should be, and that it must not be talked to.
	Proven() error
}

// A Failer is a SASL client that may know why the server does not let us in.
type Failer interface {
	// Failure returns what the server has told, or nil.
	Failure() error
}
