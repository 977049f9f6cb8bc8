package transport

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A suite is a cipher suite of TLS 1.0 to 1.2 that crypto/tls implements.
type suite struct {
	id      uint16
	openSSL string // OpenSSL's name; crypto/tls knows the IANA name
	// groups are the words of OpenSSL's cipher lists that select the suite, besides its names.
	groups string
	bits   int // security bits
	// weak: the suite is selected only if a list names it or its algorithm.
	weak bool
}

// suites are in the order of preference of crypto/tls.
var suites = []suite{
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE ECDSA AES AES128 AESGCM HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE aRSA AES AES128 AESGCM HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE ECDSA AES AES256 AESGCM HIGH FIPS TLSv1.2", 256, false},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE aRSA AES AES256 AESGCM HIGH FIPS TLSv1.2", 256, false},
	{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE ECDSA CHACHA20 HIGH TLSv1.2", 256, false},
	{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE aRSA CHACHA20 HIGH TLSv1.2", 256, false},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE-ECDSA-AES128-SHA", "ECDHE ECDSA AES AES128 CBC SHA1 HIGH FIPS TLSv1.0", 128, false},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE-RSA-AES128-SHA", "ECDHE aRSA AES AES128 CBC SHA1 HIGH FIPS TLSv1.0", 128, false},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE-ECDSA-AES256-SHA", "ECDHE ECDSA AES AES256 CBC SHA1 HIGH FIPS TLSv1.0", 256, false},
	{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE-RSA-AES256-SHA", "ECDHE aRSA AES AES256 CBC SHA1 HIGH FIPS TLSv1.0", 256, false},
	{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE-ECDSA-AES128-SHA256", "ECDHE ECDSA AES AES128 CBC SHA256 HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256", "ECDHE aRSA AES AES128 CBC SHA256 HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256", "kRSA aRSA AES AES128 AESGCM HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "AES256-GCM-SHA384", "kRSA aRSA AES AES256 AESGCM HIGH FIPS TLSv1.2", 256, false},
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "AES128-SHA256", "kRSA aRSA AES AES128 CBC SHA256 HIGH FIPS TLSv1.2", 128, false},
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA, "AES128-SHA", "kRSA aRSA AES AES128 CBC SHA1 HIGH FIPS SSLv3", 128, false},
	{tls.TLS_RSA_WITH_AES_256_CBC_SHA, "AES256-SHA", "kRSA aRSA AES AES256 CBC SHA1 HIGH FIPS SSLv3", 256, false},
	{tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, "ECDHE-RSA-DES-CBC3-SHA", "ECDHE aRSA 3DES CBC SHA1 MEDIUM TLSv1.0", 112, true},
	{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, "DES-CBC3-SHA", "kRSA aRSA 3DES CBC SHA1 MEDIUM SSLv3", 112, true},
	{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, "ECDHE-ECDSA-RC4-SHA", "ECDHE ECDSA RC4 SHA1 MEDIUM TLSv1.0", 80, true},
	{tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, "ECDHE-RSA-RC4-SHA", "ECDHE aRSA RC4 SHA1 MEDIUM TLSv1.0", 80, true},
	{tls.TLS_RSA_WITH_RC4_128_SHA, "RC4-SHA", "kRSA aRSA RC4 SHA1 MEDIUM SSLv3", 80, true},
}

// weakGroups are the groups that select weak suites, too.
var weakGroups = []string{"3DES", "RC4", "MEDIUM"}

// groupAliases maps other words for groups to the groups, in upper case.
var groupAliases = map[string]string{
	"EECDH": "ECDHE", "KECDHE": "ECDHE", "KEECDH": "ECDHE",
	"AECDSA": "ECDSA", "RSA": "KRSA", "SHA": "SHA1", "TLSV1": "TLSV1.0",
}

// emptyGroups are groups of which crypto/tls implements no suite, in upper case. Lists often
// exclude them; selecting them has no effect.
var emptyGroups = []string{
	"ANULL", "ENULL", "NULL", "ADH", "AECDH", "EXP", "EXPORT", "EXPORT40", "EXPORT56", "LOW", "DES", "RC2", "IDEA", "SEED",
	"MD5", "SHA384", "CAMELLIA", "CAMELLIA128", "CAMELLIA256", "ARIA", "ARIAGCM", "ARIA128", "ARIA256", "AESCCM", "AESCCM8",
	"DH", "DHE", "EDH", "KDH", "KDHE", "KEDH", "KDHR", "KDHD", "ADSS", "DSS", "ADH-ALL", "ECDH", "KECDH", "KECDHR", "KECDHE-OLD", "AECDH-ALL", "ADHE",
	"PSK", "KPSK", "APSK", "KECDHEPSK", "KDHEPSK", "KRSAPSK", "SRP", "KSRP", "ASRP", "KRB5", "KKRB5", "AKRB5", "FZA",
	"GOST", "GOST94", "GOST89MAC", "GOST2012", "KGOST", "AGOST", "AGOST01", "AGOST12", "KGOST18", "SSLV2", "COMPLEMENTOFALL",
}

