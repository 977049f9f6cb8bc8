package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Keywords that are used in several places.
const (
	oauthKeyword  = "OAuth"
	secretKeyword = "OAuthClientSecret"
)

// oauthCustom is the provider whose endpoints are configured.
const (
	oauthCustom    = "custom"
	oauthMicrosoft = "microsoft"
)

// oauthProviders are the values of OAuth. A test compares them with the table of package oauth.
var oauthProviders = []string{"google", oauthMicrosoft, "fastmail", "yandex", "mailru", oauthCustom}

// TokenStore is the place of the tokens of OAuth 2.0.
type TokenStore uint8

// The values of TokenStore.
const (
	TokensInFile TokenStore = iota
	TokensInKeyring
	TokensInCommand
)

var tokenStoreNames = []string{"file", "keyring", "cmd"}

// String returns the spelling in the configuration file.
func (s TokenStore) String() string { return tokenStoreNames[s] }

// OAuth holds the settings for obtaining access tokens of OAuth 2.0.
type OAuth struct {
	// Provider is one of OAuthProviders; "": the account has no OAuth.
	Provider string
	ClientID string
	// At most one of these is set.
	ClientSecret    Secret
	ClientSecretCmd string
	// Tenant is that of Microsoft. Scope replaces the scope of the provider. "": the default.
	Tenant, Scope string
	// The endpoints of a custom provider. With Issuer the others are optional.
	AuthURL, TokenURL, DeviceURL, Issuer string
	// User is the user who must consent; "": that of the account.
	User string
	// Store is the place of the tokens: TokenFile, which is encrypted if TokenKeyCmd is set; the
	// keyring; or the commands TokenLoadCmd and TokenSaveCmd. In each case, the lock is a file
	// beside TokenFile.
	Store                      TokenStore
	TokenFile, TokenKeyCmd     string
	TokenLoadCmd, TokenSaveCmd string
}

// OAuthProviders returns the values of OAuth.
func OAuthProviders() []string { return slices.Clone(oauthProviders) }

// HasOAuth reports whether the account logs in with tokens of OAuth 2.0.
func (a *Account) HasOAuth() bool { return a.OAuth.Provider != "" }

// ConsentUser returns the user who must consent; "": unknown.
func (a *Account) ConsentUser() string {
	if a.OAuth.User != "" {
		return a.OAuth.User
	}
	return a.User
}

// SecretInFile returns the place of a password or client secret of the account; it is unset if
// the configuration contains none.
func (a *Account) SecretInFile() Pos {
	switch {
	case a.Pass.IsSet():
		return a.Pos(passKeyword)
	case a.OAuth.ClientSecret.IsSet():
		return a.Pos(secretKeyword)
	}
	return Pos{}
}

// setWord sets an argument that must not be empty.
func (st *stmt) setWord(dst *string) {
	if strings.TrimSpace(st.arg()) == "" {
		st.errorf(st.arg(), "%s: the argument is empty", st.kw.Name)
		return
	}
	*dst = st.arg()
}

func (st *stmt) applyOAuth(d *draft) {
	st.setChoice(oauthProviders, func(i int) { d.account.OAuth.Provider = oauthProviders[i] })
}

func (st *stmt) applyOAuthScope(d *draft) {
	var words []string
	if d.account.OAuth.Scope != "" {
		words = append(words, d.account.OAuth.Scope)
	}
	for _, t := range st.args {
		words = append(words, strings.Fields(t.text)...)
	}
	d.account.OAuth.Scope = strings.Join(words, " ")
	if d.account.OAuth.Scope == "" {
		st.errorf(st.arg(), "%s: the argument is empty", st.kw.Name)
	}
}

// setEndpoint sets a URL that receives secrets.
func (st *stmt) setEndpoint(dst *string) {
	u, err := url.Parse(st.arg())
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		st.errorf(st.arg(), "invalid address %s for %s", quote(st.arg()), st.kw.Name).Hint = "write an address such as https://provider.example/oauth/token"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		st.errorf(st.arg(), "%s %s is not encrypted", st.kw.Name, quote(st.arg())).Hint = "use https; http is possible only for localhost"
	case u.Scheme != "https" && u.Scheme != "http":
		st.errorf(st.arg(), "%s %s does not begin with https://", st.kw.Name, quote(st.arg()))
	default:
		*dst = st.arg()
	}
}

