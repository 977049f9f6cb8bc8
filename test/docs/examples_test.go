package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"isync/internal/cli"
	"isync/internal/config"
	"isync/internal/testkit"
)

// maxLine is how long a line of an example may be.
const maxLine = 100

// Examples that show what a program prints in one line are exempt.
var output = regexp.MustCompile(`^(\{"v":1,|hint: |[a-z]+: (error|warning|notice): |/home/alice/|skipped |about )`)

// TestExampleLines: the lines of examples are short enough for a narrow window.
func TestExampleLines(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			for i, l := range b.lines {
				if n := utf8.RuneCountInString(l); n > maxLine && !output.MatchString(l) {
					t.Errorf("%s:%d: an example with %d characters in a line; the limit is %d", p.name, b.first+i+1, n, maxLine)
				}
			}
		}
	}
}

// TestConfigurations: each complete configuration in the documents is one.
func TestConfigurations(t *testing.T) {
	ca := testkit.NewCA(t).PEM()
	env := config.Env{
		Home:     func(string) (string, error) { return "/home/someone", nil },
		ReadFile: func(string) ([]byte, error) { return ca, nil },
	}
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			text := strings.Join(b.lines, "\n") + "\n"
			// An excerpt lacks the stores.
			if !strings.Contains(text, "\nChannel ") || !strings.Contains(text, "Store ") || strings.Contains(text, "$ ") {
				continue
			}
			found++
			_, notices, err := config.Parse(p.name, []byte(text), env)
			if err != nil {
				t.Errorf("%s:%d: %v", p.name, b.first, err)
			}
			for _, n := range notices {
				t.Errorf("%s:%d: notice: %+v", p.name, b.first, n)
			}
		}
	}
	if found < 15 {
		t.Errorf("found only %d configurations", found)
	}
}

var (
	inlineCode = regexp.MustCompile("`([^`]+)`")
	longOption = regexp.MustCompile(`^--[a-z][a-z-]*`)
	shortBunch = regexp.MustCompile(`^-[a-zA-Z]+$`)
)

// TestOptions: a command of mbsync in the documents has only options that exist.
func TestOptions(t *testing.T) {
	var known []string
	for _, s := range cli.Spellings() {
		known = append(known, s.Short, s.Long)
	}
	// Options of the programs that some commands call, or that they are piped into.
	end := regexp.MustCompile(`[|;&>]|\s#\s`)
	found := 0
	check := func(where, command string) {
		words := strings.Fields(end.Split(command, 2)[0])
		if len(words) == 0 || words[0] != "mbsync" {
			return
		}
		for _, w := range words[1:] {
			if w == "--" {
				return
			}
			if long := longOption.FindString(w); long != "" {
				found++
				if !slices.Contains(known, long) {
					t.Errorf("%s: mbsync has no option %s: %s", where, long, command)
				}
			} else if shortBunch.MatchString(w) {
				found++
				if !slices.Contains(known, w[:2]) {
					t.Errorf("%s: mbsync has no option %s: %s", where, w, command)
				}
			}
		}
	}
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			for _, l := range b.lines {
				check(p.name, strings.TrimPrefix(l, "$ "))
			}
		}
		for _, l := range p.prose() {
			for _, m := range inlineCode.FindAllStringSubmatch(l, -1) {
				check(p.name, m[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("found only %d options", found)
	}
}
