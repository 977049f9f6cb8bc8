package ui

import (
	"fmt"
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"isync/internal/event"
)

// maxSubject is how much of a subject is shown, in columns, if no terminal limits it.
const maxSubject = 200

// planLines tells what a dry run would have done: one line for each message, with
// its subject at the end.
func planLines(r event.Outcome) []string {
	var lines []string
	for i := range r.Foreseen {
		lines = append(lines, foreseenLine(&r.Foreseen[i]))
	}
	if r.ForeseenMore > 0 {
		lines = append(lines, fmt.Sprintf("and %d more message(s)", r.ForeseenMore))
	}
	return lines
}

func foreseenLine(f *event.Foreseen) string {
	line := fmt.Sprintf("would %s %s UID %d", strings.Join(actions(f), " and "), f.Side, f.UID)
	if f.Size > 0 {
		line += " (" + sizeText(f.Size) + ")"
	}
	if subject := subjectText(f.Subject); subject != "" {
		line += ": " + subject
	}
	return line
}

// actions tells what would be done to a message.
func actions(f *event.Foreseen) []string {
	var out []string
	if f.Copy {
		verb := verbs[1-f.Side]
		if f.Placeholder {
			verb += " a placeholder for"
		}
		out = append(out, verb)
	}
	if f.Add|f.Del != 0 {
		change := "flag"
		if f.Add != 0 {
			change += " +" + f.Add.String()
		}
		if f.Del != 0 {
			change += " -" + f.Del.String()
		}
		out = append(out, change+why(f))
	}
	if f.Trash {
		out = append(out, "move to the trash")
	}
	if f.RemoteTrash {
		out = append(out, "copy to the trash of the "+sides[1-f.Side]+" side")
	}
	if f.Expunge {
		out = append(out, "expunge")
	}
	return out
}

// why tells the reason of a flag change that is not just one of the other side.
func why(f *event.Foreseen) string {
	switch {
	case f.Purge:
		return " (outdated placeholder)"
	case f.Expire:
		return " (expired)"
	case f.Orphan:
		return " (gone from the other side)"
	}
	return ""
}

// sizeText tells a number of bytes in at most six characters and a unit.
func sizeText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// subjectText decodes the Subject of a header (RFC 2047), and leaves out what does not
// go to a terminal. What cannot be decoded is shown as it is.
func subjectText(raw string) string {
	decoder := mime.WordDecoder{CharsetReader: charsetReader}
	text, err := decoder.DecodeHeader(raw)
	if err != nil {
		text = raw
	}
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unclean(r) && r != '\uFFFD':
			return -1
		}
		return r
	}, text)
	return fit(strings.Join(strings.Fields(text), " "), maxSubject)
}

// charsetReader decodes the character sets of one byte per character; those that are
// usual otherwise are decoded without it.
func charsetReader(charset string, in io.Reader) (io.Reader, error) {
	want := bareName(charset)
	for _, enc := range charmap.All {
		if name, ok := enc.(fmt.Stringer); ok && bareName(name.String()) == want {
			return enc.NewDecoder().Reader(in), nil
		}
	}
	return nil, fmt.Errorf("unknown character set %q", charset)
}

// bareName returns the letters and digits of a name, in lower case.
func bareName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// narrow cuts a line to the width of the terminal, if it goes to one.
func (p *Printer) narrow(line string) string {
	if p.o.Columns == nil {
		return line
	}
	if columns := p.o.Columns(); columns > 0 {
		return fit(clean(line), columns)
	}
	return line
}