// isLoopback reports whether a host is this computer.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// clientIDHints are three lines for each provider: how to obtain a client ID, and how to
// configure it.
var clientIDHints = map[string][3]string{
	"google": {
		"open https://console.cloud.google.com, create a project, and configure its consent screen (user type External, status In production)",
		"under APIs & Services, Credentials, create an OAuth client ID of the type Desktop app",
		"add the client ID as OAuthClientId and the client secret as OAuthClientSecret",
	},
	oauthMicrosoft: {
		"open https://entra.microsoft.com, App registrations, create a registration, and add the redirect URI http://localhost for mobile and desktop applications",
		"under Authentication, allow public client flows; under API permissions, add the delegated permission IMAP.AccessAsUser.All",
		"add its Application (client) ID as OAuthClientId",
	},
	"fastmail": {
		"ask Fastmail to register a client: https://www.fastmail.com/for-developers/oauth/",
		"its redirect URI is http://localhost",
		"add its client ID as OAuthClientId, or use an app password with PassCmd, which needs no registration",
	},
	"yandex": {
		"open https://oauth.yandex.com/client/new, and create an application with the permission mail:imap_full",
		"its redirect URI is http://localhost",
		"add its ClientID as OAuthClientId and its client secret as OAuthClientSecret",
	},
	"mailru": {
		"open https://o2.mail.ru/app/, and create an application",
		"its redirect URI is http://localhost",
		"add its ID as OAuthClientId and its secret as OAuthClientSecret",
	},
	oauthCustom: {
		"register mbsync with the provider as a native (public) client",
		"its redirect URI is http://localhost, with any port",
		"add its client ID as OAuthClientId",
	},
}

// ClientIDHelp explains how to register a client ID with a provider (a value of OAuth).
func ClientIDHelp(provider string) []string {
	lines, ok := clientIDHints[provider]
	if !ok {
		return nil
	}
	return lines[:2] // the third is about the configuration file
}

// oauthKeywords have no effect without OAuth.
var oauthKeywords = []string{
	"OAuthClientId", secretKeyword, "OAuthClientSecretCmd", "OAuthTenant", "OAuthScope", "OAuthAuthURL", "OAuthTokenURL", "OAuthDeviceURL",
	"OAuthIssuer", "OAuthUser", "TokenStore", "TokenFile", "TokenKeyCmd", "TokenLoadCmd", "TokenSaveCmd",
}

// tokenMechanisms are the mechanisms that use an access token.
var tokenMechanisms = []string{"OAUTHBEARER", "XOAUTH2"}

// finishOAuth checks the keywords of OAuth, and sets the name of the token file.
func (p *parser) finishOAuth(d *draft) {
	o := &d.account.OAuth
	if o.Provider == "" {
		if !d.has(oauthKeyword) {
			p.useless(d, "without "+oauthKeyword, "add the line '"+oauthKeyword+" PROVIDER', such as '"+oauthKeyword+" microsoft'", oauthKeywords...)
		}
		return
	}
	at := d.given.Pos(oauthKeyword)
	if !at.IsSet() {
		at = d.pos
	}
	p.exclusive(d, secretKeyword, "OAuthClientSecretCmd")
	if !d.has("OAuthClientId") {
		lines := clientIDHints[o.Provider]
		p.errorf(at, o.Provider, "%s has OAuth %s, but no OAuthClientId: providers require a registered client, and mbsync has no client ID of its own", d.label(), o.Provider).
			Hint = strings.Join(lines[:], "\n")
	}
	if o.Provider != oauthMicrosoft {
		p.useless(d, "with OAuth "+o.Provider, "", "OAuthTenant")
	}
	if o.Provider != oauthCustom {
		p.useless(d, "with OAuth "+o.Provider, "use OAuth custom to name the addresses of a provider", "OAuthAuthURL", "OAuthTokenURL", "OAuthDeviceURL", "OAuthIssuer")
	} else if !d.has("OAuthIssuer") && (!d.has("OAuthTokenURL") || !d.has("OAuthAuthURL") && !d.has("OAuthDeviceURL")) {
		p.errorf(at, o.Provider, "%s has OAuth custom, but no addresses of the provider", d.label()).
			Hint = "add OAuthIssuer, or OAuthTokenURL together with OAuthAuthURL or OAuthDeviceURL"
	}
	for _, m := range d.account.AuthMechs {
		if m != "*" && !slices.Contains(tokenMechanisms, m) {
			p.errorf(d.given.Pos("AuthMechs"), m, "%s has OAuth, but the mechanism %s takes no access token", d.label(), m).
				Hint = "leave out AuthMechs, or name OAUTHBEARER or XOAUTH2"
		}
	}
	p.finishTokenStore(d)
}

