package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"isync/internal/event"
)

// Parse parses a configuration. name is the name of the file, for messages and relative paths.
// Parse does not read this file, but reads the files that it includes. On errors, which are an
// ErrorList, there is no Config, but there may be notices. Both are in the order in which the
// lines are read. The result depends only on the arguments.
func Parse(name string, data []byte, env Env) (*Config, []Notice, error) {
	p := newParser(name, env)
	return p.parse(data)
}

func newParser(name string, env Env) *parser {
	return &parser{
		env:     env,
		noticed: make(map[string]int),
		cfg:     &Config{File: name, Dir: filepath.Dir(env.absolute(name))},
	}
}

// parse is Parse.
func (p *parser) parse(data []byte) (*Config, []Notice, error) {
	p.run(data)
	slices.SortStableFunc(p.notices, func(a, b Notice) int { return p.compare(a.Pos, b.Pos) })
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b *Error) int { return p.compare(a.Pos, b.Pos) })
		return nil, p.notices, p.errs
	}
	return p.cfg, p.notices, nil
}

// parser parses a configuration file and the included files.
type parser struct {
	env     Env
	cfg     *Config
	errs    ErrorList
	notices []Notice
	noticed map[string]int // index of the notice, by the deprecated words and the replacement
	fixes   []lineFix

	sources  []*source // all files so far
	src      *source   // the file that is being read
	lines    int       // of all files
	globals  defaults
	sec      *draft // the current section; nil: between sections
	inGlobal bool   // before the first section
	last     *draft // the previous section

	channels    []channelDraft
	accountRefs []accountRef
}

// accountRef is a store whose account is looked up later.
type accountRef struct {
	pos   Pos
	name  string
	store *IMAPStore
}

func (p *parser) errorf(pos Pos, word, format string, args ...any) *Error {
	e := errorAt(pos, word, format, args...)
	p.errs = append(p.errs, e)
	return e
}

func (p *parser) warn(pos Pos, f event.Fact) {
	p.notices = append(p.notices, Notice{Severity: event.Warning, Pos: pos, Fact: f})
}

