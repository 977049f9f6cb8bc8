package config

import "strings"

// legacyTLS holds what the keywords of former versions said about TLS. They
// describe together what TLSType says alone, so that they can be understood
// only at the end of a section.
type legacyTLS struct {
	useIMAPS, requireSSL legacyBool
	imapsHost            Pos // Host imaps:...
	// The first keyword of former versions that changed TLSVersions.
	versions    string
	versionsAt  Pos
	requireCRAM Pos // RequireCRAM yes
}

// legacyBool is a boolean together with its line.
type legacyBool struct {
	v  Tristate
	st *stmt
}

func (b legacyBool) yes() bool { return b.v == Yes }

func (st *stmt) setLegacyType(dst *legacyBool) {
	v, ok := st.bool()
	if !ok {
		return
	}
	*dst = legacyBool{No, st}
	if v {
		dst.v = Yes
	}
}

// finishLegacy works the old keywords into the account, unless the present ones
// are there as well.
func (p *parser) finishLegacy(d *draft) {
	p.finishLegacyType(d)
	l := &d.legacy
	if l.versions != "" {
		if d.given.Pos("TLSVersions").IsSet() {
			p.errorf(l.versionsAt, l.versions, "%s has both %s and TLSVersions", d.label(), l.versions).
				Hint = "delete the " + l.versions + " line"
		}
		d.given.set("TLSVersions", l.versionsAt)
	}
	if l.requireCRAM.IsSet() {
		if d.given.Pos("AuthMechs").IsSet() {
			p.errorf(l.requireCRAM, "RequireCRAM", "%s has both RequireCRAM and AuthMechs", d.label()).
				Hint = "delete the RequireCRAM line"
		}
		d.given.set("AuthMechs", l.requireCRAM)
		d.account.AuthMechs = []string{"CRAM-MD5"}
	}
}

// finishLegacyType decides about TLSType and gives notice of the old keywords.
func (p *parser) finishLegacyType(d *draft) {
	l, a := &d.legacy, &d.account
	typ, at := TLSNone, Pos{}
	switch {
	case l.useIMAPS.yes():
		typ, at = TLSIMAPS, l.useIMAPS.st.pos
	case l.imapsHost.IsSet():
		typ, at = TLSIMAPS, l.imapsHost
	case l.requireSSL.yes():
		typ, at = TLSStartTLS, l.requireSSL.st.pos
	}
	for _, b := range []legacyBool{l.useIMAPS, l.requireSSL} {
		if b.v == Unset {
			continue
		}
		if d.given.Pos("TLSType").IsSet() {
			b.st.errorf(b.st.kw.Name, "%s has both %s and TLSType", d.label(), b.st.kw.Name).
				Hint = "delete the " + b.st.kw.Name + " line"
			continue
		}
		var lines []string
		if b.yes() && b.st.pos == at {
			lines = []string{"TLSType " + typ.String()}
		}
		b.st.rewrite(b.st.kw.Name, lines...)
		b.st.finish()
	}
	if !at.IsSet() {
		return
	}
	if given := d.given.Pos("TLSType"); !given.IsSet() {
		a.TLS = typ
		d.given.set("TLSType", at)
	} else if at == l.imapsHost && a.TLS != TLSIMAPS {
		p.errorf(at, "imaps:", `%s: "imaps:" before the host name contradicts TLSType %s`, d.label(), a.TLS)
	}
}

// legacyVersions prepares a change of TLSVersions by a keyword of former
// versions, which cannot be mixed with the present one.
func (st *stmt) legacyVersions(d *draft) bool {
	if d.legacy.versions == "" {
		d.legacy.versions, d.legacy.versionsAt = st.kw.Name, st.pos
	}
	return !st.failed
}

// tlsVersionsLine returns the line that makes the default set into v, nothing
// if it is the default.
func tlsVersionsLine(v TLSVersions) []string {
	args := v.changesFrom(DefaultTLSVersions)
	if len(args) == 0 {
		return nil
	}
	return []string{"TLSVersions " + strings.Join(args, " ")}
}

func (st *stmt) applySSLVersions(d *draft) {
	var v TLSVersions
	for _, t := range st.args {
		word := strings.ToLower(t.text)
		switch {
		case word == "sslv2" || word == "sslv3":
			st.p.warn(st.pos, quote(t.text)+" is ignored: it is broken and no longer supported")
		case word == "tlsv1":
			v |= TLS10
		case strings.HasPrefix(word, "tlsv") && tlsVersion(word[4:]) != 0:
			v |= tlsVersion(word[4:])
		default:
			st.unknownWord(t.text, []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})
		}
	}
	if !st.legacyVersions(d) {
		return
	}
	if v == 0 {
		v = DefaultTLSVersions
	}
	d.account.TLSVersions = v
	st.rewrite("SSLVersions", tlsVersionsLine(v)...)
}

func (st *stmt) applyUseTLS(d *draft, v TLSVersions) {
	use, ok := st.bool()
	if !ok || !st.legacyVersions(d) {
		return
	}
	set := DefaultTLSVersions &^ v
	d.account.TLSVersions &^= v
	if use {
		set |= v
		d.account.TLSVersions |= v
	}
	st.rewrite(st.kw.Name, tlsVersionsLine(set)...)
}

func (st *stmt) applyUseSSL(*draft) {
	if _, ok := st.bool(); ok {
		st.p.warn(st.pos, st.kw.Name+" is ignored: SSL 2 and 3 are broken and no longer supported; delete the line")
	}
}

func (st *stmt) applyRequireCRAM(d *draft) {
	v, ok := st.bool()
	if !ok {
		return
	}
	if !v {
		st.rewrite(st.kw.Name)
		return
	}
	d.legacy.requireCRAM = st.pos
	st.rewrite(st.kw.Name, "AuthMechs CRAM-MD5")
}