// finishTokenStore checks the keywords for the place of the tokens.
func (p *parser) finishTokenStore(d *draft) {
	o := &d.account.OAuth
	if o.Store != TokensInFile {
		p.useless(d, "with TokenStore "+o.Store.String(), "", "TokenFile", "TokenKeyCmd")
	}
	switch {
	case o.Store != TokensInCommand:
		p.useless(d, "with TokenStore "+o.Store.String(), "use TokenStore cmd", "TokenLoadCmd", "TokenSaveCmd")
	case !d.has("TokenLoadCmd") || !d.has("TokenSaveCmd"):
		p.errorf(d.given.Pos("TokenStore"), o.Store.String(), "%s has TokenStore cmd, but not both TokenLoadCmd and TokenSaveCmd", d.label()).
			Hint = "TokenLoadCmd prints the token, TokenSaveCmd reads it from its input"
	}
	if o.TokenFile != "" || d.name == "" {
		return
	}
	// The files are in the directory of the sync states. If both the new and the legacy directory
	// existed, it would be unclear which one contains the states.
	dir, err := p.env.StateDir()
	if err != nil {
		p.errorf(d.pos, "", "%s: cannot find the directory for tokens: %w", d.label(), err)
		return
	}
	o.TokenFile = filepath.Join(dir, "tokens", fileName(d.name))
}

// fileName makes a file name from the name of an account. It escapes special characters, so that
// the name also differs from those of files that belong to other accounts.
func fileName(account string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(account) {
		c := account[i]
		switch {
		case c <= ' ', c == '/', c == '\\', c == '%', c == ':', c == 0x7f, c == '.' && (i == 0 || account[i:] == ".lock" || account[i:] == ".new"):
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// useless reports keywords that have no effect.
func (p *parser) useless(d *draft, why, hint string, keywords ...string) {
	for _, k := range keywords {
		if pos := d.given.Pos(k); pos.IsSet() {
			p.errorf(pos, k, "%s has %s, which has no effect %s", d.label(), k, why).Hint = hint
		}
	}
}

// checkTokenFiles reports accounts that would use the same token file.
func (p *parser) checkTokenFiles() {
	users := make(map[string]*Account)
	for _, a := range p.cfg.Accounts {
		if !a.HasOAuth() || a.OAuth.Store != TokensInFile || a.OAuth.TokenFile == "" || p.cfg.IsShadowed(a) {
			continue
		}
		// Some file systems are case-insensitive.
		key := strings.ToLower(a.OAuth.TokenFile)
		first := users[key]
		if first == nil {
			users[key] = a
			continue
		}
		if first.OAuth.ClientID == a.OAuth.ClientID && first.OAuth.Provider == a.OAuth.Provider && first.ConsentUser() == a.ConsentUser() {
			continue
		}
		text := quote(a.OAuth.TokenFile)
		if a.OAuth.TokenFile != first.OAuth.TokenFile {
			text += ", as some file systems do not distinguish the case"
		}
		p.errorf(a.At, a.Name, "%s and %s (%s) keep different tokens in the same file, %s", a.Label(), first.Label(), first.At, text).
			Hint = "add TokenFile with another name to one of them"
	}
}
