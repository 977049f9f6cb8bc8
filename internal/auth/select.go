package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// Mechanism is a way to log in.
type Mechanism struct {
	// Name is that of the IANA registry of SASL mechanisms, or LOGIN for the
	// command of IMAP (RFC 9051 §6.2.3), which is no SASL mechanism here.
	Name string
	// Cleartext: the password itself is sent, and whoever reads the connection
	// has it.
	Cleartext bool
	// NewClient makes the SASL client. It is nil for LOGIN, for which the
	// protocol has a command of its own.
	NewClient func(user, password string) sasl.Client

	// missing: the table knows the place of the mechanism, but there is no code
	// for it yet.
	missing bool
}

// loginCommand names the LOGIN command of IMAP.
const loginCommand = "LOGIN"

// mechanisms holds all ways to log in, the strongest first.
var mechanisms = []Mechanism{
	{Name: sasl.External, missing: true},
	{Name: "SCRAM-SHA-256-PLUS", missing: true},
	{Name: "SCRAM-SHA-256", missing: true},
	{Name: "SCRAM-SHA-1-PLUS", missing: true},
	{Name: "SCRAM-SHA-1", missing: true},
	{Name: sasl.OAuthBearer, Cleartext: true, missing: true},
	{Name: "XOAUTH2", Cleartext: true, missing: true},
	{Name: "CRAM-MD5", missing: true},
	{Name: sasl.Plain, Cleartext: true, NewClient: func(user, password string) sasl.Client {
		return sasl.NewPlainClient("", user, password)
	}},
	{Name: loginCommand, Cleartext: true},
}

// Request is what decides about the way to log in.
type Request struct {
	// Offered holds the SASL mechanisms that the server offers (in IMAP its
	// AUTH= capabilities).
	Offered []string
	// LoginDisabled: the server refuses the LOGIN command (LOGINDISABLED).
	LoginDisabled bool
	// Allowed holds the mechanisms that the user allows; "*" stands for all that
	// are safe on this connection. Empty is the same as "*".
	Allowed []string
	// Encrypted: the connection is encrypted by TLS. A tunnel command does not
	// count; nobody knows what it does.
	Encrypted bool
}

// Choice is the way to log in that was selected.
type Choice struct {
	Mechanism
	// Warning, if not empty, is to be shown to the user.
	Warning string
}

// SelectError tells why there is no way to log in.
type SelectError struct {
	Msg string
	// Hint, if not empty, tells what the user can do.
	Hint string
}

// Error returns the message and the hint.
func (e *SelectError) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + " (" + e.Hint + ")"
}

// verdict is what speaks against a mechanism.
type verdict int

const (
	usable verdict = iota
	notAllowed
	notOffered
	unsafe
	missing
)

// Select returns the strongest mechanism that the server offers, the user
// allows and the program has. One that sends the password in clear text is used
// on an unencrypted connection only if the user has allowed it by name, and with
// a warning. The error, if any, is a *SelectError.
func Select(r Request) (*Choice, error) {
	return selectFrom(mechanisms, r)
}

func selectFrom(table []Mechanism, r Request) (*Choice, error) {
	r.Offered, r.Allowed = upper(r.Offered), upper(r.Allowed)
	if len(r.Allowed) == 0 {
		r.Allowed = []string{"*"}
	}
	verdicts := make(map[verdict][]string)
	for _, m := range table {
		v := r.judge(m)
		if v == usable {
			return &Choice{Mechanism: m, Warning: r.warning(m, verdicts[missing])}, nil
		}
		verdicts[v] = append(verdicts[v], m.Name)
	}
	// What is not even in the table.
	for _, name := range r.Offered {
		if r.names(name) && !slices.ContainsFunc(table, func(m Mechanism) bool { return m.Name == name }) {
			verdicts[missing] = append(verdicts[missing], name)
		}
	}
	// What would do if it were allowed.
	free := r
	free.Allowed = []string{"*"}
	alternative := ""
	for _, m := range table {
		if free.judge(m) == usable {
			alternative = m.Name
			break
		}
	}
	return nil, r.explain(verdicts, alternative)
}

