package event_test

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

// codes returns the code of each kind of fact, by the name of its type. Each method Code
// returns a constant.
func codes(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Code" {
				continue
			}
			kind, ok := fn.Recv.List[0].Type.(*ast.Ident)
			if !ok {
				t.Errorf("%s: a fact is a value, not a pointer", fset.Position(fn.Pos()))
				continue
			}
			var code string
			if ret, ok := fn.Body.List[0].(*ast.ReturnStmt); ok && len(fn.Body.List) == 1 {
				if lit, ok := ret.Results[0].(*ast.BasicLit); ok {
					code, _ = strconv.Unquote(lit.Value)
				}
			}
			if code == "" {
				t.Errorf("%s: Code of %s does not return a constant", fset.Position(fn.Pos()), kind.Name)
			}
			found[kind.Name] = code
		}
	}
	if len(found) < 40 {
		t.Errorf("found only %d codes", len(found))
	}
	return found
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// TestCodes: each kind of fact has a code of its own, in the form that all have.
func TestCodes(t *testing.T) {
	owner := make(map[string]string)
	for kind, code := range codes(t) {
		if !kebab.MatchString(code) {
			t.Errorf("code %q of %s: want words in lower case with hyphens between them", code, kind)
		}
		if other, ok := owner[code]; ok {
			t.Errorf("%s and %s have the same code %q", kind, other, code)
		}
		owner[code] = kind
	}
}

var (
	heading = regexp.MustCompile(`(?m)^### (.*)$`)
	anchor  = regexp.MustCompile(`\(#([^)]*)\)`)
)

// TestMessagesAreDocumented: docs/messages.md has an entry with some text for each code,
// and none for other ones.
func TestMessagesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "messages.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	at := heading.FindAllSubmatchIndex(text, -1)
	for i, m := range at {
		code := string(text[m[2]:m[3]])
		if documented[code] {
			t.Errorf("docs/messages.md has two entries %q", code)
		}
		documented[code] = true
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		if body, _, _ := strings.Cut(string(text[m[1]:end]), "\n## "); len(strings.Fields(body)) < 8 {
			t.Errorf("docs/messages.md: entry %q explains nothing", code)
		}
	}
	for _, m := range anchor.FindAllSubmatch(text, -1) {
		if !documented[string(m[1])] {
			t.Errorf("docs/messages.md: link to %q, which is no entry", m[1])
		}
	}
	all := codes(t)
	for kind, code := range all {
		if !documented[code] {
			t.Errorf("docs/messages.md has no entry ### %s (%s)", code, kind)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("docs/messages.md: %q is not the code of any message", code)
	}
}

// TestCodesAreUsed: each kind of fact is made somewhere in the program, so no entry of
// docs/messages.md is about a message that does not exist.
func TestCodesAreUsed(t *testing.T) {
	made := make(map[string]bool)
	// A literal, or a variable or result that is filled in.
	literal := regexp.MustCompile(`\bevent\.([A-Z]\w*)\{|\bvar \w+ event\.(\w+)\n|\) \(\w+ event\.(\w+),`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		texts := strings.HasPrefix(path, filepath.Join("..", "ui", "text"))
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || texts {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range literal.FindAllSubmatch(text, -1) {
			for _, name := range m[1:] {
				made[string(name)] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, code := range codes(t) {
		if !made[kind] {
			t.Errorf("nothing makes the fact %s (%s)", kind, code)
		}
	}
}
