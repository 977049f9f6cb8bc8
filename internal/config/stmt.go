package config

import (
	"slices"
	"strings"
)

// draft is the section being read: the object that grows, and what can be
// decided only at its end.
type draft struct {
	kind  *sectionKind
	pos   Pos
	name  string
	given Given
	// bad holds keywords that were meant but came to nothing, so that their
	// absence is not complained about as well.
	bad map[string]bool

	global  Global
	account Account
	store   Store
	channel Channel
	group   Group

	// Words whose combination or reference is checked later.
	accountRef token
	refs       [2]token // the two ends of a channel, by side
	ops        OpsBuilder
	opsAt      []opsPlace // by the references given to ops
	defaults   defaults   // options of channels, here or globally
	maxSize    int64
	watch      Tristate // of a channel or group
	legacy     legacyTLS
}

// opsPlace is where a word for the OpsBuilder stood.
type opsPlace struct {
	pos  Pos
	word string
}

// has reports whether a keyword was given, or meant to be given.
func (d *draft) has(keyword string) bool {
	return d.given.Pos(keyword).IsSet() || d.bad[canonicalKeyword(keyword)]
}

// label names the section in messages.
func (d *draft) label() string { return d.kind.name + " " + quote(d.name) }

// edit replaces a piece of a line.
type edit struct {
	start, end int
	text       string
}

// stmt is a line in the course of being applied.
type stmt struct {
	p    *parser
	pos  Pos
	line string
	kw   *keyword
	key  token
	args []token // at least one

	failed bool
	// old holds the deprecated words of the line, as they are written. What the line
	// should become: it with the edits, and the lines in extra behind it; if gone,
	// nothing.
	old   []string
	edits []edit
	extra []string
	gone  bool
	told  bool // there is a notice already
	later bool // decided at the end of the section
}

// errorf reports an error about a word of the line and returns it for a hint to
// be added.
func (st *stmt) errorf(word, format string, args ...any) *Error {
	st.failed = true
	return st.p.errorf(st.pos, word, format, args...)
}

// arg returns the first argument.
func (st *stmt) arg() string { return st.args[0].text }

// rename notes that the token is a deprecated spelling of another word.
func (st *stmt) rename(t token, to string) {
	st.edits = append(st.edits, edit{t.start, t.end, respell(st.line[t.start:t.end], t.text, to)})
	st.old = append(st.old, t.text)
}

// replace notes that the line is an outdated way to write another keyword with
// other arguments.
func (st *stmt) replace(keyword, args string) {
	st.old = append(st.old, st.key.text)
	st.edits = append(st.edits,
		edit{st.key.start, st.key.end, keyword},
		edit{st.args[0].start, st.args[len(st.args)-1].end, args})
}

// remove notes that the line is outdated and has no effect.
func (st *stmt) remove() {
	st.old = append(st.old, st.key.text)
	st.gone = true
}

// finish gives notice of deprecated words.
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

// setBool is for keywords that do nothing but set a boolean.
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

// setChoice is for keywords that take one of a few words; it calls set with the
// index of the one given.
func (st *stmt) setChoice(choices []string, set func(i int)) {
	if i := indexFold(choices, st.arg()); i >= 0 {
		set(i)
		return
	}
	st.unknownWord(st.arg(), choices)
}

// unknownWord reports an argument that is none of those known.
func (st *stmt) unknownWord(word string, known []string) {
	e := st.errorf(word, "invalid argument %s for %s", quote(word), st.kw.Name)
	if near := nearest(word, known); near != "" {
		e.Hint = "did you mean " + near + "?"
	} else {
		e.Hint = "possible values: " + strings.Join(known, ", ")
	}
}

// path resolves an argument that is a local path.
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

// setDelimiter takes one punctuation character that can be part of a file name.
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
