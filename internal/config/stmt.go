package config

import (
	"slices"
	"strings"
)

// draft is the section being read: the unfinished object, and values that are evaluated at the
// end of the section.
type draft struct {
	kind  *sectionKind
	pos   Pos
	name  string
	given Given
	// bad holds keywords with invalid arguments. They are not reported as missing, too.
	bad map[string]bool

	global  Global
	account Account
	store   Store
	channel Channel
	group   Group

	// These words are checked later, together with others or as references.
	accountRef token
	refs       [2]token // the two ends of a channel, by side
	ops        OpsBuilder
	opsAt      []opsPlace // places of the references in ops
	defaults   defaults   // options of a channel or of the global part
	maxSize    int64
	watch      Tristate // of a channel or group
	legacy     legacyTLS
}

// opsPlace is the place of a word for the OpsBuilder.
type opsPlace struct {
	pos  Pos
	word string
}

// has reports whether a keyword was given, even with an invalid argument.
func (d *draft) has(keyword string) bool {
	return d.given.Pos(keyword).IsSet() || d.bad[canonicalKeyword(keyword)]
}

// label returns the name of the section in messages.
func (d *draft) label() string { return d.kind.name + " " + quote(d.name) }

// edit is the replacement of a part of a line.
type edit struct {
	start, end int
	text       string
}

// stmt is a line that is being applied.
type stmt struct {
	p    *parser
	pos  Pos
	line string
	kw   *keyword
	key  token
	args []token // at least one

	failed bool
	// old holds the deprecated words of the line as written. The replacement is the line with the
	// edits, followed by the lines in extra; gone: there is no replacement.
	old   []string
	edits []edit
	extra []string
	gone  bool
	told  bool // a notice exists already
	later bool // evaluated at the end of the section
}

// errorf reports an error about a word of the line. It returns the error so that the caller can
// add a hint.
func (st *stmt) errorf(word, format string, args ...any) *Error {
	st.failed = true
	return st.p.errorf(st.pos, word, format, args...)
}

// arg returns the first argument.
func (st *stmt) arg() string { return st.args[0].text }

// rename records that the token is a deprecated spelling of another word.
func (st *stmt) rename(t token, to string) {
	st.edits = append(st.edits, edit{t.start, t.end, respell(st.line[t.start:t.end], t.text, to)})
	st.old = append(st.old, t.text)
}

// replace records that the line is a deprecated form of another keyword with other arguments.
func (st *stmt) replace(keyword, args string) {
	st.old = append(st.old, st.key.text)
	st.edits = append(st.edits,
		edit{st.key.start, st.key.end, keyword},
		edit{st.args[0].start, st.args[len(st.args)-1].end, args})
}

// remove records that the line is deprecated and has no effect.
func (st *stmt) remove() {
	st.old = append(st.old, st.key.text)
	st.gone = true
}

// finish adds the notice of the deprecated words.
func (st *stmt) finish() {
	if st.failed || len(st.old) == 0 {
		return
	}
	f := lineFix{
		file: st.pos.File, line: st.pos.Line, start: st.key.start, end: st.args[len(st.args)-1].end,
		edits: st.edits, extra: st.extra, gone: st.gone,
	}
	st.p.fixes = append(st.p.fixes, f)
	if !st.told {
		st.p.deprecated(st, f.statements(st.line))
	}
}

func (st *stmt) bool() (v, ok bool) {
	v, ok = parseBool(st.arg())
	if !ok {
		st.errorf(st.arg(), "invalid boolean %s for %s", quote(st.arg()), st.kw.Name).Hint = "write yes or no"
	}
	return v, ok
}

// setBool sets a boolean.
func (st *stmt) setBool(dst *bool) {
	if v, ok := st.bool(); ok {
		*dst = v
	}
}

func (st *stmt) setSize(dst *int64) {
	n, ok := parseSize(st.arg())
	if !ok {
		st.errorf(st.arg(), "invalid size %s for %s", quote(st.arg()), st.kw.Name).Hint = "write a number of bytes, KiB (k) or MiB (m), like 500k"
		return
	}
	*dst = n
}

func (st *stmt) setInt(dst *int, lo, hi int) {
	n, ok := parseInt(st.arg(), lo, hi)
	if !ok {
		e := st.errorf(st.arg(), "invalid number %s for %s", quote(st.arg()), st.kw.Name)
		switch {
		case hi < maxInt:
			e.Hint = "write an integer from " + itoa(lo) + " to " + itoa(hi)
		case lo > 0:
			e.Hint = "write an integer, at least " + itoa(lo)
		default:
			e.Hint = "write an integer that is not negative"
		}
		return
	}
	*dst = n
}

// setChoice parses an argument that must be one of choices. It calls set with the index.
func (st *stmt) setChoice(choices []string, set func(i int)) {
	if i := indexFold(choices, st.arg()); i >= 0 {
		set(i)
		return
	}
	st.unknownWord(st.arg(), choices)
}

// unknownWord reports an argument that is not one of the known words.
func (st *stmt) unknownWord(word string, known []string) {
	e := st.errorf(word, "invalid argument %s for %s", quote(word), st.kw.Name)
	if near := nearest(word, known); near != "" {
		e.Hint = "did you mean " + near + "?"
	} else {
		e.Hint = "possible values: " + strings.Join(known, ", ")
	}
}

// path returns an argument that is a local path, resolved.
func (st *stmt) path(t token) (string, bool) {
	path, err := st.p.env.resolve(st.p.cfg.Dir, t.text)
	if err != nil {
		st.errorf(t.text, "%s %s: %w", st.kw.Name, quote(t.text), err)
		return "", false
	}
	return path, true
}

func (st *stmt) setPath(dst *string) {
	if path, ok := st.path(st.args[0]); ok {
		*dst = path
	}
}

// setDelimiter sets a punctuation character that is valid in file names.
func (st *stmt) setDelimiter(dst *byte) {
	if !isPunct(st.arg()) || st.arg() == "/" {
		st.errorf(st.arg(), "invalid delimiter %s for %s", quote(st.arg()), st.kw.Name).
			Hint = "write one punctuation character other than /"
		return
	}
	*dst = st.arg()[0]
}

func indexFold(list []string, word string) int {
	return slices.IndexFunc(list, func(s string) bool { return strings.EqualFold(s, word) })
}
