package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"isync/internal/config"
)

// manual returns the options, and the keywords, that the manual page has
// entries for.
func manual(t *testing.T) (flags, keywords []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/man/mbsync.1")
	if err != nil {
		t.Fatal(err)
	}
	// Some look like macros, which a zero-width \& prevents.
	flag := regexp.MustCompile(`Fl (?:\\&)?(\S+)`)
	for line := range strings.Lines(string(page)) {
		item, ok := strings.CutPrefix(strings.TrimSpace(line), ".It ")
		if !ok {
			continue
		}
		for _, m := range flag.FindAllStringSubmatch(item, -1) {
			flags = append(flags, "-"+m[1])
		}
		words, ok := strings.CutPrefix(item, "Ic ")
		if !ok {
			continue
		}
		for word := range strings.FieldsSeq(words) {
			switch word {
			case ",":
				continue
			case "Ar", "Cm", `\&:`, "Oo":
			default:
				keywords = append(keywords, word)
				continue
			}
			break
		}
	}
	return flags, keywords
}

// The manual page has an entry for each option and each keyword, and none for
// anything else.
func TestManual(t *testing.T) {
	flags, keywords := manual(t)
	var wantFlags, wantKeywords []string
	for _, s := range Spellings() {
		for _, form := range []string{s.Short, s.Long} {
			if form != "" && !s.Internal {
				wantFlags = append(wantFlags, form)
			}
		}
	}
	for _, s := range config.Sections() {
		for _, k := range s.Keywords {
			wantKeywords = append(wantKeywords, k.Name)
			if k.Alias != "" {
				wantKeywords = append(wantKeywords, k.Alias)
			}
		}
	}
	check := func(what string, got, want []string) {
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%s %s is not in the manual page", what, w)
			}
		}
		for _, g := range got {
			if !slices.Contains(want, g) {
				t.Errorf("the manual page tells about %s %s, which does not exist", what, g)
			}
		}
	}
	check("option", flags, wantFlags)
	check("keyword", keywords, wantKeywords)
	if len(flags) < 80 || len(keywords) < 60 {
		t.Errorf("only %d options and %d keywords were found", len(flags), len(keywords))
	}
}
