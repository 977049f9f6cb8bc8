package config

import (
	"errors"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"isync/internal/event"
)

const maxInt = math.MaxInt32

// maxRetries is the maximum of Retries.
const maxRetries = 1000

func itoa(n int) string { return strconv.Itoa(n) }

// passKeyword is the keyword whose arguments are never shown.
const passKeyword = "Pass"

var accountKeywords = []keyword{
	{Keyword: Keyword{Name: "Provider", Args: "name"}, apply: (*stmt).applyProvider},
	{Keyword: Keyword{Name: "Host", Args: "host"}, apply: (*stmt).applyHost},
	{Keyword: Keyword{Name: "Port", Args: "port"}, apply: func(st *stmt, d *draft) { st.setInt(&d.account.Port, 1, math.MaxUint16) }},
	{Keyword: Keyword{Name: "Timeout", Args: "seconds"}, apply: func(st *stmt, d *draft) { st.setSeconds(&d.account.Timeout) }},
	{Keyword: Keyword{Name: "User", Args: "name"}, apply: func(st *stmt, d *draft) { d.account.User = st.arg() }},
	{Keyword: Keyword{Name: "UserCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.UserCmd) }},
	{Keyword: Keyword{Name: passKeyword, Args: "password"}, apply: func(st *stmt, d *draft) { d.account.Pass = NewSecret(st.arg()) }},
	{Keyword: Keyword{Name: "PassCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.PassCmd) }},
	{Keyword: Keyword{Name: "UseKeychain", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.account.UseKeychain) }},
	{Keyword: Keyword{Name: oauthKeyword, Args: strings.Join(oauthProviders, "|")}, apply: (*stmt).applyOAuth},
	{Keyword: Keyword{Name: "OAuthClientId", Args: "id"}, apply: func(st *stmt, d *draft) { st.setWord(&d.account.OAuth.ClientID) }},
	{Keyword: Keyword{Name: "OAuthClientSecret", Args: "secret"}, apply: func(st *stmt, d *draft) { d.account.OAuth.ClientSecret = NewSecret(st.arg()) }},
	{Keyword: Keyword{Name: "OAuthClientSecretCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.OAuth.ClientSecretCmd) }},
	{Keyword: Keyword{Name: "OAuthTenant", Args: "tenant"}, apply: func(st *stmt, d *draft) { st.setWord(&d.account.OAuth.Tenant) }},
	{Keyword: Keyword{Name: "OAuthScope", Args: "scope ...", List: true}, apply: (*stmt).applyOAuthScope},
	{Keyword: Keyword{Name: "OAuthAuthURL", Args: "url"}, apply: func(st *stmt, d *draft) { st.setEndpoint(&d.account.OAuth.AuthURL) }},
	{Keyword: Keyword{Name: "OAuthTokenURL", Args: "url"}, apply: func(st *stmt, d *draft) { st.setEndpoint(&d.account.OAuth.TokenURL) }},
	{Keyword: Keyword{Name: "OAuthDeviceURL", Args: "url"}, apply: func(st *stmt, d *draft) { st.setEndpoint(&d.account.OAuth.DeviceURL) }},
	{Keyword: Keyword{Name: "OAuthIssuer", Args: "url"}, apply: func(st *stmt, d *draft) { st.setEndpoint(&d.account.OAuth.Issuer) }},
	{Keyword: Keyword{Name: "OAuthUser", Args: "name"}, apply: func(st *stmt, d *draft) { st.setWord(&d.account.OAuth.User) }},
	{Keyword: Keyword{Name: "TokenStore", Args: strings.Join(tokenStoreNames, "|")}, apply: func(st *stmt, d *draft) {
		st.setChoice(tokenStoreNames, func(i int) { d.account.OAuth.Store = TokenStore(i) })
	}},
	{Keyword: Keyword{Name: "TokenFile", Args: "path"}, apply: func(st *stmt, d *draft) { st.setPath(&d.account.OAuth.TokenFile) }},
	{Keyword: Keyword{Name: "TokenKeyCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.OAuth.TokenKeyCmd) }},
	{Keyword: Keyword{Name: "TokenLoadCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.OAuth.TokenLoadCmd) }},
	{Keyword: Keyword{Name: "TokenSaveCmd", Args: "[+]command"}, apply: func(st *stmt, d *draft) { st.setCommand(&d.account.OAuth.TokenSaveCmd) }},
	{Keyword: Keyword{Name: "Tunnel", Args: "command"}, apply: func(st *stmt, d *draft) { d.account.Tunnel = st.arg() }},
	{Keyword: Keyword{Name: "AuthMechs", Alias: "AuthMech", Args: "mechanism|* ...", List: true}, apply: (*stmt).applyAuthMechs},
	{Keyword: Keyword{Name: "TLSType", Args: "None|STARTTLS|IMAPS"}, apply: func(st *stmt, d *draft) {
		st.setChoice(tlsTypeNames, func(i int) { d.account.TLS = TLSType(i) })
	}},
	{Keyword: Keyword{Name: "TLSVersions", Args: "{+|-}1.0|1.1|1.2|1.3 ...", List: true}, apply: (*stmt).applyTLSVersions},
	{Keyword: Keyword{Name: "TLSSessionCache", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.account.TLSSessionCache) }},
	{Keyword: Keyword{Name: "SystemCertificates", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.account.SystemCertificates) }},
	{Keyword: Keyword{Name: "CertificateFile", Args: "path"}, apply: (*stmt).applyCertificateFile},
	{Keyword: Keyword{Name: "ClientCertificate", Args: "path"}, apply: func(st *stmt, d *draft) { st.setPath(&d.account.ClientCertificate) }},
	{Keyword: Keyword{Name: "ClientKey", Args: "path"}, apply: func(st *stmt, d *draft) { st.setPath(&d.account.ClientKey) }},
	{Keyword: Keyword{Name: "CipherString", Args: "ciphers"}, apply: func(st *stmt, d *draft) { d.account.CipherString = st.arg() }},
	{Keyword: Keyword{Name: "PipelineDepth", Args: "number"}, apply: func(st *stmt, d *draft) { st.setInt(&d.account.PipelineDepth, 1, maxInt) }},
	{Keyword: Keyword{Name: "Compress", Args: "auto|yes|no"}, apply: (*stmt).applyCompress},
	{Keyword: Keyword{Name: "Connections", Args: "number"}, apply: func(st *stmt, d *draft) { st.setInt(&d.account.Connections, 1, maxInt) }},
	{Keyword: Keyword{Name: "Retries", Args: "number"}, apply: func(st *stmt, d *draft) { st.setInt(&d.account.Retries, 0, maxRetries) }},
	{Keyword: Keyword{Name: "RetryMax", Args: "seconds"}, apply: func(st *stmt, d *draft) { st.setSeconds(&d.account.RetryMax) }},
	{Keyword: Keyword{Name: "WatchMailboxes", Args: "pattern ...", List: true}, apply: (*stmt).applyWatchMailboxes},
	{Keyword: Keyword{Name: "PollInterval", Args: "time[s|m|h]"}, apply: func(st *stmt, d *draft) { st.setInterval(&d.account.PollInterval) }},
	{Keyword: Keyword{Name: "SafetyInterval", Args: "time[s|m|h]"}, apply: func(st *stmt, d *draft) { st.setInterval(&d.account.SafetyInterval) }},
	{Keyword: Keyword{Name: "IdleRefresh", Args: "time[s|m|h]"}, apply: func(st *stmt, d *draft) { st.setInterval(&d.account.IdleRefresh) }},
	{Keyword: Keyword{Name: "DisableExtensions", Alias: "DisableExtension", Args: "extension ...", List: true}, apply: (*stmt).applyDisableExtensions},

	{Keyword: Keyword{Name: "SSLType", Args: "None|STARTTLS|IMAPS", Deprecated: true, Use: "TLSType"}, rename: true},
	{Keyword: Keyword{Name: "SSLVersions", Alias: "SSLVersion", Args: "[TLSv1] [TLSv1.1] [TLSv1.2] [TLSv1.3]", List: true, Deprecated: true, Use: "TLSVersions"}, apply: (*stmt).applySSLVersions},
	{Keyword: Keyword{Name: "RequireCRAM", Args: "yes|no", Deprecated: true, Use: "AuthMechs CRAM-MD5"}, apply: func(st *stmt, d *draft) { st.setLegacy(d, &d.legacy.requireCRAM) }},
	{Keyword: Keyword{Name: "UseIMAPS", Args: "yes|no", Deprecated: true, Use: "TLSType IMAPS"}, apply: func(st *stmt, d *draft) { st.setLegacy(d, &d.legacy.useIMAPS) }},
	{Keyword: Keyword{Name: "RequireSSL", Args: "yes|no", Deprecated: true, Use: "TLSType STARTTLS"}, apply: func(st *stmt, d *draft) { st.setLegacy(d, &d.legacy.requireSSL) }},
	{Keyword: Keyword{Name: "UseSSLv2", Args: "yes|no", Deprecated: true}, apply: (*stmt).applyUseSSL},
	{Keyword: Keyword{Name: "UseSSLv3", Args: "yes|no", Deprecated: true}, apply: (*stmt).applyUseSSL},
	{Keyword: Keyword{Name: "UseTLSv1", Args: "yes|no", Deprecated: true, Use: "TLSVersions +1.0"}, apply: func(st *stmt, d *draft) { st.applyUseTLS(d, TLS10) }},
	{Keyword: Keyword{Name: "UseTLSv1.1", Args: "yes|no", Deprecated: true, Use: "TLSVersions +1.1"}, apply: func(st *stmt, d *draft) { st.applyUseTLS(d, TLS11) }},
	{Keyword: Keyword{Name: "UseTLSv1.2", Args: "yes|no", Deprecated: true, Use: "TLSVersions +1.2"}, apply: func(st *stmt, d *draft) { st.applyUseTLS(d, TLS12) }},
}

// newAccount returns an account with the defaults that do not depend on keywords.
func newAccount() Account {
	return Account{
		Timeout:            20 * time.Second,
		TLSVersions:        DefaultTLSVersions,
		SystemCertificates: true,
		TLSSessionCache:    true,
		Retries:            4,
		RetryMax:           time.Minute,
		PollInterval:       5 * time.Minute,
		SafetyInterval:     15 * time.Minute,
		IdleRefresh:        9 * time.Minute,
	}
}

// setCommand sets a shell command whose output is used.
func (st *stmt) setCommand(dst *string) {
	if strings.TrimSpace(strings.TrimPrefix(st.arg(), "+")) == "" {
		st.errorf(st.arg(), "%s: the command is empty", st.kw.Name)
		return
	}
	*dst = st.arg()
}

func (st *stmt) applyHost(d *draft) {
	host := st.arg()
	scheme, rest, found := strings.Cut(host, ":")
	if found && (strings.EqualFold(scheme, "imaps") || strings.EqualFold(scheme, "imap")) {
		host = strings.TrimPrefix(rest, "//")
		t := st.args[0]
		st.edits = append(st.edits, edit{t.start, t.end, respell(st.line[t.start:t.end], t.text, host)})
		st.old = append(st.old, "Host "+scheme+":")
		if strings.EqualFold(scheme, "imaps") {
			d.legacy.imapsHost = st
			d.legacy.wait(st)
		}
	}
	if host == "" {
		st.errorf(st.arg(), "Host %s names no host", quote(st.arg()))
		return
	}
	// An IPv6 address contains several colons.
	if name, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
		if n, ok := parseInt(port, 1, math.MaxUint16); ok && name != "" {
			st.errorf(st.arg(), "Host %s holds a port", quote(st.arg())).Hint = "write Host " + quoteArg(name) + " and Port " + itoa(n)
			return
		}
	}
	d.account.Host = host
}

// setInterval sets a time of at least one second. The argument is a number of seconds, or of
// minutes or hours with the suffix "m" or "h".
func (st *stmt) setInterval(dst *time.Duration) {
	number, unit := st.arg(), time.Second
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour} {
		if n, ok := strings.CutSuffix(strings.ToLower(number), suffix); ok {
			number, unit = n, u
			break
		}
	}
	n, ok := parseInt(number, 1, int(maxInterval/unit))
	if !ok {
		st.errorf(st.arg(), "invalid time %s for %s", quote(st.arg()), st.kw.Name).Hint = "write a number of seconds, as in 90 or 90s, of minutes, as in 5m, or of hours, as in 1h"
		return
	}
	*dst = time.Duration(n) * unit
}

// maxInterval is the maximum of all intervals.
const maxInterval = 365 * 24 * time.Hour

// applyWatchMailboxes sets names of mailboxes or patterns.
func (st *stmt) applyWatchMailboxes(d *draft) {
	for _, t := range st.args {
		if t.text == "" {
			st.errorf(t.text, "%s: the name of a mailbox is empty", st.kw.Name)
			return
		}
		d.account.WatchMailboxes = append(d.account.WatchMailboxes, t.text)
	}
}

// setSeconds sets a time in seconds.
func (st *stmt) setSeconds(dst *time.Duration) {
	var seconds int
	st.setInt(&seconds, 0, maxInt)
	if !st.failed {
		*dst = time.Duration(seconds) * time.Second
	}
}

func (st *stmt) applyCompress(d *draft) {
	v, ok := parseBool(st.arg())
	switch {
	case strings.EqualFold(st.arg(), "auto"):
		d.account.Compress = Unset
	case !ok:
		st.errorf(st.arg(), "invalid value %s for Compress", quote(st.arg())).Hint = "write auto, yes or no"
	case v:
		d.account.Compress = Yes
	default:
		d.account.Compress = No
	}
}

func (st *stmt) applyTLSVersions(d *draft) {
	for _, t := range st.args {
		sign, number := "", t.text
		if strings.HasPrefix(number, "+") || strings.HasPrefix(number, "-") {
			sign, number = number[:1], number[1:]
		}
		v := tlsVersion(number)
		switch {
		case v == 0:
			st.errorf(t.text, "invalid TLS version %s", quote(t.text)).Hint = "possible values: 1.0, 1.1, 1.2, 1.3, each with + or - before it"
		case sign == "+":
			d.account.TLSVersions |= v
		case sign == "-":
			d.account.TLSVersions &^= v
		default:
			st.errorf(t.text, "TLS version %s without a sign", quote(t.text)).Hint = "write +" + number + " to allow it, -" + number + " to forbid it"
		}
	}
}

func (st *stmt) applyCertificateFile(d *draft) {
	path, ok := st.path(st.args[0])
	if !ok {
		return
	}
	data, err := st.p.env.readFile(path)
	if err != nil {
		d.account.LostCertificates = append(d.account.LostCertificates, LostCertificate{path, reasonOf(err), st.pos})
		return
	}
	d.account.Certificates = append(d.account.Certificates, CertificateFile{Path: path, Data: data, Pos: st.pos})
}

// knownExtensions are the capabilities that are useful in DisableExtensions. They serve to detect
// typing errors.
var knownExtensions = []string{
	"ACL", "APPENDLIMIT", "BINARY", "CATENATE", "CHILDREN", "COMPRESS", "COMPRESS=DEFLATE", "CONDSTORE",
	"CREATE-SPECIAL-USE", "ENABLE", "ESEARCH", "ESORT", "I18NLEVEL=1", "ID", "IDLE", "INPROGRESS", "LIST-EXTENDED",
	"LIST-METADATA", "LIST-MYRIGHTS", "LIST-STATUS", "LITERAL+", "LITERAL-", "LOGIN-REFERRALS", "METADATA", "MOVE",
	"MULTIAPPEND", "MULTISEARCH", "NAMESPACE", "NOTIFY", "OBJECTID", "PARTIAL", "PREVIEW", "QRESYNC", "QUOTA", "REPLACE",
	"SASL-IR", "SAVEDATE", "SEARCH=FUZZY", "SEARCHRES", "SORT", "SPECIAL-USE", "STATUS=SIZE", "THREAD=REFERENCES",
	"THREAD=ORDEREDSUBJECT", "UIDBATCHES", "UIDONLY", "UIDPLUS", "UNAUTHENTICATE", "UNSELECT", "URLAUTH", "UTF8=ACCEPT",
	"UTF8=ONLY", "WITHIN", "X-GM-EXT-1", "XLIST", "IMAP4REV2",
}

func (st *stmt) applyDisableExtensions(d *draft) {
	for _, t := range st.args {
		name := strings.ToUpper(t.text)
		if !isAtom(name) {
			st.errorf(t.text, "invalid IMAP extension %s", quote(t.text))
			continue
		}
		if !slices.Contains(knownExtensions, name) && !strings.HasPrefix(name, "AUTH=") && !strings.HasPrefix(name, "X") {
			st.p.warn(st.pos, event.ExtensionUnknown{Word: quote(t.text), Meant: nearest(name, knownExtensions)})
		}
		d.account.DisableExtensions = append(d.account.DisableExtensions, name)
	}
}

// finishAccount checks a complete account and sets what depends on several keywords. For an
// account inside a store, d is the section of the store.
func (p *parser) finishAccount(d *draft) {
	a := &d.account
	a.Name, a.At = d.name, d.pos
	p.finishLegacy(d)
	d.applyPreset()
	if !d.has("Host") && !d.has("Tunnel") && !d.has("Provider") {
		what := "Host nor Tunnel"
		if a.Inline {
			what = "Account, Host nor Tunnel"
		}
		p.errorf(d.pos, d.name, "%s has neither %s", d.label(), what)
	}
	p.lostCertificates(d)
	p.exclusive(d, "User", "UserCmd")
	passwords := []string{"Pass", "PassCmd"}
	if a.UseKeychain {
		passwords = append(passwords, "UseKeychain")
	}
	p.exclusive(d, append(passwords, oauthKeyword)...)
	p.finishOAuth(d)

	if a.Connections == 0 {
		a.Connections = 3
		if a.Tunnel != "" {
			a.Connections = 1
		}
	}
	if !d.has("TLSType") && !slices.Contains(a.Preset, tlsTypeKeyword) {
		a.TLS = TLSStartTLS
		if a.Tunnel != "" {
			a.TLS = TLSNone
		}
	}
	if a.Port == 0 {
		a.Port = portIMAP
		if a.TLS == TLSIMAPS {
			a.Port = portIMAPS
		}
	}
	if a.TLSVersions == 0 {
		p.errorf(d.given.Pos("TLSVersions"), "", "%s: no TLS version is left", d.label())
	}
	if len(a.AuthMechs) == 0 {
		a.AuthMechs = []string{"*"}
	}
	a.Given = d.given
}

// lostCertificates reports certificates that could not be read. It is only a warning, because a
// missing authority does not make connections less safe. Without any other trusted certificate it
// is an error.
func (p *parser) lostCertificates(d *draft) {
	a := &d.account
	nobody := !a.SystemCertificates && len(a.Certificates) == 0
	for _, f := range a.LostCertificates {
		if nobody {
			p.errorf(f.Pos, f.Path, "cannot read CertificateFile '%s': %s", f.Path, f.Reason).
				Hint = "correct the path; with SystemCertificates no and no other CertificateFile, no certificate is trusted"
			continue
		}
		p.warn(f.Pos, event.CertificateFileLost{Path: f.Path, Reason: f.Reason})
	}
}

// reasonOf returns the reason why a file cannot be read, without the file name.
func reasonOf(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return err.Error()
}

// exclusive reports keywords that exclude each other.
func (p *parser) exclusive(d *draft, keywords ...string) {
	var first string
	for _, k := range keywords {
		pos := d.given.Pos(k)
		switch {
		case !pos.IsSet():
		case first == "":
			first = k
		default:
			if other := d.given.Pos(first); p.compare(other, pos) > 0 {
				p.errorf(other, first, "%s has both %s and %s", d.label(), k, first)
			} else {
				p.errorf(pos, k, "%s has both %s and %s", d.label(), first, k)
			}
		}
	}
}
