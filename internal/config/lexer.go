package config

import (
	"strings"
	"unicode/utf8"
)

// token is one word of a line.
type token struct {
	text       string // quotes and escapes removed
	start, end int    // the bytes of the line it was made of
	// curly: an unquoted curly quote stands at the beginning or at the end.
	curlyOpen, curlyClose bool
}

// lexError tells why a line could not be cut into words.
type lexError string

const (
	errOpenQuote  lexError = "unterminated quote"
	errOpenEscape lexError = "backslash at the end of the line"
	errNUL        lexError = "NUL byte"
)

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// lexLine cuts a line, without its end, into words. Words are separated by
// white space; double quotes may open and close anywhere in a word and make
// white space literal; a backslash makes the next byte literal everywhere; '#'
// where a word would start ends the line. On error the words before the
// offending one are returned, and the offending one as far as it goes is the
// last; a line with a NUL byte has no words.
func lexLine(line string) (toks []token, err lexError) {
	if strings.IndexByte(line, 0) >= 0 {
		return nil, errNUL
	}
	i := 0
	for {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) || line[i] == '#' {
			return toks, ""
		}
		var t token
		t, i, err = lexWord(line, i)
		toks = append(toks, t)
		if err != "" {
			return toks, err
		}
	}
}

// lexWord reads the word that starts at line[i] and returns the index behind
// it.
func lexWord(line string, i int) (t token, next int, err lexError) {
	t.start = i
	var text strings.Builder
	quoted := false
scan:
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\':
			i++
			if i == len(line) {
				err = errOpenEscape
				break scan
			}
			text.WriteByte(line[i])
			t.curlyClose = false
		case c == '"':
			quoted = !quoted
			t.curlyClose = false
		case !quoted && isSpace(c):
			break scan
		default:
			if n := curlyAt(line[i:]); n > 0 && !quoted {
				// An exclusion mark may precede a quoted pattern.
				if text.Len() == 0 || text.String() == "!" {
					t.curlyOpen = true
				}
				t.curlyClose = true
				text.WriteString(line[i : i+n])
				i += n - 1
				continue
			}
			text.WriteByte(c)
			t.curlyClose = false
		}
	}
	if quoted && err == "" {
		err = errOpenQuote
	}
	t.text, t.end = text.String(), i
	return t, i, err
}

// curlyAt returns the length of the curly double quote that s begins with, or
// 0.
func curlyAt(s string) int {
	if strings.HasPrefix(s, "\u201c") || strings.HasPrefix(s, "\u201d") {
		return len("\u201c")
	}
	return 0
}

// straighten replaces curly double quotes by straight ones.
func straighten(s string) string {
	return strings.NewReplacer("\u201c", `"`, "\u201d", `"`).Replace(s)
}

// curlySpans returns the parts of a line that somebody meant to quote but used
// curly quotes for.
func curlySpans(line string, toks []token) []string {
	var spans []string
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		if !t.curlyOpen && !t.curlyClose {
			continue
		}
		j := i
		// A word that opens but does not close (a lone quote does neither well)
		// reaches to the next one that closes.
		if t.curlyOpen && (!t.curlyClose || utf8.RuneCountInString(strings.TrimPrefix(t.text, "!")) == 1) {
			for k := i + 1; k < len(toks); k++ {
				if toks[k].curlyClose {
					j = k
					break
				}
			}
		}
		spans = append(spans, line[t.start:toks[j].end])
		i = j
	}
	return spans
}

// quoteArg writes a value as an argument of a configuration line, with quotes
// where it needs them.
func quoteArg(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\v\f\r\n\"\\") && s[0] != '#' {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
