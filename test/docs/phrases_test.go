package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// phrase is an entry of phrases.txt.
type phrase struct {
	everywhere bool // in comments, too
	pattern    *regexp.Regexp
	text       string
	better     string
}

func readPhrases(t *testing.T) []phrase {
	t.Helper()
	var list []phrase
	for _, l := range readPage(t, filepath.Join(root, "test", "docs", "phrases.txt")).lines {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		text, better, ok := strings.Cut(l, " => ")
		if !ok || better == "" {
			t.Fatalf("phrases.txt: %q has no better phrase", l)
		}
		text, everywhere := strings.CutPrefix(text, "all: ")
		pattern := strings.ReplaceAll(regexp.QuoteMeta(text), "…", `[^.]*?`)
		pattern = strings.ReplaceAll(pattern, " ", `\s+`)
		list = append(list, phrase{everywhere, regexp.MustCompile(`(?i)\b` + pattern + `\b`), text, better})
	}
	return list
}

// passage is a text in which phrases are looked for.
type passage struct {
	where   string
	text    string
	comment bool
}

// passages returns what users read, and the comments of the code.
func passages(t *testing.T) []passage {
	t.Helper()
	var list []passage
	walk := func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			switch name {
			case ".git", "bin", "dist", "test/docs":
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case strings.HasSuffix(name, ".go"):
			list = append(list, goPassages(t, path, name)...)
		case strings.HasSuffix(name, ".md"), strings.HasPrefix(name, "docs/man/"), strings.HasPrefix(name, "docs/examples/"),
			strings.HasPrefix(name, "packaging/systemd/"), strings.HasPrefix(name, "packaging/fleet/"), strings.HasPrefix(name, "completions/"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			list = append(list, passage{where: name, text: plain(string(text))})
		}
		return nil
	}
	if err := filepath.WalkDir(root, walk); err != nil {
		t.Fatal(err)
	}
	return list
}

var markup = regexp.MustCompile(`(?m)^(\.[A-Z][a-z]|#) ?`)

// plain removes the macros of man pages and the marks of comments, so that phrases are found
// across lines.
func plain(text string) string { return markup.ReplaceAllString(text, "") }

// goPassages returns the comments of a Go file, and the texts in it if it is a part of the program.
func goPassages(t *testing.T, path, name string) []passage {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var list []passage
	for _, c := range f.Comments {
		list = append(list, passage{name + ":" + strconv.Itoa(fset.Position(c.Pos()).Line), c.Text(), true})
	}
	if strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "internal/testkit") {
		return list
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, " ") {
				list = append(list, passage{where: name + ":" + strconv.Itoa(fset.Position(lit.Pos()).Line), text: text})
			}
		}
		return true
	})
	return list
}

// TestPhrases: nothing that users read has a phrase of phrases.txt.
func TestPhrases(t *testing.T) {
	t.Parallel()
	phrases := readPhrases(t)
	all := passages(t)
	for _, p := range all {
		for _, ph := range phrases {
			if p.comment && !ph.everywhere {
				continue
			}
			if found := ph.pattern.FindString(p.text); found != "" {
				t.Errorf("%s: %q is hard to read; better: %s", p.where, strings.Join(strings.Fields(found), " "), ph.better)
			}
		}
	}
	if len(all) < 5000 {
		t.Errorf("found only %d texts", len(all))
	}
}

// TestPhrasePatterns: phrases are found in any case, and across lines.
func TestPhrasePatterns(t *testing.T) {
	for _, text := range []string{"Least of all the password", "it comes into\nbeing", plain(".It Fl x\nTrust whom the\n.Em system trusts\n")} {
		found := false
		for _, ph := range readPhrases(t) {
			found = found || ph.pattern.MatchString(text)
		}
		if !found {
			t.Errorf("%q has no phrase", text)
		}
	}
}
