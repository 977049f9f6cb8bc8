package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"

	"isync/internal/event"
)

// Request is the input of Select.
type Request struct {
	// Offered holds the SASL mechanisms that the server offers (in IMAP its
	// AUTH= capabilities).
	Offered []string
	// LoginDisabled: the server refuses the LOGIN command (LOGINDISABLED).
	LoginDisabled bool
	// Allowed holds the mechanisms that the user allows; "*" means all that are safe on this
	// connection. Empty means "*".
	Allowed []string
	// Tokens: the secret is an access token, so "*" means the mechanisms that use one.
	Tokens bool
	// Encrypted: the connection is encrypted by TLS. A tunnel command does not count, because its
	// encryption is unknown.
	Encrypted bool
	// ClientCertificate: the connection has a client certificate, which the server may have seen.
	ClientCertificate bool
	// Bindings are the channel bindings of the TLS connection, the best one first.
	Bindings []scram.ChannelBinding
	// Unusable holds the IDs of choices that the server offers, but has reported to be unusable.
	Unusable []string
}

// SelectError reports that no login method is possible.
type SelectError struct {
	Msg string
	// Fact is the advice for the user, if known.
	Fact event.NoMechanism
}

func (e *SelectError) Error() string { return e.Msg }

// verdict is the reason why a mechanism cannot be used.
type verdict int

const (
	usable verdict = iota
	notAllowed
	notOffered
	unknown
	neither
	refused
	noCertificate
	noBinding
	notEncrypted
	needsToken
	needsPassword
)

// verdictTexts are the texts for the mechanisms with a verdict, after their names, in this order.
var verdictTexts = []struct {
	verdict verdict
	text    string
}{
	{notAllowed, "not allowed"},
	{notOffered, "not offered"},
	{unknown, "not supported"},
	{neither, "neither supported nor offered"},
	{refused, "offered, but the server says that it cannot be used"},
	{noCertificate, "needs TLS and a ClientCertificate"},
	{noBinding, "needs a TLS connection with channel binding"},
	{needsPassword, "needs a password, but the account uses OAuth"},
	{notEncrypted, "would send the password unencrypted"},
}

// Select returns the mechanisms that the server offers, the user allows, and the connection
// permits, the strongest first. The caller uses the next one only if the server reports that the
// previous one is unusable.
//
// A mechanism that sends the password in clear text is used on an unencrypted connection only if
// the user has allowed it by name, and with a warning. A mechanism that sends a token is used
// only if the user has allowed it by name, or if no mechanism with a password is possible: the
// kind of the secret is unknown, and a password that is sent as a token may be stored or logged
// as one. If the secret is known to be a token (Request.Tokens), only mechanisms with tokens are
// used.
//
// The error, if any, is a *SelectError.
func Select(r Request) ([]Choice, error) {
	r.Offered, r.Allowed, r.Unusable = upper(r.Offered), upper(r.Allowed), upper(r.Unusable)
	if len(r.Allowed) == 0 {
		r.Allowed = []string{anyMechanism}
	}
	verdicts := r.judgeAll()
	var choices []Choice
	for _, m := range mechanisms {
		if verdicts[m.Name] == usable {
			choices = append(choices, r.choices(m, verdicts)...)
		}
	}
	if len(choices) == 0 {
		return nil, r.explain(verdicts)
	}
	return choices, nil
}

// judgeAll judges all offered or known mechanisms.
func (r *Request) judgeAll() map[string]verdict {
	verdicts := make(map[string]verdict)
	withPassword := false
	for _, m := range mechanisms {
		v := r.judge(m)
		verdicts[m.Name] = v
		withPassword = withPassword || v == usable && !m.Token && !m.Certificate
	}
	for _, m := range mechanisms {
		if verdicts[m.Name] == usable && m.Token && !r.names(m.Name) && withPassword {
			verdicts[m.Name] = needsToken
		}
	}
	for _, name := range slices.Concat(r.Offered, r.Allowed) {
		switch {
		case supported(name) || name == anyMechanism:
		case !slices.Contains(r.Offered, name):
			verdicts[name] = neither
		case !r.allows(name):
			verdicts[name] = notAllowed
		default:
			verdicts[name] = unknown
		}
	}
	return verdicts
}

// names reports whether the user has allowed a mechanism by name.
func (r *Request) names(mechanism string) bool { return slices.Contains(r.Allowed, mechanism) }

// allows reports whether the user has allowed a mechanism, by name or with "*".
func (r *Request) allows(mechanism string) bool { return r.names(mechanism) || r.names(anyMechanism) }

// offers reports whether the server offers a mechanism.
func (r *Request) offers(mechanism string) bool {
	return slices.Contains(r.Offered, mechanism) || mechanism == loginMech && !r.LoginDisabled
}