// suiteParts are the parts of OpenSSL's names of cipher suites. They distinguish names of suites
// that crypto/tls does not implement from typing errors.
var suiteParts = strings.Fields(`ECDHE ECDH DHE EDH DH ADH AECDH RSA ECDSA DSS PSK SRP KRB5 EXP EXP1024 GOST94 GOST89 GOST2001 GOST2012 GOST8912
	AES AES128 AES256 128 256 GCM CCM CCM8 CBC CBC3 CBC2 CHACHA20 POLY1305 CAMELLIA128 CAMELLIA256 ARIA128 ARIA256 SEED IDEA DES RC4 RC2 56 64 40
	NULL SHA SHA256 SHA384 MD5 MD4 KUZNYECHIK MAGMA OMAC`)

// A CipherList is the result of parsing an OpenSSL cipher list.
type CipherList struct {
	// Suites are the selected suites of TLS 1.0 to 1.2, never empty. See tls.Config.CipherSuites.
	Suites []uint16
	// TLS13 are the suites of TLS 1.3 in the list. They have no effect: neither crypto/tls nor
	// OpenSSL's cipher lists can configure suites of TLS 1.3.
	TLS13 []string
}

// CipherError reports an invalid cipher list.
type CipherError struct {
	// Word is the invalid word; "": the whole list selects no suite.
	Word string
}

func (e *CipherError) Error() string {
	if e.Word == "" {
		return "no cipher is left"
	}
	return fmt.Sprintf("unknown cipher '%s'", e.Word)
}

// CipherNames returns the words that cipher lists may contain: names of suites and of groups.
func CipherNames() (names, groups []string) {
	all := map[string]bool{"ALL": true, "DEFAULT": true}
	for _, s := range suites {
		names = append(names, s.openSSL)
		for g := range strings.FieldsSeq(s.groups) {
			all[g] = true
		}
	}
	return names, slices.Sorted(maps.Keys(all))
}

// ParseCiphers parses a cipher list in OpenSSL's syntax (ciphers(1)). The list selects by names
// of suites (OpenSSL's or IANA's) and of groups. "A+B" selects the suites that are in both
// groups. A prefix "-" removes suites; "!" removes them permanently. A prefix "+", which sorts,
// has no effect. "@SECLEVEL=n" excludes suites below a security level. Suites that crypto/tls
// does not implement are ignored. The error is a *CipherError.
func ParseCiphers(list string) (CipherList, error) {
	p := cipherParser{on: map[uint16]bool{}, banned: map[uint16]bool{}}
	first := true
	list = strings.ReplaceAll(list, "@", ":@") // as in DEFAULT@SECLEVEL=1
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' || r == ';' || r == '\t' }) {
		if err := p.word(word, first); err != nil {
			return CipherList{}, err
		}
		first = false
	}
	var out CipherList
	for _, s := range suites {
		if p.on[s.id] && s.allowedAt(p.level) {
			out.Suites = append(out.Suites, s.id)
		}
	}
	out.TLS13 = p.tls13
	if len(out.Suites) == 0 {
		return CipherList{}, &CipherError{}
	}
	return out, nil
}

type cipherParser struct {
	on, banned map[uint16]bool
	level      int
	tls13      []string
}

// word applies one word of a list; first: it is the first word.
func (p *cipherParser) word(word string, first bool) error {
	if rule, ok := strings.CutPrefix(word, "@"); ok {
		return p.rule(word, rule)
	}
	name, op := word, byte(0)
	if strings.IndexByte("!-+", word[0]) >= 0 {
		name, op = word[1:], word[0]
	}
	for _, s := range tls.CipherSuites() {
		if strings.EqualFold(s.Name, name) && slices.Contains(s.SupportedVersions, tls.VersionTLS13) {
			p.tls13 = append(p.tls13, s.Name)
			return nil
		}
	}
	if strings.EqualFold(name, "DEFAULT") && !first {
		return nil // OpenSSL accepts it only at the beginning
	}
	match, err := matchCiphers(name)
	if err != nil {
		return err
	}
	for _, s := range suites {
		switch {
		case !match(&s):
		case op == '!':
			p.banned[s.id] = true
			delete(p.on, s.id)
		case op == '-':
			delete(p.on, s.id)
		case op == 0 && !p.banned[s.id]:
			p.on[s.id] = true
		}
	}
	return nil
}

