package config

import (
	"errors"
	"strings"
)

// token is a word of a line.
type token struct {
	text       string // without quotes and escapes
	start, end int    // byte range in the line
	// curly: the word, or the part after its exclamation mark, was in curly quotes, which were
	// read as straight quotes.
	curly bool
	// stray: the word begins or ends with a curly quote that has no counterpart. The quote is
	// part of the word.
	stray bool
}

// lexError is the reason why a line could not be split into words.
type lexError string

const (
	errOpenQuote  lexError = "unterminated quote"
	errOpenEscape lexError = "backslash at the end of the line"
	errNUL        lexError = "NUL byte"
)

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// lexLine splits a line, without its line end, into words.
//
// Words are separated by white space. White space between double quotes is part of the word; the
// quotes may begin and end anywhere in it. Curly quotes are quotes only around a whole word, or
// around the part after its exclamation mark. A backslash makes the next byte literal everywhere.
// '#' at the start of a word begins a comment.
//
// On an error, the result is the words before it and the beginning of the invalid word. A line
// with a NUL byte has no words.
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

// lexWord reads the word at line[i] and returns the index after it.
func lexWord(line string, i int) (t token, next int, err lexError) {
	t.start = i
	if end := curlyEnd(line, i); end > 0 {
		return lexCurly(line, i, end), end, ""
	}
	var text strings.Builder
	quoted, last := false, 0 // last: end of an unquoted curly quote
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
		case c == '"':
			quoted = !quoted
		case !quoted && isSpace(c):
			break scan
		default:
			if n := curlyAt(line[i:]); n > 0 && !quoted {
				t.stray = t.stray || text.Len() == 0 || text.String() == "!"
				text.WriteString(line[i : i+n])
				i += n - 1
				last = i + 1
				continue
			}
			text.WriteByte(c)
		}
	}
	if quoted && err == "" {
		err = errOpenQuote
	}
	t.stray = t.stray || last == i && last > 0
	t.text, t.end = text.String(), i
	return t, i, err
}

// curlyEnd returns the index after the closing curly quote of a word at line[i] that begins with
// a curly quote, perhaps after an exclamation mark, and ends with one; 0: the word does not have
// this form.
func curlyEnd(line string, i int) int {
	if line[i] == '!' {
		i++
	}
	n := curlyAt(line[i:])
	if n == 0 {
		return 0
	}
	for i += n; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if n := curlyAt(line[i:]); n > 0 && (i+n == len(line) || isSpace(line[i+n])) {
			return i + n
		}
	}
	return 0
}

// lexCurly reads the word between curly quotes that ends at line[end]. Straight quotes in it are
// part of the word.
func lexCurly(line string, i, end int) token {
	t := token{start: i, end: end, curly: true}
	var text strings.Builder
	if line[i] == '!' {
		text.WriteByte('!')
		i++
	}
	n := len("\u201c")
	for i += n; i < end-n; i++ {
		if line[i] == '\\' {
			i++
		}
		text.WriteByte(line[i])
	}
	t.text = text.String()
	return t
}

// curlyAt returns the length in bytes of the curly double quote at the start of s; 0: there is
// none.
func curlyAt(s string) int {
	if strings.HasPrefix(s, "\u201c") || strings.HasPrefix(s, "\u201d") {
		return len("\u201c")
	}
	return 0
}

// straighten replaces curly double quotes with straight ones.
func straighten(s string) string {
	return strings.NewReplacer("\u201c", `"`, "\u201d", `"`).Replace(s)
}

// straightLine returns the line with straight quotes in place of the curly ones around words.
func straightLine(line string, toks []token) string {
	for i := len(toks) - 1; i >= 0; i-- {
		t := toks[i]
		if !t.curly {
			continue
		}
		mark, text := "", t.text
		if line[t.start] == '!' {
			mark, text = "!", text[1:]
		}
		line = line[:t.start] + mark + quoted(text) + line[t.end:]
	}
	return strings.TrimSpace(line)
}

// quoteArg returns a value as an argument of a configuration line, quoted if necessary.
func quoteArg(s string) string {
	if isWord(s, s) {
		return s
	}
	return quoted(s)
}

// QuoteArg returns a value as an argument of a configuration line, quoted if necessary. A line
// cannot contain NUL, CR and LF.
func QuoteArg(s string) string { return quoteArg(s) }

// JoinArgs returns several values as arguments, separated by spaces.
func JoinArgs(words []string) string {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = quoteArg(w)
	}
	return strings.Join(args, " ")
}

// SplitArgs splits the arguments of a configuration line into values.
func SplitArgs(line string) ([]string, error) {
	if strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("this is more than one line")
	}
	toks, err := lexLine(line)
	if err != "" {
		return nil, errors.New(string(err))
	}
	words := make([]string, len(toks))
	for i, t := range toks {
		words[i] = t.text
	}
	return words, nil
}

// isWord reports whether a text is parsed as exactly one word, with this value.
func isWord(written, word string) bool {
	toks, err := lexLine(written)
	return err == "" && len(toks) == 1 && toks[0].text == word && !toks[0].stray &&
		toks[0].start == 0 && toks[0].end == len(written)
}

// respell returns the spelling of another word, with the same kind of quotes as written.
func respell(written, word, other string) string {
	if s := strings.Replace(written, word, other, 1); isWord(s, other) {
		return s
	}
	return quoteArg(other)
}

// quoted returns a value in quotes.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
