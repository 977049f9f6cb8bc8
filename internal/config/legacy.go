package config

import (
	"slices"
	"strings"

	"isync/internal/event"
)

// legacyTLS holds the TLS keywords of former versions. Together they correspond to TLSType, so
// they are evaluated at the end of a section.
type legacyTLS struct {
	// The last line of each keyword applies. nil: there is none.
	useIMAPS, requireSSL, requireCRAM *legacyBool
	imapsHost                         *stmt // Host imaps:...
	// waiting holds all lines with these keywords.
	waiting []*stmt
	// The first keyword of former versions that changed TLSVersions.
	versions   string
	versionsAt Pos
	// refused are the versions that are disabled by a line.
	refused TLSVersions
}

// legacyBool is a boolean and its line.
type legacyBool struct {
	yes bool
	st  *stmt
}

// says reports whether the line exists and has the value yes.
func (b *legacyBool) says() bool { return b != nil && b.yes }

// wait defers a line to the end of the section.
func (l *legacyTLS) wait(st *stmt) {
	st.later = true
	l.waiting = append(l.waiting, st)
}

// setLegacy stores the value of a keyword that is evaluated at the end of the section.
func (st *stmt) setLegacy(d *draft, dst **legacyBool) {
	v, ok := st.bool()
	if !ok {
		return
	}
	*dst = &legacyBool{v, st}
	d.legacy.wait(st)
}

// finishLegacy applies the old keywords to the account. They conflict with the current ones.
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
	if l.requireCRAM.says() {
		st := l.requireCRAM.st
		if d.given.Pos("AuthMechs").IsSet() {
			p.errorf(st.pos, "RequireCRAM", "%s has both RequireCRAM and AuthMechs", d.label()).
				Hint = "delete the RequireCRAM line"
		}
		st.replace("AuthMechs", "CRAM-MD5")
		d.given.set("AuthMechs", st.pos)
		d.account.AuthMechs = []string{"CRAM-MD5"}
	}
	for _, st := range l.waiting {
		if len(st.old) == 0 { // another line of this keyword applies
			st.remove()
		}
		st.finish()
	}
}

// finishLegacyType sets TLSType, and the lines that replace the old keywords.
func (p *parser) finishLegacyType(d *draft) {
	l, a := &d.legacy, &d.account
	given := d.given.Pos("TLSType").IsSet()
	for _, b := range []*legacyBool{l.useIMAPS, l.requireSSL} {
		if b != nil && given {
			b.st.errorf(b.st.kw.Name, "%s has both %s and TLSType", d.label(), b.st.kw.Name).
				Hint = "delete the " + b.st.kw.Name + " line"
		}
	}
	var at Pos
	switch host := l.imapsHost; {
	case given && host != nil && a.TLS != TLSIMAPS:
		p.errorf(host.pos, "imaps:", `%s: "imaps:" before the host name contradicts TLSType %s`, d.label(), a.TLS)
		return
	case given:
		return
	case l.useIMAPS.says():
		a.TLS, at = TLSIMAPS, l.useIMAPS.st.pos
		l.useIMAPS.st.replace("TLSType", TLSIMAPS.String())
	case host != nil:
		a.TLS, at = TLSIMAPS, host.pos
		host.extra = []string{"TLSType " + TLSIMAPS.String()}
	case l.requireSSL.says():
		a.TLS, at = TLSStartTLS, l.requireSSL.st.pos
		l.requireSSL.st.replace("TLSType", TLSStartTLS.String())
	default:
		return
	}
	d.given.set("TLSType", at)
}

// legacyVersions changes TLSVersions by a keyword of former versions, which cannot be combined
// with TLSVersions. The lines are applied in their order, like the TLSVersions lines that replace
// them.
func (st *stmt) legacyVersions(d *draft, v TLSVersions) {
	if d.legacy.versions == "" {
		d.legacy.versions, d.legacy.versionsAt = st.kw.Name, st.pos
	}
	if args := v.changesFrom(d.account.TLSVersions); len(args) > 0 {
		st.replace("TLSVersions", strings.Join(args, " "))
	} else {
		st.remove()
	}
	d.account.TLSVersions = v
}

// applySSLVersions allows the oldest version of the list and all newer ones. Most lists are older
// than TLS 1.3, and do not intend to disable it.
func (st *stmt) applySSLVersions(d *draft) {
	var v TLSVersions
	for _, t := range st.args {
		word := strings.ToLower(t.text)
		switch {
		case word == "sslv2" || word == "sslv3":
			st.p.warn(st.pos, event.OldProtocol{Word: quote(t.text)})
		case word == "tlsv1":
			v |= TLS10
		case strings.HasPrefix(word, "tlsv") && tlsVersion(word[4:]) != 0:
			v |= tlsVersion(word[4:])
		default:
			st.unknownWord(t.text, []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})
		}
	}
	if st.failed {
		return
	}
	if v == 0 {
		v = DefaultTLSVersions
	}
	st.legacyVersions(d, v.andNewer())
}

// applyUseTLS allows or disables one version. If an old version is allowed, the newer ones are
// allowed, too, unless they are disabled by a line.
func (st *stmt) applyUseTLS(d *draft, v TLSVersions) {
	use, ok := st.bool()
	switch {
	case !ok:
	case use:
		d.legacy.refused &^= v
		st.legacyVersions(d, d.account.TLSVersions|v.andNewer()&^d.legacy.refused)
	default:
		d.legacy.refused |= v
		st.legacyVersions(d, d.account.TLSVersions&^v)
	}
}

func (st *stmt) applyUseSSL(*draft) {
	yes, ok := st.bool()
	if !ok {
		return
	}
	st.remove()
	if yes {
		st.told = true
		st.p.notices = append(st.p.notices, Notice{
			Severity: event.Warning, Pos: st.pos, Outdated: 1, Fact: event.OldProtocolKeyword{Keyword: st.kw.Name},
		})
	}
}

// lineFix is the change of a line with deprecated words.
type lineFix struct {
	file       string
	line       int
	start, end int // the statement, without a comment after it
	edits      []edit
	extra      []string // lines to add after it
	gone       bool     // the statement has no effect
}

// statement returns the changed statement without the rest of the line.
func (f lineFix) statement(line string) string {
	slices.SortFunc(f.edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	at := f.start
	for _, e := range f.edits {
		b.WriteString(line[at:e.start] + e.text)
		at = e.end
	}
	b.WriteString(line[at:f.end])
	return b.String()
}

// statements returns the lines that replace the statement.
func (f lineFix) statements(line string) []string {
	if f.gone {
		return nil
	}
	return append([]string{f.statement(line)}, f.extra...)
}
