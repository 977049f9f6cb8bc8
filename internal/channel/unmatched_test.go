package channel

import (
	"slices"
	"strings"
	"testing"

	"isync/internal/config"
)

// What was probably meant by names that no mailbox has.
func TestUnmatchedLine(t *testing.T) {
	const there = "INBOX,Sent,Sent Mail,[Gmail]/Sent Mail,a b c,b c"
	for _, c := range []struct {
		line, words, want string
		sure              bool
	}{
		{line: "INBOX Sent"},
		{line: "* % ab* !Gone"},
		{line: "INBOX [Gmail]/Sent Mail", words: "[Gmail]/Sent,Mail", want: `INBOX "[Gmail]/Sent Mail"`, sure: true},
		// Sent is there, too, which does not explain what Mail is.
		{line: "Sent Mail !x", words: "Mail", want: `"Sent Mail" !x`, sure: true},
		{line: "!Sent Mail *", words: "Mail", want: `"!Sent Mail" *`, sure: true},
		{line: "Sent !Mail"},
		{line: "a b c", words: "a,b,c", want: `"a b c"`, sure: true},
		{line: "x y INBOX z", words: "x,y,z", want: `"x y" INBOX z`},
		{line: "x * y", words: "x,y"},
		{line: "INBOX x", words: "x"},
		{line: "INBOX \u201cSent", words: "\u201cSent"},
	} {
		e := unmatchedLine(config.NewPatterns(strings.Fields(c.line)...), func(name string) bool {
			return slices.Contains(strings.Split(there, ","), name)
		})
		if e == nil {
			e = &PatternError{}
		}
		if got := strings.Join(e.Words, ","); got != c.words {
			t.Errorf("%s: lost %q, want %q", c.line, got, c.words)
		}
		if got := strings.Join(e.Line, " "); got != c.want || c.want != "" && e.Sure != c.sure {
			t.Errorf("%s: better %q (sure %t), want %q", c.line, got, e.Sure, c.want)
		}
	}
}
