package config

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"isync/internal/event"
)

// includeKeyword is allowed only at the top level: between sections, or before all of them.
const includeKeyword = "Include"

// File is a file of a configuration.
type File struct {
	// Name is the name for messages: the given name of the configuration file. The name of an
	// included file begins with the directory of the including file. Path is the resolved path.
	Name, Path string
	// At is the Include line; it is unset for the configuration file.
	At Pos
}

// source is a file that has been read or is being read.
type source struct {
	File
	real string  // path without symbolic links, to recognize the file
	from *source // the including file
	data []byte
	line int
	// order holds the number of each line in the order of reading, beginning with line 1.
	order []int
}

// FileOf returns the file of a place.
func (c *Config) FileOf(pos Pos) File {
	for _, f := range c.Files {
		if f.Name == pos.File {
			return f
		}
	}
	return c.Files[0]
}

// readSource reads the lines of a file. The end of the file ends its last section.
func (p *parser) readSource(s *source) {
	outer := p.src
	p.src, p.last = s, nil
	p.sources = append(p.sources, s)
	p.cfg.Files = append(p.cfg.Files, s.File)
	data := bytes.TrimPrefix(s.data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		p.warnNotUTF8(data)
	}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		s.line++
		p.lines++
		s.order = append(s.order, p.lines)
		p.readLine(strings.TrimSuffix(string(line), "\r"))
	}
	p.endSection()
	p.src, p.last = outer, nil
}

// compare compares two places by the order of reading.
func (p *parser) compare(a, b Pos) int { return p.orderOf(a) - p.orderOf(b) }

// orderOf returns the order of a place. The zero place comes first.
func (p *parser) orderOf(pos Pos) int {
	for _, s := range p.sources {
		if s.Name == pos.File && pos.Line > 0 && pos.Line <= len(s.order) {
			return s.order[pos.Line-1]
		}
	}
	return 0
}

// in returns how a message about p refers to another place.
func (p Pos) in(other Pos) string {
	if p.File == other.File {
		return "line " + itoa(p.Line)
	}
	return p.String()
}

// include reads the files of an Include line.
func (st *stmt) include() {
	p := st.p
	if p.sec != nil && !p.inGlobal {
		st.errorf(st.key.text, "%s within %s", includeKeyword, p.sec.label()).Hint = "put an empty line before it, to end the section"
		return
	}
	if len(st.args) == 0 {
		st.errorf(st.key.text, "missing argument after %s", quote(st.key.text))
		return
	}
	for _, t := range st.args {
		st.includeWord(t.text)
	}
}

// includeWord reads the files that match a word of an Include line.
func (st *stmt) includeWord(word string) {
	p := st.p
	dir, rest, err := p.includeDir(word)
	if err != nil {
		st.errorf(word, "%s %s: %w", includeKeyword, quote(word), err)
		return
	}
	if word == "" || rest == "" {
		st.errorf(word, "%s %s names no file", includeKeyword, quote(word))
		return
	}
	path := rest
	if dir != "" {
		path = filepath.Join(dir, rest)
	}
	if !strings.ContainsAny(rest, "*?[") || p.env.exists(path) {
		if s := st.source(path, word, false); s != nil {
			p.readSource(s)
		}
		return
	}
	pattern := rest
	if dir != "" {
		pattern = escapeGlob(dir, p.env.Windows) + string(filepath.Separator) + rest
	}
	paths, err := p.env.glob(pattern)
	if err != nil {
		st.errorf(word, "%s %s: %w", includeKeyword, quote(word), err)
		return
	}
	slices.Sort(paths)
	for _, path := range paths {
		if isHidden(path, rest) {
			continue
		}
		// source is called only now because the files before may include this one.
		if s := st.source(filepath.Clean(path), word, true); s != nil {
			p.readSource(s)
		}
	}
}

// includeDir returns the directory that a word is relative to ("": the word is an absolute path)
// and the word without a leading "~".
func (p *parser) includeDir(word string) (dir, rest string, err error) {
	if tail, ok := strings.CutPrefix(word, "~"); ok {
		user, rest := tail, ""
		if i := strings.IndexFunc(tail, isSeparator); i >= 0 {
			user, rest = tail[:i], strings.TrimLeftFunc(tail[i:], isSeparator)
		}
		dir, err = p.env.home(user)
		return dir, rest, err
	}
	if filepath.IsAbs(word) {
		return "", word, nil
	}
	return filepath.Dir(p.src.Path), word, nil
}

// source reads an included file. It returns nil if there is an error, or if the file was found by
// a pattern and has been read before.
func (st *stmt) source(path, word string, found bool) *source {
	p := st.p
	s := &source{File: File{Name: path, Path: path, At: st.pos}, real: p.env.realPath(path), from: p.src}
	// Names of files beside a configuration file with a relative name are relative, too.
	if rel, err := filepath.Rel(filepath.Dir(p.src.Path), path); err == nil && !filepath.IsAbs(p.src.Name) && filepath.IsLocal(rel) {
		s.Name = filepath.Join(filepath.Dir(p.src.Name), rel)
	}
	for from := p.src; from != nil; from = from.from {
		if from.real == s.real {
			st.errorf(word, "%s %s: the files include each other: %s", includeKeyword, quote(word), p.chain(from, st.pos, s.Name))
			return nil
		}
	}
	for _, other := range p.sources {
		if other.real != s.real {
			continue
		}
		if !found {
			st.errorf(word, "%s %s: the file is included already by %s", includeKeyword, quote(word), other.At.in(st.pos)).
				Hint = "delete one of the two"
		}
		return nil
	}
	data, err := p.env.readFile(path)
	if err != nil {
		if found && p.env.isDir(path) {
			return nil
		}
		st.errorf(word, "%s %s: %w", includeKeyword, quote(word), err)
		return nil
	}
	s.data = data
	return s
}

// chain returns the Include lines that form a loop, from the one in the first file to the one at
// the place.
func (p *parser) chain(first *source, at Pos, name string) string {
	links := []string{at.String()}
	for s := p.src; s != first; s = s.from {
		links = append(links, s.At.String())
	}
	slices.Reverse(links)
	return strings.Join(append(links, name), " includes ")
}

// isHidden reports whether a pattern must ignore a file: a part of its path begins with a dot, or
// it is a backup of an editor or of --fix-config. Such files match only if the pattern contains
// these characters literally.
func isHidden(path, pattern string) bool {
	parts := func(s string) []string { return strings.FieldsFunc(s, isSeparator) }
	names, patterns := parts(path), parts(pattern)
	names = names[max(0, len(names)-len(patterns)):]
	for i, name := range names {
		if strings.HasPrefix(name, ".") && !strings.HasPrefix(patterns[i], ".") {
			return true
		}
	}
	name := names[len(names)-1]
	if strings.HasSuffix(name, "~") {
		return !strings.HasSuffix(pattern, "~")
	}
	i := strings.LastIndex(name, ".bak")
	return i >= 0 && strings.Trim(name[i+len(".bak"):], ".0123456789") == "" && !strings.Contains(pattern, ".bak")
}

// escapeGlob makes a pattern that matches only this path. Windows has no escape character.
func escapeGlob(path string, windows bool) string {
	if windows {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte(`*?[\`, path[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// warnNotUTF8 warns of the first line that is not UTF-8, because names of mailboxes are UTF-8.
func (p *parser) warnNotUTF8(data []byte) {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			p.warn(Pos{p.src.Name, i + 1}, event.FileNotUTF8{})
			return
		}
	}
}
