package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// What is no prose: code, addresses, targets of links, HTML.
	notProse = regexp.MustCompile("`[^`]*`|https?://[^ )>]*|\\]\\([^)]*\\)|<[^>]*>|\\S+@\\S+|\"\"|[\\w.-]*[/_\\\\][\\w/._\\\\-]*")
	// A word has lower case letters, at most behind a capital one; FETCH and UIDNEXT are no words.
	word = regexp.MustCompile(`[\p{L}\p{N}][\p{L}\p{N}'’]*`)
	// What follows a word without changing it.
	endings = []string{"'s", "s", "es", "d", "ed", "ing", "ly", "r", "er", "ers"}
)

// prosaic returns the words of a text, in lower case.
func prosaic(text string) []string {
	var list []string
	for _, w := range word.FindAllString(notProse.ReplaceAllString(text, " "), -1) {
		w = strings.Trim(strings.ReplaceAll(w, "’", "'"), "'")
		if len(w) < 3 || strings.ContainsAny(w, "0123456789") || w[1:] != strings.ToLower(w[1:]) {
			continue
		}
		list = append(list, strings.ToLower(w))
	}
	return list
}

// readWords returns the words of words.txt.
func readWords(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func spelled(known map[string]bool, w string) bool {
	if known[w] {
		return true
	}
	for _, e := range endings {
		stem, ok := strings.CutSuffix(w, e)
		if ok && (known[stem] || (e == "ing" || e == "ed") && known[stem+"e"] || e == "ly" && known[stem+"le"]) {
			return true
		}
		// planned, planning; copies, copied; easily
		if n := len(stem); ok && n > 3 && (e == "ing" || e == "ed") && stem[n-1] == stem[n-2] && known[stem[:n-1]] {
			return true
		}
		if y, found := strings.CutSuffix(stem, "i"); ok && found && known[y+"y"] {
			return true
		}
	}
	return false
}

// TestSpelling: each word of the pages and manual pages is in words.txt, or has a regular ending
// behind one that is. UPDATE_DOCS=1 adds the missing words. Read them before you commit.
func TestSpelling(t *testing.T) {
	t.Parallel()
	list := readWords(t)
	if !slices.IsSorted(list) {
		t.Error("words.txt is not sorted (LC_ALL=C sort)")
	}
	known := map[string]bool{}
	for _, w := range list {
		known[w] = true
	}
	missing := map[string]bool{}
	found := 0
	check := func(name, text string) {
		for _, w := range prosaic(text) {
			found++
			if !spelled(known, w) {
				t.Errorf("%s: is %q spelled correctly? Then add it to test/docs/words.txt", name, w)
				missing[w] = true
			}
		}
	}
	for _, p := range pages(t) {
		check(p.name, strings.Join(p.prose(), "\n"))
	}
	manuals, err := filepath.Glob(filepath.Join(root, "docs", "man", "*.1"))
	if err != nil || len(manuals) < 2 {
		t.Fatalf("found %d manual pages: %v", len(manuals), err)
	}
	for _, f := range manuals {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		example := false
		for l := range strings.Lines(string(text)) {
			if strings.HasPrefix(l, ".Bd") {
				example = true
			}
			if strings.HasPrefix(l, ".Ed") {
				example = false
			}
			if !example && !strings.HasPrefix(l, ".") {
				check(filepath.Base(f), regexp.MustCompile(`\\\S*`).ReplaceAllString(l, " "))
			}
		}
	}
	if found < 30000 {
		t.Errorf("found only %d words", found)
	}
	if os.Getenv("UPDATE_DOCS") == "1" && len(missing) > 0 {
		for w := range missing {
			list = append(list, w)
		}
		slices.Sort(list)
		if err := os.WriteFile("words.txt", []byte(strings.Join(list, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
	}
}

// TestSpelled: regular endings, and typos.
func TestSpelled(t *testing.T) {
	known := map[string]bool{"copy": true, "plan": true, "store": true, "mailbox": true, "simple": true}
	for w, want := range map[string]bool{
		"copies": true, "copied": true, "copying": true, "planned": true, "planning": true, "stored": true, "storing": true,
		"mailboxes": true, "mailbox's": true, "simply": true, "mailbxo": false, "storred": false, "coppy": false, "stor": false,
	} {
		if got := spelled(known, w); got != want {
			t.Errorf("spelled(%q) = %v, want %v", w, got, want)
		}
	}
}
