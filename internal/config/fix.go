package config

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Fixed is a configuration without deprecated words.
type Fixed struct {
	Config *Config     // equivalent to the original one
	Files  []FixedFile // as in Config.Files
}

// FixedFile is a file of a fixed configuration.
type FixedFile struct {
	File
	Old   []byte // current contents
	New   []byte // contents without deprecated words
	Words int    // number of replaced words
}

// errFix reports a fault of this program.
var errFix = errors.New("internal error: the deprecated words cannot be replaced without changing the meaning of the file; " +
	"nothing was changed; please report this, with the lines that mbsync --check shows")

// Fix replaces the deprecated words of a configuration. The new files have the same meaning, and
// cause no notices of deprecated words. Everything else is unchanged, byte for byte: comments,
// white space, quotes, line ends. A line without effect is removed, except for the comment after
// it. The arguments, notices and errors are those of Parse. A configuration with errors is not
// fixed.
func Fix(name string, data []byte, env Env) (*Fixed, []Notice, error) {
	p := newParser(name, env)
	cfg, notices, err := p.parse(data)
	if err != nil {
		return nil, notices, err
	}
	f := &Fixed{Config: cfg}
	fixed := make(map[string][]byte) // by path
	for _, s := range p.sources {
		file := FixedFile{File: s.File, Old: s.data}
		var fixes []lineFix
		for _, fix := range p.fixes {
			if fix.file == s.Name {
				fixes = append(fixes, fix)
			}
		}
		file.New = applyFixes(s.data, fixes)
		for _, n := range notices {
			if n.Pos.File == s.Name {
				file.Words += n.Outdated
			}
		}
		fixed[s.Path] = file.New
		f.Files = append(f.Files, file)
	}
	after := env
	after.ReadFile = func(path string) ([]byte, error) {
		if data, ok := fixed[path]; ok {
			return data, nil
		}
		return env.readFile(path)
	}
	cfg, left, err := Parse(name, f.Files[0].New, after)
	if err != nil || outdated(left) > 0 || !sameMeaning(f.Config, cfg) {
		return nil, notices, errFix
	}
	return f, notices, nil
}

// outdated counts the deprecated words in notices.
func outdated(notices []Notice) (words int) {
	for _, n := range notices {
		words += n.Outdated
	}
	return words
}

// applyFixes returns the file with the changed lines.
func applyFixes(data []byte, fixes []lineFix) []byte {
	slices.SortFunc(fixes, func(a, b lineFix) int { return cmp.Compare(a.line, b.line) })
	out := make([]byte, 0, len(data)+64)
	if bom := []byte("\ufeff"); bytes.HasPrefix(data, bom) {
		out = append(out, bom...)
		data = data[len(bom):]
	}
	last := "\n" // line end of the previous line
	for n := 1; len(data) > 0; n++ {
		line, end := string(data), ""
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, end = string(data[:i]), "\n"
		}
		data = data[len(line)+len(end):]
		if s, ok := strings.CutSuffix(line, "\r"); ok {
			line, end = s, "\r"+end
		}
		switch {
		case len(fixes) == 0 || fixes[0].line != n:
			out = append(out, line+end...)
		default:
			lines := fixes[0].fixed(line)
			fixes = fixes[1:]
			if lines == nil && !strings.HasSuffix(end, "\n") {
				// The new last line must not get a line end, either.
				out = bytes.TrimSuffix(out, []byte(last))
			}
			between := end
			if !strings.HasSuffix(end, "\n") {
				between = last
			}
			for i, l := range lines {
				if i > 0 {
					out = append(out, between...)
				}
				out = append(out, l...)
			}
			if lines != nil {
				out = append(out, end...)
			}
		}
		last = end
	}
	return out
}

// fixed returns the lines that replace a whole line; nil if it is removed.
func (f lineFix) fixed(line string) []string {
	indent, behind := line[:f.start], line[f.end:]
	lines := f.statements(line)
	if lines == nil {
		if behind = strings.TrimLeftFunc(behind, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }); behind == "" {
			return nil
		}
		return []string{indent + behind} // a comment
	}
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	lines[0] += behind
	return lines
}