// names tells whether the user has allowed a mechanism by its name.
func (r *Request) names(mechanism string) bool { return slices.Contains(r.Allowed, mechanism) }

// warning tells what the user should know about a mechanism being used, when
// the stronger ones that were skipped are not supported.
func (r *Request) warning(m Mechanism, skipped []string) string {
	var parts []string
	skipped = slices.DeleteFunc(slices.Clone(skipped), func(name string) bool { return !r.names(name) })
	if len(skipped) > 0 {
		parts = append(parts, fmt.Sprintf("AuthMechs names %s, which is not supported yet; using %s instead", list(skipped), m.Name))
	}
	if m.Cleartext && !r.Encrypted {
		parts = append(parts, "the password is sent in clear text over an unencrypted connection")
	}
	return strings.Join(parts, "; ")
}

// judge tells whether a mechanism can be used.
func (r *Request) judge(m Mechanism) verdict {
	named := r.names(m.Name)
	offered := slices.Contains(r.Offered, m.Name)
	if m.Name == loginCommand {
		offered = !r.LoginDisabled
	}
	switch {
	case !named && !slices.Contains(r.Allowed, "*"):
		return notAllowed
	case !offered:
		return notOffered
	case m.missing:
		return missing
	case m.Cleartext && !r.Encrypted && !named:
		return unsafe
	}
	return usable
}

// explain makes the error out of the verdicts on all mechanisms. The alternative
// is a mechanism that could be used if the user allowed it; empty: none.
func (r *Request) explain(verdicts map[verdict][]string, alternative string) *SelectError {
	offered := r.Offered
	if !r.LoginDisabled && !slices.Contains(offered, loginCommand) {
		offered = append(slices.Clone(offered), loginCommand)
	}
	hint := ""
	if alternative != "" {
		hint = "the server offers " + alternative + " as well: allow it with AuthMechs"
	} else if !r.Encrypted {
		hint = "it may offer more on an encrypted connection: use TLSType STARTTLS or IMAPS"
	}
	unsafe, missing := verdicts[unsafe], verdicts[missing]
	switch {
	case len(unsafe) > 0:
		e := &SelectError{
			Msg: fmt.Sprintf("the connection is not encrypted, so the password is not sent with %s", list(unsafe)),
			Hint: "use TLSType STARTTLS or IMAPS; if the connection is safe all the same, allow it with AuthMechs " +
				unsafe[0],
		}
		if len(missing) > 0 {
			e.Msg += fmt.Sprintf(", and %s is not supported yet", list(missing))
		}
		return e
	case len(missing) > 0:
		return &SelectError{Msg: fmt.Sprintf("authentication with %s is not supported yet", list(missing)), Hint: hint}
	case len(offered) == 0:
		return &SelectError{Msg: "the server offers no way to log in", Hint: hint}
	case slices.Contains(r.Allowed, "*"):
		return &SelectError{Msg: fmt.Sprintf("no authentication mechanism that the server offers is known: %s", list(offered)), Hint: hint}
	}
	return &SelectError{Msg: fmt.Sprintf("the server offers %s, but AuthMechs allows only %s", list(offered), list(r.Allowed)), Hint: hint}
}

func upper(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToUpper(n)
	}
	return out
}

// maxNames limits how many names, and maxName how much of each, a server may
// bring into a message.
const (
	maxNames = 12
	maxName  = 40
)

// list joins names for a message; what is not plain is escaped.
func list(names []string) string {
	var out []string
	for i, n := range names {
		if i == maxNames {
			out = append(out, "...")
			break
		}
		if len(n) > maxName {
			n = n[:maxName] + "..."
		}
		if n == "" || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' }) {
			n = fmt.Sprintf("%q", n)
		}
		out = append(out, n)
	}
	return strings.Join(out, ", ")
}
