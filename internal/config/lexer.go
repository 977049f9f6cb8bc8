package config

import (
	"errors"
	"strings"
)

// token is one word of a line.
type token struct {
	text       string // quotes and escapes removed
	start, end int    // the bytes of the line it was made of
	// curly: the word, or the part after its exclamation mark, was in curly
	// quotes, which were read as straight quotes.
	curly bool
	// stray: there is a curly quote at the beginning or the end that has no
	// counterpart. It is part of the word.
	stray bool
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
// white space literal; curly ones do so around a whole word, or around what
// follows its exclamation mark; a backslash makes the next byte literal
// everywhere; '#' where a word would start ends the line. On error the words before the
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
	if end := curlyEnd(line, i); end > 0 {
		return lexCurly(line, i, end), end, ""
	}
	var text strings.Builder
	quoted, last := false, 0 // last: where an unquoted curly quote ends
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

// curlyEnd returns the index behind the curly quote that closes the word that
// begins with one at line[i], perhaps after an exclamation mark, and ends with
// one; 0 if it is no such word.
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

// lexCurly reads the word between curly quotes that ends at line[end]. Straight
// quotes in it are part of the word.
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

// straightLine returns the line with straight quotes around the words that have
// curly ones.
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

// quoteArg writes a value as an argument of a configuration line, with quotes
// where it needs them.
func quoteArg(s string) string {
	if isWord(s, s) {
		return s
	}
	return quoted(s)
}

// QuoteArg writes a value as an argument of a configuration line, with quotes where it
// needs them. A line cannot contain NUL, CR and LF.
func QuoteArg(s string) string { return quoteArg(s) }

// JoinArgs writes several values.
func JoinArgs(words []string) string {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = quoteArg(w)
	}
	return strings.Join(args, " ")
}

// SplitArgs cuts the arguments of a configuration line into values.
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

// isWord reports whether what is written reads as one word, this one.
func isWord(written, word string) bool {
	toks, err := lexLine(written)
	return err == "" && len(toks) == 1 && toks[0].text == word && !toks[0].stray &&
		toks[0].start == 0 && toks[0].end == len(written)
}

// respell returns how to write another word instead of the one that is written,
// in the same kind of quotes if there are any.
func respell(written, word, other string) string {
	if s := strings.Replace(written, word, other, 1); isWord(s, other) {
		return s
	}
	return quoteArg(other)
}

// quoted writes a value between quotes.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
