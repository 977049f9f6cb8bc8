package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// screen is how many lines the summary may have, one being left for the
	// prompt.
	screen = 23
	// maxSections is how many lines of that the sections may take.
	maxSections = 10
	// maxNamed is how many sections are named where many have something in common.
	maxNamed = 4
)

// brief is a section in the summary.
type brief struct {
	what, name, text string
	failed           bool
}

// brief notes the line of a section.
func (c *checker) brief(failed bool, text string) {
	c.briefs = append(c.briefs, brief{c.subject.what, c.subject.name, text, failed})
}

// summary shows what matters on one screen.
func (c *checker) summary() {
	cfg := c.Config
	found := merge(c.findings)
	problems := 0
	for _, f := range found {
		if f.mark == markFail {
			problems++
		}
	}
	head := c.lines(func(r *report) {
		r.text("", fmt.Sprintf("Configuration file %s%s: %s, %s, %s", c.tilde(cfg.File), included(len(cfg.Files)-1),
			count(len(cfg.Stores), "store"), count(len(cfg.Channels), "channel"), count(len(cfg.Groups), "group")))
	})
	head = append(head, c.sections()...)
	tail := c.lines(func(r *report) {
		r.blank()
		r.text("", c.verdict(problems, len(found)-problems))
		c.further(r, problems, true)
	})
	findings := c.foundLines(found, screen-len(head)-len(tail)-1)
	if len(findings) > 0 {
		findings = append([]string{""}, findings...)
	}
	for _, l := range slices.Concat(head, findings, tail) {
		c.Line(l)
	}
}

// included tells that there are included files.
func included(n int) string {
	if n == 0 {
		return ""
	}
	return " and " + count(n, "included file")
}

// lines returns what is written to a report of its own.
func (c *checker) lines(write func(*report)) (out []string) {
	write(&report{line: func(l string) { out = append(out, l) }, columns: c.columns, home: c.home})
	return out
}

// sections returns a line for each section, or a few for all of them.
func (c *checker) sections() []string {
	width := 0
	for _, b := range c.briefs {
		width = max(width, utf8.RuneCountInString(b.what+" "+b.name))
	}
	width = min(width, 34) + 2
	out := c.lines(func(r *report) {
		for _, b := range c.briefs {
			first := b.what + " " + b.name
			first += strings.Repeat(" ", max(2, width-utf8.RuneCountInString(first)))
			text := b.text
			if b.failed {
				text += " (" + markFail + ")"
			}
			r.wrap(first, width, text)
		}
	})
	if len(out) <= maxSections {
		return out
	}
	return c.lines(func(r *report) {
		for _, kind := range [][2]string{{"IMAPStore", "IMAP store"}, {"MaildirStore", "Maildir store"}, {"Channel", "channel"}} {
			what, noun := kind[0], kind[1]
			var bad []string
			n := 0
			for _, b := range c.briefs {
				if b.what != what {
					continue
				}
				n++
				if b.failed {
					bad = append(bad, b.name)
				}
			}
			switch {
			case n == 0:
			case len(bad) == 0:
				r.text("", count(n, noun)+": no problem")
			default:
				r.text("", fmt.Sprintf("%s: problems with %d of them, %s", count(n, noun), len(bad), nameSome(bad)))
			}
		}
	})
}

// nameSome names the first few of a list.
func nameSome(names []string) string {
	if len(names) > maxNamed {
		return strings.Join(names[:maxNamed], ", ") + " and " + strconv.Itoa(len(names)-maxNamed) + " more"
	}
	return strings.Join(names, ", ")
}

// merge makes one finding of those that say the same about several sections. Of
// many that differ only in a name, it keeps the first, with the number of the others.
// Problems come first.
func merge(all []finding) (out []finding) {
	for _, f := range all {
		i := slices.IndexFunc(out, func(o finding) bool {
			return o.mark == f.mark && o.what == f.what && o.text == f.text && o.hint == f.hint
		})
		if i < 0 {
			f.names = slices.Clone(f.names)
			out = append(out, f)
			continue
		}
		for _, n := range f.names {
			if !slices.Contains(out[i].names, n) {
				out[i].names = append(out[i].names, n)
			}
		}
	}
	out = mergeAlike(out)
	slices.SortStableFunc(out, func(a, b finding) int { return strings.Compare(a.mark, b.mark) }) // "FAIL" < "note"
	return out
}

// mergeAlike makes one of more than two findings about a section for which the
// same advice is given.
func mergeAlike(all []finding) (out []finding) {
	type key struct{ mark, subject, hint string }
	keyOf := func(f finding) key { return key{f.mark, f.what + " " + strings.Join(f.names, " "), f.hint} }
	n := map[key]int{}
	for _, f := range all {
		n[keyOf(f)]++
	}
	for _, f := range all {
		switch k := keyOf(f); {
		case f.hint == "" || n[k] >= 0 && n[k] <= 2:
			out = append(out, f)
		case n[k] > 0:
			f.text += fmt.Sprintf(" (and %d more like this)", n[k]-1)
			out = append(out, f)
			n[k] = -1
		}
	}
	return out
}

// String is the finding as it is in the summary, but for the mark.
func (f finding) String() string {
	switch {
	case f.what == "":
		return f.text
	case len(f.names) > 1:
		return plural(f.what) + " " + nameSome(f.names) + ": " + f.text
	}
	return f.what + " " + strings.Join(f.names, "") + ": " + f.text
}

// foundLines returns the lines of as many findings as fit into the room. If the room
// is too small, it leaves out the hints of notes, then some of the notes.
func (c *checker) foundLines(found []finding, room int) []string {
	render := func(f finding, hint bool) []string {
		if !hint {
			f.hint = ""
		}
		return c.lines(func(r *report) { r.mark(f.mark, f.String(), f.hint) })
	}
	for _, hints := range []bool{true, false} {
		var out []string
		for _, f := range found {
			out = append(out, render(f, hints || f.mark == markFail)...)
		}
		if len(out) <= room {
			return out
		}
	}
	var out []string
	for i, f := range found {
		lines := render(f, f.mark == markFail)
		if i > 0 && len(out)+len(lines) >= room {
			return append(out, fmt.Sprintf("%*sand %d more", indent+markWidth, "", len(found)-i))
		}
		out = append(out, lines...)
	}
	return out
}