// judge determines whether a mechanism can be used.
func (r *Request) judge(m Mechanism) verdict {
	switch {
	case !r.allows(m.Name):
		return notAllowed
	case r.Tokens && !m.Token && !r.names(m.Name):
		return needsPassword
	case !r.offers(m.Name):
		return notOffered
	case m.Certificate && !(r.ClientCertificate && r.Encrypted):
		return noCertificate
	case m.Binding && len(r.Bindings) == 0:
		return noBinding
	case len(r.bindings(m)) == 0:
		return refused
	case m.Cleartext && !r.Encrypted && !r.names(m.Name):
		return notEncrypted
	}
	return usable
}

// bindings returns the channel bindings that a mechanism can use, without those that the server
// cannot use. A mechanism without channel binding has one: none.
func (r *Request) bindings(m Mechanism) []scram.ChannelBinding {
	all := []scram.ChannelBinding{{}}
	if m.Binding {
		all = slices.Clone(r.Bindings)
	}
	return slices.DeleteFunc(all, func(cb scram.ChannelBinding) bool { return slices.Contains(r.Unusable, choiceID(m.Name, cb)) })
}

// choices returns the choices of a usable mechanism: one, or one for each possible binding.
func (r *Request) choices(m Mechanism, verdicts map[string]verdict) []Choice {
	c := Choice{Mechanism: m, Command: m.Name == loginMech && !r.LoginDisabled, Warning: r.warning(m, verdicts)}
	if !m.Binding {
		// With another hash, the server may support channel binding.
		offered := slices.ContainsFunc(r.Offered, func(name string) bool { return strings.HasSuffix(name, plusSuffix) })
		c.binding.able = !offered && len(r.Bindings) > 0
		return []Choice{c}
	}
	var out []Choice
	for _, b := range r.bindings(m) {
		c.binding.ChannelBinding = b
		out = append(out, c)
	}
	return out
}

// warning returns the warning for the use of a mechanism; nil: none.
func (r *Request) warning(m Mechanism, verdicts map[string]verdict) event.Fact {
	var skipped []string
	for _, name := range r.Allowed {
		if verdicts[name] == unknown {
			skipped = append(skipped, name)
		}
	}
	var unsupported event.MechanismsUnsupported
	if len(skipped) > 0 {
		unsupported = event.MechanismsUnsupported{Names: list(skipped), Using: m.Name}
	}
	switch {
	case m.Cleartext && !r.Encrypted:
		return event.PasswordInClear{Token: m.Token, Also: unsupported}
	case len(skipped) > 0:
		return unsupported
	}
	return nil
}

// explain makes the error for the verdicts on all mechanisms, none of which is usable.
func (r *Request) explain(verdicts map[string]verdict) *SelectError {
	offered := slices.Clone(r.Offered)
	if r.offers(loginMech) && !slices.Contains(offered, loginMech) {
		offered = append(offered, loginMech)
	}
	if len(offered) == 0 {
		return &SelectError{Msg: "the server offers no way to log in", Fact: r.remedy(verdicts)}
	}
	var why []string
	for _, v := range verdictTexts {
		var names []string
		for _, name := range r.mentioned(offered) {
			if verdicts[name] == v.verdict {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			why = append(why, list(names)+": "+v.text)
		}
	}
	return &SelectError{
		Msg: fmt.Sprintf("no authentication mechanism can be used: the server offers %s; AuthMechs allows %s; %s",
			list(offered), list(r.Allowed), strings.Join(why, "; ")),
		Fact: r.remedy(verdicts),
	}
}

// mentioned returns the mechanisms that the server or the user has named: known ones, the
// strongest first, then unknown ones.
func (r *Request) mentioned(offered []string) []string {
	all := slices.Concat(offered, r.Allowed)
	var out []string
	for _, m := range mechanisms {
		if slices.Contains(all, m.Name) {
			out = append(out, m.Name)
		}
	}
	for _, name := range all {
		if name != anyMechanism && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// remedy returns the advice for the user.
func (r *Request) remedy(verdicts map[string]verdict) event.NoMechanism {
	for _, m := range mechanisms {
		if verdicts[m.Name] == notEncrypted {
			return event.NoMechanism{Remedy: event.EncryptOrAllow, Mechanism: m.Name}
		}
	}
	// free is the request with all mechanisms allowed.
	free := *r
	free.Allowed = []string{anyMechanism}
	for _, m := range mechanisms {
		if free.judge(m) == usable {
			return event.NoMechanism{Remedy: event.AllowOffered, Mechanism: m.Name}
		}
	}
	if !r.Encrypted {
		return event.NoMechanism{Remedy: event.Encrypt}
	}
	for _, m := range mechanisms {
		if verdicts[m.Name] == noCertificate {
			return event.NoMechanism{Remedy: event.AddCertificate}
		}
	}
	return event.NoMechanism{}
}

func upper(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToUpper(n)
	}
	return out
}

// maxNames and maxName limit the number and the length of the server's names in a message.
const (
	maxNames = 12
	maxName  = 40
)

// list joins names for a message, and escapes special characters.
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