// rule applies a word that begins with "@".
func (p *cipherParser) rule(word, rule string) error {
	if strings.EqualFold(rule, "STRENGTH") {
		return nil // crypto/tls has its own order
	}
	name, value, _ := strings.Cut(rule, "=")
	if !strings.EqualFold(name, "SECLEVEL") || len(value) != 1 || value[0] < '0' || value[0] > '5' {
		return &CipherError{Word: word}
	}
	p.level = int(value[0] - '0')
	return nil
}

// allowedAt reports whether a security level of OpenSSL allows the suite
// (SSL_CTX_set_security_level(3)).
func (s *suite) allowedAt(level int) bool {
	minBits := []int{0, 80, 112, 128, 192, 256}[level]
	switch {
	case s.bits < minBits:
		return false
	case level >= 3 && !s.in("ECDHE"):
		return false // no forward secrecy
	case level >= 4 && s.in("SHA1"):
		return false
	}
	return true
}

// in reports whether the suite is in a group.
func (s *suite) in(group string) bool {
	for g := range strings.FieldsSeq(s.groups) {
		if strings.EqualFold(g, group) {
			return true
		}
	}
	return false
}

// matchCiphers returns a function that reports whether a name, or several names joined with "+",
// selects a suite.
func matchCiphers(name string) (func(*suite) bool, error) {
	var all []func(*suite) bool
	weak := false
	for part := range strings.SplitSeq(name, "+") {
		m, named, err := matchCipher(part)
		if err != nil {
			return nil, err
		}
		weak = weak || named
		all = append(all, m)
	}
	return func(s *suite) bool {
		return (!s.weak || weak) && !slices.ContainsFunc(all, func(m func(*suite) bool) bool { return !m(s) })
	}, nil
}

// matchCipher is matchCiphers for a single name. weak: the name selects weak suites, too.
func matchCipher(name string) (match func(*suite) bool, weak bool, err error) {
	upper := strings.ToUpper(name)
	if alias, ok := groupAliases[upper]; ok {
		upper = alias
	}
	switch upper {
	case "ALL", "DEFAULT", "PROFILE=SYSTEM":
		return func(*suite) bool { return true }, false, nil
	case "SUITEB128", "SUITEB128ONLY", "SUITEB128C2", "SUITEB192":
		return func(s *suite) bool {
			return s.in("ECDSA") && s.in("AESGCM") &&
				(s.bits == 128 || upper != "SUITEB128ONLY") && (s.bits == 256 || upper != "SUITEB192")
		}, false, nil
	case "COMPLEMENTOFDEFAULT":
		return func(*suite) bool { return false }, false, nil
	}
	for _, s := range suites {
		if strings.EqualFold(name, s.openSSL) || strings.EqualFold(name, tls.CipherSuiteName(s.id)) {
			return func(o *suite) bool { return o.id == s.id }, true, nil
		}
	}
	if slices.ContainsFunc(suites, func(s suite) bool { return s.in(upper) }) {
		return func(s *suite) bool { return s.in(upper) }, slices.Contains(weakGroups, upper), nil
	}
	if slices.Contains(emptyGroups, upper) || knownElsewhere(upper) {
		return func(*suite) bool { return false }, false, nil
	}
	return nil, false, &CipherError{Word: name}
}

// knownElsewhere reports whether a name has the form of OpenSSL's or IANA's names of suites.
func knownElsewhere(upper string) bool {
	parts := strings.Split(upper, "-")
	if rest, ok := strings.CutPrefix(upper, "TLS_"); ok {
		if !strings.Contains(rest, "_WITH_") {
			return false
		}
		parts = strings.Split(strings.NewReplacer("_WITH_", "_", "3DES_EDE", "DES", "_8_", "_").Replace(rest), "_")
		parts = slices.DeleteFunc(parts, func(s string) bool {
			return s == "ANON" || s == "CAMELLIA" || s == "ARIA" || s == "EXPORT" || s == "8" || s == "EXPORT1024"
		})
	} else if len(parts) < 2 {
		return false
	}
	return !slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(suiteParts, part) })
}

// oldSuites returns the suites for servers that support only TLS 1.0 or 1.1: all suites,
// including those that crypto/tls does not use by default, except RC4.
func oldSuites() []uint16 {
	var ids []uint16
	for _, s := range suites {
		if !s.in("RC4") {
			ids = append(ids, s.id)
		}
	}
	return ids
}
