package check

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"isync/internal/event"
)

// The marks that lines about tests begin with. They are read without colors and
// without UTF-8, and are easy to search for.
const (
	markOK   = "ok"
	markNote = "note"
	markFail = "FAIL"
)

const (
	indent     = 2
	labelWidth = 11 // of the column of labels, behind the indentation
	markWidth  = 6
)

// report lays out lines: headings, labeled texts, and the outcome of tests. It
// also collects what was found, for the summary.
type report struct {
	line    func(string)
	columns int
	home    string
	begun   bool
	// subject is the section that is being reported about.
	subject subject
	// lenient: no run uses the subject, so its problems are only notes.
	lenient  bool
	findings []finding
	problems int
	notes    int
	// code is that of the next finding; "": it has none.
	code event.Code
	// found, if not nil, takes the findings.
	found func(event.Finding)
}

// subject is what a finding is about: a section of the file; zero: the file.
type subject struct{ what, name string }

// finding is a note or a problem.
type finding struct {
	mark string
	// what, and names, are the subjects that it is about.
	what       string
	names      []string
	text, hint string
}

// head begins a part of the report. place is where it is in the configuration.
func (r *report) head(title, place string) {
	if r.begun {
		r.blank()
	}
	r.begun = true
	if n := r.columns - utf8.RuneCountInString(title) - len(place); place != "" && n > 1 {
		title += strings.Repeat(" ", n) + place
	} else if place != "" {
		title += " (" + place + ")"
	}
	r.line(title)
}

func (r *report) blank() { r.line("") }

// field tells something that has a name; an empty name belongs to the field
// before.
func (r *report) field(label, text string) {
	first := strings.Repeat(" ", indent) + label
	if n := indent + labelWidth - len(first); n > 0 {
		first += strings.Repeat(" ", n)
	} else {
		first += "  "
	}
	r.wrap(first, indent+labelWidth, text)
}

// row is a field in which each line has a name of its own.
func (r *report) row(label, name, text string) {
	const width = 15
	first := strings.Repeat(" ", indent) + label
	first += strings.Repeat(" ", indent+labelWidth-len(first)) + name
	first += strings.Repeat(" ", max(2, indent+labelWidth+width-len(first)))
	r.wrap(first, indent+labelWidth+width, text)
}

// text tells something without a name.
func (r *report) text(first, text string) { r.wrap(first, len(first), text) }

// ok tells that a test went well.
func (r *report) ok(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.pass(markOK, text, "")
	r.mark(markOK, text, "")
}

// coded gives the next finding a code.
func (r *report) coded(code event.Code) *report {
	r.code = code
	return r
}

// pass passes a finding on.
func (r *report) pass(mark, text, hint string) {
	code := r.code
	r.code = ""
	if r.found != nil {
		level := map[string]event.FindingLevel{markOK: event.FindingOK, markNote: event.FindingNote, markFail: event.FindingProblem}[mark]
		r.found(event.Finding{Section: r.subject.what, Name: r.subject.name, Level: level, Code: code, Text: text, Hint: hint})
	}
}

// note points out what is legal but may not be what was meant.
func (r *report) note(hint, format string, args ...any) {
	r.notes++
	r.add(markNote, fmt.Sprintf(format, args...), hint)
}

// fail reports what makes a run fail.
func (r *report) fail(hint, format string, args ...any) {
	if r.lenient {
		r.note(hint, format, args...)
		return
	}
	r.problems++
	r.add(markFail, fmt.Sprintf(format, args...), hint)
}

// add reports and keeps a finding.
func (r *report) add(mark, text, hint string) {
	hint = r.tildesInHint(hint)
	r.pass(mark, text, hint)
	f := finding{mark: mark, what: r.subject.what, text: text, hint: hint}
	if r.subject.name != "" {
		f.names = []string{r.subject.name}
	}
	r.findings = append(r.findings, f)
	r.mark(mark, text, hint)
}

func (r *report) mark(mark, text, hint string) {
	first := strings.Repeat(" ", indent) + mark + strings.Repeat(" ", markWidth-len(mark))
	r.wrap(first, len(first), text)
	if hint == "" {
		return
	}
	first = strings.Repeat(" ", indent+markWidth) + "hint: "
	if !strings.Contains(hint, "\n") {
		r.wrap(first, len(first), hint)
		return
	}
	for line := range strings.SplitSeq(hint, "\n") { // with commands, which stay whole
		r.line(first + line)
	}
}

// wrap writes a text that follows first, in lines that begin at the column hang.
// Words longer than a line stay whole, so that they can be copied.
func (r *report) wrap(first string, hang int, text string) {
	line, empty := first, true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > r.columns {
			r.line(strings.TrimRight(line, " "))
			line, empty = strings.Repeat(" ", hang), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	r.line(strings.TrimRight(line, " "))
}

// tilde shortens the home directory in a path.
func (r *report) tilde(path string) string {
	if r.home == "" || r.home == "/" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, r.home); ok && (rest == "" || rest[0] == '/') {
		return "~" + rest
	}
	return path
}

// tildes does that to all paths in a text.
func (r *report) tildes(text string) string {
	if r.home == "" || r.home == "/" {
		return text
	}
	// A shell expands no tilde in quotes.
	text = strings.ReplaceAll(text, "mkdir -p '"+r.home+"/", "mkdir -p ~/'")
	return strings.ReplaceAll(text, r.home+"/", "~/")
}

// tildesInHint does that to the paths in a hint, except for those in quotes, which
// are for a shell.
func (r *report) tildesInHint(hint string) string {
	if r.home == "" || r.home == "/" {
		return hint
	}
	parts := strings.Split(hint, r.home+"/")
	for i := range parts[1:] {
		between := "~/"
		if strings.HasSuffix(parts[i], "'") {
			between = r.home + "/"
		}
		parts[i] += between
	}
	return strings.Join(parts, "")
}

// shellPath writes a path for a shell, short if that is safe.
func (r *report) shellPath(path string) string {
	if short, ok := strings.CutPrefix(r.tilde(path), "~/"); ok && shellQuote(short) == short {
		return "~/" + short
	}
	return shellQuote(path)
}

// shellQuote quotes a word for a shell, if it has to be.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@%,=", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