// deprecated adds a notice of the deprecated words of a line. Lines with the same words and the
// same replacement share a notice.
func (p *parser) deprecated(st *stmt, lines []string) {
	var words []string
	for _, w := range st.old {
		if w = quote(w); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	key := st.pos.File + "\n" + strings.Join(words, " ") + "\n" + strings.Join(lines, "\n")
	if i, ok := p.noticed[key]; ok {
		n := &p.notices[i]
		n.Outdated += len(st.old)
		if f, ok := n.Fact.(event.OutdatedLine); ok {
			f.AlsoAt = append(f.AlsoAt, st.pos.Line)
			n.Fact = f
		}
		return
	}
	p.noticed[key] = len(p.notices)
	p.notices = append(p.notices, Notice{
		Severity: event.Notice, Pos: st.pos, Fact: event.OutdatedLine{Words: words, Replacement: lines}, Outdated: len(st.old),
	})
}

// duplicate warns of a second section with the same name.
func (p *parser) duplicate(d *draft, first Pos) {
	p.warn(d.pos, event.SectionTwice{Section: d.label(), First: first.in(d.pos)})
}

func (p *parser) run(data []byte) {
	p.inGlobal = true
	p.sec = p.newDraft(&sectionKinds()[0], Pos{File: p.cfg.File, Line: 1}, "")
	p.sec.global = Global{FSync: true, FieldDelimiter: ':', BufferLimit: 10 << 20}
	if p.env.Windows {
		p.sec.global.FieldDelimiter = ';'
	}
	p.sec.defaults.expireSide = Near
	p.sec.defaults.maxDelete = DeleteLimit{Value: 50, Percent: true}

	path := filepath.Clean(p.env.absolute(p.cfg.File))
	p.readSource(&source{File: File{Name: p.cfg.File, Path: path}, real: p.env.realPath(path), data: data})
	p.endGlobal()

	p.resolveAccounts()
	p.checkTokenFiles()
	p.resolveChannels()
	p.resolveUses()
	p.resolveGroups()
	p.resolveSyncState()
}

func (p *parser) pos() Pos { return Pos{p.src.Name, p.src.line} }

// readLine parses a line without its line end.
func (p *parser) readLine(line string) {
	body := strings.TrimLeft(line, " \t\v\f\r")
	switch {
	case body == "":
		p.endSection()
		return
	case body[0] == '#':
		return
	}
	toks, lexErr := lexLine(line)
	if lexErr == errNUL {
		p.errorf(p.pos(), "", "%s in the line", lexErr)
		return
	}
	st := &stmt{p: p, pos: p.pos(), line: line, key: toks[0], args: toks[1:]}
	p.interpret(st, lexErr)
}

// interpret determines the kind of a line and applies it.
func (p *parser) interpret(st *stmt, lexErr lexError) {
	kind := sectionNamed(st.key.text)
	if p.sec != nil {
		st.kw = p.sec.kind.keyword(st.key.text)
		// Channel begins a section, but in a Group it is a keyword.
		if st.kw != nil {
			kind = nil
		}
	}
	p.warnCurly(st, kind != nil)
	if lexErr != "" {
		p.lexFailed(st, lexErr)
		if kind == nil {
			return
		}
	}
	switch {
	case strings.EqualFold(st.key.text, includeKeyword):
		st.include()
	case kind != nil:
		p.beginSection(st, kind)
	case p.sec == nil:
		p.stray(st)
	case st.kw == nil:
		p.unknown(st)
	default:
		p.applyKeyword(st)
	}
}

// lexFailed reports a line that could not be split into words.
func (p *parser) lexFailed(st *stmt, lexErr lexError) {
	if p.sec != nil && st.kw != nil {
		p.sec.spoil(st.kw)
	}
	if len(st.args) == 0 || st.secretLike() {
		p.errorf(st.pos, st.shownKey(), "%s after %s", lexErr, quote(st.shownKey()))
		return
	}
	word := st.args[len(st.args)-1].text
	p.errorf(st.pos, word, "%s in %s", lexErr, quote(word))
}

// secretLike reports whether the arguments could contain a password, also if the keyword is
// misspelled or in the wrong section.
func (st *stmt) secretLike() bool {
	word := strings.ToLower(st.key.text)
	if word == "passcmd" || word == strings.ToLower(secretKeyword)+"cmd" {
		return false
	}
	return strings.Contains(word, "pass") || strings.Contains(word, "secret") || nearest(word, []string{passKeyword, secretKeyword}) != ""
}

// shownKey returns the first word of the line as messages may show it. With a misplaced quote,
// the word may contain a password.
func (st *stmt) shownKey() string {
	word := st.key.text
	if st.kw != nil {
		return word
	}
	if shown, glued := cutSecret(word, secretKeyword); glued {
		return shown
	}
	if nearest(word, allNames()) == "" {
		word, _ = cutSecret(word, passKeyword)
	}
	return word
}

// cutSecret removes everything after a keyword whose argument is secret from a word. glued: the
// word contains the keyword.
func cutSecret(word, keyword string) (shown string, glued bool) {
	for i := 0; i+len(keyword) <= len(word); i++ {
		if strings.EqualFold(word[i:i+len(keyword)], keyword) {
			return word[:i+len(keyword)] + "...", true
		}
	}
	return word, false
}

// warnCurly warns of curly quotes and shows the corrected line.
func (p *parser) warnCurly(st *stmt, header bool) {
	toks := append([]token{st.key}, st.args...)
	show := (header || st.kw != nil) && !st.secretLike()
	if slices.ContainsFunc(toks, func(t token) bool { return t.curly }) {
		var quotes event.CurlyQuotes
		if show {
			quotes.Replacement = []string{straightLine(st.line, toks)}
		}
		p.warn(st.pos, quotes)
	}
	for _, t := range toks {
		if !t.stray {
			continue
		}
		var stray event.StrayQuote
		if show {
			stray.Word = quote(t.text)
		}
		p.warn(st.pos, stray)
		return
	}
}

// beginSection begins a section and ends the previous one. A missing empty line between them is
// an error, because other programs that read the file interpret it differently.
func (p *parser) beginSection(st *stmt, kind *sectionKind) {
	st.kw = nil
	if p.sec != nil && !p.inGlobal {
		p.errorf(st.pos, st.key.text, "%s begins in the middle of %s", kind.name, p.sec.label()).
			Hint = "put an empty line before it"
		p.endSection()
	}
	p.endGlobal()
	name := ""
	switch {
	case len(st.args) == 0:
		p.errorf(st.pos, st.key.text, "missing name after %s", quote(st.key.text))
	case st.args[0].text == "":
		p.errorf(st.pos, st.key.text, "empty name after %s", quote(st.key.text))
	default:
		name = st.args[0].text
	}
	if len(st.args) > 1 && kind.args == "" {
		p.excess(st.pos, kind.name, st.args[1].text)
	}
	d := p.newDraft(kind, st.pos, name)
	p.sec = d
	if kind.args != "" && len(st.args) > 1 {
		st.addMembers(d, st.args[1:])
	}
}

func (p *parser) excess(pos Pos, keyword, word string) {
	p.errorf(pos, word, "excess token %s after the argument of %s", quote(word), keyword).
		Hint = "an argument that contains spaces needs double quotes around it"
}

// newDraft returns an empty section of a kind, with its defaults.
func (p *parser) newDraft(kind *sectionKind, pos Pos, name string) *draft {
	d := &draft{kind: kind, pos: pos, name: name, bad: make(map[string]bool), account: newAccount()}
	switch kind.name {
	case "IMAPStore":
		d.store.IMAP = &IMAPStore{UseNamespace: true}
	case "MaildirStore":
		d.store.Maildir = &MaildirStore{LocalPoll: 30 * time.Second}
	}
	return d
}

// endSection finishes the current section. In the global part, empty lines have no meaning.
func (p *parser) endSection() {
	d := p.sec
	if d == nil || p.inGlobal {
		return
	}
	p.sec, p.last = nil, d
	switch d.kind.name {
	case "IMAPAccount":
		p.finishAccount(d)
		if d.name == "" {
			return
		}
		if first := p.cfg.Account(d.name); first != nil {
			p.duplicate(d, first.At)
		}
		p.cfg.Accounts = append(p.cfg.Accounts, &d.account)
	case "IMAPStore", "MaildirStore":
		p.finishStore(d)
	case "Channel":
		p.finishChannel(d)
	case "Group":
		p.finishGroup(d)
	}
}

// endGlobal finishes the global part before the first section.
func (p *parser) endGlobal() {
	if !p.inGlobal {
		return
	}
	d := p.sec
	p.inGlobal, p.sec = false, nil
	p.finishGlobal(d)
}

// spoil marks a keyword as given but invalid.
func (d *draft) spoil(kw *keyword) {
	name := kw.Name
	if kw.rename {
		name = kw.Use
	}
	d.bad[canonicalKeyword(name)] = true
}

// applyKeyword applies a line to the current section.
func (p *parser) applyKeyword(st *stmt) {
	d := p.sec
	if st.kw.rename {
		st.rename(st.key, st.kw.Use)
		st.kw = d.kind.keyword(st.kw.Use)
	}
	if len(st.args) == 0 {
		d.spoil(st.kw)
		p.errorf(st.pos, st.key.text, "missing argument after %s", quote(st.key.text))
		return
	}
	if !st.kw.List && len(st.args) > 1 {
		d.spoil(st.kw)
		if st.secretLike() {
			p.errorf(st.pos, "", "excess token after the argument of %s", st.kw.Name).
				Hint = "a password that contains spaces needs double quotes around it"
		} else {
			p.excess(st.pos, st.kw.Name, st.args[1].text)
		}
		return
	}
	st.kw.apply(st, d)
	if st.failed {
		d.spoil(st.kw)
	} else {
		d.given.set(st.kw.Name, st.pos)
	}
	if !st.later {
		st.finish()
	}
}

// stray reports a line that is outside of sections and does not begin one.
func (p *parser) stray(st *stmt) {
	word := st.shownKey()
	global := sectionKinds()[0].keyword(word) != nil
	var e *Error
	switch {
	case global:
		e = p.errorf(st.pos, word, "global option %s after a section has begun", quote(word))
		e.Hint = "move it to the beginning of the file, or write it into the section"
	case len(sectionsWith(word)) > 0:
		e = p.errorf(st.pos, word, "keyword %s outside of any section", quote(word))
	default:
		p.begin(st, p.suggest(p.errorf(st.pos, word, "unknown keyword %s", quote(word)), allNames()))
		return
	}
	if p.last != nil && p.last.kind.keyword(word) != nil {
		e.Hint = "an empty line has ended " + p.last.label() + " that began in line " + itoa(p.last.pos.Line)
	}
}

// unknown reports a keyword that the current section does not have.
func (p *parser) unknown(st *stmt) {
	word, d := st.shownKey(), p.sec
	if p.inGlobal {
		if sections := sectionsWith(word); len(sections) > 0 {
			p.errorf(st.pos, word, "keyword %s before any section", quote(word)).
				Hint = "move it into a section: " + strings.Join(sections, ", ")
			return
		}
		names := d.kind.names()
		for _, k := range sectionKinds()[1:] {
			names = append(names, k.name)
		}
		p.begin(st, p.suggest(p.errorf(st.pos, word, "unknown keyword %s", quote(word)), append(names, allNames()...)))
		return
	}
	e := p.errorf(st.pos, word, "unknown keyword %s in %s", quote(word), d.label())
	if sections := sectionsWith(word); len(sections) > 0 {
		e.Hint = "move it into a section: " + strings.Join(sections, ", ")
		return
	}
	if sectionKinds()[0].keyword(word) != nil {
		e.Hint = "move it to the beginning of the file: it is a global option"
		return
	}
	if near := p.suggest(e, d.kind.names()); near != "" {
		d.spoil(d.kind.keyword(near))
		return
	}
	p.suggest(e, allNames())
}

// begin begins the section for a misspelled keyword, so that the following lines cause no further
// errors.
func (p *parser) begin(st *stmt, suggestion string) {
	if kind := sectionNamed(suggestion); kind != nil {
		p.beginSection(st, kind)
	}
}

// suggest adds the most similar candidate to an error, and returns it.
func (p *parser) suggest(e *Error, candidates []string) string {
	near := nearest(straighten(e.Word), candidates)
	if near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return near
}

// allNames returns all keywords, first those that begin sections.
func allNames() []string {
	var names []string
	for _, k := range sectionKinds()[1:] {
		names = append(names, k.name)
	}
	for _, k := range sectionKinds() {
		names = append(names, k.names()...)
	}
	return names
}

// resolveAccounts sets the accounts of the stores.
func (p *parser) resolveAccounts() {
	var names []string
	for _, a := range p.cfg.Accounts {
		if !a.Inline {
			names = append(names, a.Name)
		}
	}
	for _, ref := range p.accountRefs {
		if ref.store.Account = p.cfg.Account(ref.name); ref.store.Account != nil {
			continue
		}
		e := p.errorf(ref.pos, ref.name, "unknown IMAPAccount %s", quote(ref.name))
		if near := nearest(ref.name, names); near != "" {
			e.Hint = "did you mean " + near + "?"
		}
	}
}
