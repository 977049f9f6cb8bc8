package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wordSearches are functions that look for words in a text.
var wordSearches = map[string][]string{
	"strings": {"Contains", "ContainsAny", "Cut", "CutPrefix", "CutSuffix", "EqualFold", "HasPrefix", "HasSuffix", "Index"},
	"regexp":  {"MatchString"},
}

// errorTexts are the functions that may look for words in the text of an error, because
// the library that made it has no type for it.
var errorTexts = map[string]string{
	"internal/imapclient.certificate": "crypto/tls has no types for certificates that it cannot parse",
}

// TestErrorsAreRecognizedByType: the program recognizes an error by its type or its
// code, never by a word in its text, which may change.
func TestErrorsAreRecognizedByType(t *testing.T) {
	fset := token.NewFileSet()
	used := make(map[string]bool)
	for _, p := range listPackages(t) {
		name, ok := p.ours()
		if r, known := ruleFor(name); !ok || !known || r.tests {
			continue
		}
		for _, file := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredFiles) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				for _, pos := range searchedErrors(fn) {
					key := name + "." + fn.Name.Name
					if used[key] = true; errorTexts[key] == "" {
						t.Errorf("%s: %s looks for words in the text of an error; recognize it by its type", fset.Position(pos), key)
					}
				}
			}
		}
	}
	for key := range errorTexts {
		if !used[key] {
			t.Errorf("%s does not look for words in the text of an error; remove it from the table", key)
		}
	}
}

// searchedErrors returns where a function looks for words in the text of an error: in
// x.Error(), or in a variable that such a text was assigned to.
func searchedErrors(fn *ast.FuncDecl) (found []token.Pos) {
	texts := make(map[string]bool)
	holds := func(e ast.Expr) (yes bool) {
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Error" && len(n.Args) == 0 {
					yes = true
				}
			case *ast.Ident:
				yes = yes || texts[n.Name]
			}
			return true
		})
		return yes
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				id, ok := l.(*ast.Ident)
				if ok && len(n.Lhs) == len(n.Rhs) {
					if call, ok := n.Rhs[i].(*ast.CallExpr); ok && holds(call) {
						texts[id.Name] = true
					}
				}
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			search := ok && slices.Contains(wordSearches[pkg.Name], sel.Sel.Name) || sel.Sel.Name == "MatchString"
			// The first argument is where it is looked for; of a pattern it is the only one.
			if search && len(n.Args) > 0 && holds(n.Args[0]) || search && len(n.Args) > 1 && pkg != nil && pkg.Name == "regexp" && holds(n.Args[1]) {
				found = append(found, n.Pos())
			}
		}
		return true
	})
	return found
}

// TestErrorSearchBites: the search finds what it should find, and nothing else.
func TestErrorSearchBites(t *testing.T) {
	const src = `package p
func direct(err error) bool { return strings.Contains(err.Error(), "x") }
func lower(err error) bool { return strings.HasPrefix(strings.ToLower(err.Error()), "x") }
func later(err error) bool { text := err.Error(); return pattern.MatchString(text) }
func fine(err error, s string) bool { text := err.Error(); return strings.Contains(s, text) }
func other(s string) bool { return strings.Contains(s, "x") }`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && len(searchedErrors(fn)) > 0 {
			got = append(got, fn.Name.Name)
		}
	}
	if want := []string{"direct", "lower", "later"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
