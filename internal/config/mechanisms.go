package config

import (
	"slices"
	"strings"

	"isync/internal/event"
)

// knownMechanisms are the supported values of AuthMechs. A test compares them with the table of
// package auth.
var knownMechanisms = []string{
	"EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
	"OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN",
}

// foreignMechanisms are valid names of mechanisms that this program does not support. Other
// programs may use them in the same file.
var foreignMechanisms = []string{
	"9798-M-DSA-SHA1", "9798-M-ECDSA-SHA1", "9798-M-RSA-SHA1-ENC", "9798-U-DSA-SHA1", "9798-U-ECDSA-SHA1", "9798-U-RSA-SHA1-ENC",
	"ANONYMOUS", "DIGEST-MD5", "EAP-AES128", "EAP-AES128-PLUS", "ECDH-X25519-CHALLENGE", "ECDSA-NIST256P-CHALLENGE",
	"GS2-KRB5", "GS2-KRB5-PLUS", "GSS-SPNEGO", "GSSAPI", "KERBEROS_V4", "KERBEROS_V5", "NTLM", "OPENID20", "OTP", "PASSDSS-3DES-1",
	"SAML20", "SCRAM-SHA-224", "SCRAM-SHA-224-PLUS", "SCRAM-SHA-384", "SCRAM-SHA-384-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS",
	"SCRAM-SHA3-512", "SCRAM-SHA3-512-PLUS", "SECURID", "SKEY", "SPNEGO", "SRP", "SXOVER-PLUS",
}

// KnownMechanisms returns the supported values of AuthMechs.
func KnownMechanisms() []string { return slices.Clone(knownMechanisms) }

func (st *stmt) applyAuthMechs(d *draft) {
	for _, t := range st.args {
		mech := strings.ToUpper(t.text)
		if mech != "*" && !isAtom(mech) {
			st.errorf(t.text, "invalid authentication mechanism %s%s", quote(t.text), meantMechanism(mech)).Hint = mechanismsHint
			continue
		}
		if slices.Contains(d.account.AuthMechs, mech) {
			continue
		}
		d.account.AuthMechs = append(d.account.AuthMechs, mech)
		if f, unknown := UnknownMechanism(t.text); unknown {
			st.p.warn(st.pos, f)
		}
	}
}

// UnknownMechanism reports whether a word of AuthMechs is not a valid name, and guesses which
// mechanism was meant.
func UnknownMechanism(word string) (f event.MechanismUnknown, unknown bool) {
	mech := strings.ToUpper(word)
	if mech == "*" || isMechanism(mech) {
		return f, false
	}
	return event.MechanismUnknown{Word: quote(word), Meant: meantMechanisms(mech), Known: KnownMechanisms()}, true
}

// isMechanism reports whether a name in upper case is valid.
func isMechanism(name string) bool {
	return slices.Contains(knownMechanisms, name) || slices.Contains(foreignMechanisms, name)
}

// mechanismsHint lists the known names.
var mechanismsHint = "possible values: " + strings.Join(knownMechanisms, ", ") + ", and * for all that are secure enough"

// meantMechanism returns a question for an error message: whether a known mechanism was meant;
// "": there is no guess.
func meantMechanism(word string) string {
	meant := meantMechanisms(word)
	text := ""
	if len(meant) > 0 {
		text = ", did you mean " + strings.Join(meant, " ") + "?"
	}
	if len(meant) > 1 {
		text += " (spaces separate the names)"
	}
	return text
}

// meantMechanisms guesses the meaning of an unknown name: several known names that were joined,
// or one that was misspelled; nil: there is no guess.
func meantMechanisms(word string) []string {
	word = strings.TrimPrefix(word, "AUTH=") // as in the capabilities of servers
	parts := strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(" ,;:|/+&", r) })
	if len(parts) > 1 || len(parts) == 1 && parts[0] != word {
		for i, p := range parts {
			if near := nearestMechanism(p); near != "" {
				parts[i] = near
			}
			if !isMechanism(parts[i]) {
				return nil
			}
		}
		return parts
	}
	if near := nearestMechanism(word); near != "" {
		return []string{near}
	}
	return nil
}

// nearestMechanism returns the known mechanism that is most similar to a name in upper case; "":
// none. It ignores punctuation, and accepts the beginning of a name.
func nearestMechanism(word string) string {
	if isMechanism(word) {
		return word
	}
	bare := letters(word)
	var started []string
	for _, m := range knownMechanisms {
		switch k := letters(m); {
		case k == bare:
			return m
		case len(bare) > 3 && strings.HasPrefix(k, bare) && !strings.HasSuffix(m, "-PLUS"):
			started = append(started, m)
		}
	}
	if len(started) > 0 {
		return started[0] // the most secure one
	}
	return nearest(word, knownMechanisms)
}

// letters returns the letters and digits of a name.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, name)
}
