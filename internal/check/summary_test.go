package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"isync/internal/config"
)

// The summary fits on a screen, however much there is; no problem is hidden by
// notes.
func TestSummaryFits(t *testing.T) {
	for _, n := range []int{0, 1, 3, 12, 60} {
		for _, problems := range []int{0, 1, 5, 40} {
			var lines []string
			c := &checker{Options: Options{
				Config: &config.Config{File: "rc"}, Verbose: false,
				Command: func(args ...string) string { return strings.Join(append([]string{"mbsync"}, args...), " ") },
				Line:    func(l string) { lines = append(lines, l) },
			}}
			c.report = report{line: func(string) {}, columns: 80}
			for i := range n {
				c.subject = subject{"Channel", strconv.Quote(fmt.Sprint("c", i))}
				c.note("do it", "what all have in common, in so many words that it takes more than a line of its own")
				c.note("", "what channel %d has alone", i)
				for j := range problems {
					c.fail("", "mailbox %d of %d does not work", j, i)
				}
				c.brief(problems > 0, "text")
			}
			c.summary()
			if len(lines) > screen {
				t.Errorf("%d channels with %d problems: %d lines", n, problems, len(lines))
			}
			text := strings.Join(lines, "\n")
			if count := strings.Count(text, "what all have in common"); count > 1 || n > 0 && problems < 2 && n <= 12 && count == 0 {
				t.Errorf("%d channels, %d problems: the common note is shown %d times\n%s", n, problems, count, text)
			}
			if got := strings.Contains(text, "  FAIL  "); got != (n*problems > 0) {
				t.Errorf("%d channels with %d problems:\n%s", n, problems, text)
			}
			if !strings.Contains(strings.Join(strings.Fields(text), " "), "To show all details: mbsync --check -V") {
				t.Errorf("no end:\n%s", text)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	f := func(mark, name, text, hint string) finding {
		return finding{mark: mark, what: "Channel", names: []string{name}, text: text, hint: hint}
	}
	var got []string
	for _, m := range merge([]finding{
		f(markNote, `"a"`, "same", ""), f(markNote, `"b"`, "same", ""), f(markNote, `"a"`, "same", ""),
		f(markNote, `"b"`, "box 1", "do"), f(markNote, `"b"`, "box 2", "do"), f(markNote, `"b"`, "box 3", "do"),
		f(markFail, `"c"`, "box 1", "do"), f(markFail, `"c"`, "box 2", "do"),
		{mark: markNote, text: "of the file"},
	}) {
		got = append(got, m.mark+" "+m.String())
	}
	want := []string{
		`FAIL Channel "c": box 1`, `FAIL Channel "c": box 2`,
		`note Channels "a", "b": same`, `note Channel "b": box 1 (and 2 more like this)`, "note of the file",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
