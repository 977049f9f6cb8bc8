package arch

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// make generate sets it.
var updateMessages = flag.Bool("update", false, "write the list of texts")

// messagesFile lists the texts that the program can print.
const messagesFile = "testdata/messages.txt"

// prose is what a text has and a keyword, a command of IMAP or a file name has not: two
// words, one of them in lower case.
var prose = regexp.MustCompile(`\pL{2,}[^\pL]*\s.*\p{Ll}{2,}|\p{Ll}{2,}[^\pL]*\s.*\pL{2,}`)

// programTexts returns the texts of the program by the places that they are listed by.
func programTexts(t *testing.T) map[string]map[string]bool {
	t.Helper()
	texts := make(map[string]map[string]bool)
	codes := factCodes(t)
	for _, p := range listPackages(t) {
		name, ok := p.ours()
		if r, known := ruleFor(name); !ok || !known || r.tests || !strings.HasPrefix(name, "internal/") {
			continue
		}
		for _, file := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredFiles) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			collectTexts(f, path.Join(name, file), codes, func(place, text string) {
				if texts[place] == nil {
					texts[place] = make(map[string]bool)
				}
				texts[place][text] = true
			})
		}
	}
	return texts
}

// TestMessages: testdata/messages.txt lists the texts that the program can print, to be
// read as a whole. "…" stands for what is known only when the program runs.
//
// A text is whatever is written as a string with at least two words in the sources. Texts
// of facts are listed by their codes, all others by file.
func TestMessages(t *testing.T) {
	texts := programTexts(t)
	var b strings.Builder
	b.WriteString("# The texts of the program, made by \"make generate\": those of facts by code, all others by file.\n")
	for _, place := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(&b, "\n%s\n", place)
		for _, text := range slices.Sorted(maps.Keys(texts[place])) {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    "))
		}
	}
	if *updateMessages {
		if err := os.WriteFile(messagesFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(messagesFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(got), b.String()); d != "" {
		t.Errorf("read the texts that have changed, then run make generate, or go test ./internal/arch -run TestMessages -update (-list +program):\n%s", d)
	}
}

// commandsInTexts are texts with command lines of this program that need no -c.
var commandsInTexts = []string{
	"run 'mbsync --help', or read mbsync(1)",
	"create one with 'mbsync --setup ADDRESS', or name one with -c FILE", // there is no file
	"write mbsync --setup ADDRESS",
	"to write it to another file: mbsync --setup -c FILE",
	"another 'mbsync --watch' is running with this configuration file",
	"no 'mbsync --watch' is running with this configuration file",
	"internal error: the deprecated words cannot be replaced without changing the meaning of the file; nothing was changed; please report this, with the lines that mbsync --check shows",
}

// TestCommandsInTexts: a command line that a message or a hint shows has the option -c if
// this run has. So it is passed to the text, and is not part of it.
func TestCommandsInTexts(t *testing.T) {
	command := regexp.MustCompile(`\bmbsync -`)
	found := make(map[string]bool)
	for place, texts := range programTexts(t) {
		if strings.HasPrefix(place, "internal/cli/") || strings.HasPrefix(place, "internal/arch/") {
			continue // it makes the command lines
		}
		for text := range texts {
			if !command.MatchString(text) {
				continue
			}
			if found[text] = true; !slices.Contains(commandsInTexts, text) {
				t.Errorf("%s: the command in %q lacks -c", place, text)
			}
		}
	}
	for _, text := range commandsInTexts {
		if !found[text] {
			t.Errorf("no text is %q; remove it from the list", text)
		}
	}
}

// factCodes returns the codes of facts by the names of their types.
func factCodes(t *testing.T) map[string]string {
	t.Helper()
	codes := make(map[string]string)
	files, err := filepath.Glob("../event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "Code" || fn.Recv == nil || len(fn.Body.List) != 1 {
				continue
			}
			recv, _ := fn.Recv.List[0].Type.(*ast.Ident)
			ret, _ := fn.Body.List[0].(*ast.ReturnStmt)
			if recv == nil || ret == nil {
				continue
			}
			if code, ok := fold(ret.Results[0]); ok {
				codes[recv.Name] = code
			}
		}
	}
	if len(codes) < 200 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	return codes
}

// collectTexts passes the texts of a file to add, with the place that they are listed by.
func collectTexts(f *ast.File, file string, codes map[string]string, add func(place, text string)) {
	var walk func(n ast.Node, place string)
	walk = func(n ast.Node, place string) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec, *ast.Field:
				return false
			case *ast.FuncLit:
				if code := factOf(n.Type, codes); code != "" {
					walk(n.Body, "["+code+"]")
					return false
				}
			case *ast.FuncDecl:
				if code := factOf(n.Type, codes); code != "" && n.Body != nil {
					walk(n.Body, "["+code+"]")
					return false
				}
			case *ast.CallExpr: // hint[event.X]("text")
				if index, ok := n.Fun.(*ast.IndexExpr); ok {
					if code := factName(index.Index, codes); code != "" {
						for _, a := range n.Args {
							walk(a, "["+code+"]")
						}
						return false
					}
				}
			case ast.Expr:
				text, ok := fold(n)
				if !ok {
					return true
				}
				if prose.MatchString(text) {
					add(place, text)
				}
				if _, literal := n.(*ast.BasicLit); !literal { // "…" may hold more
					for _, part := range operands(n) {
						if _, ok := fold(part); !ok {
							walk(part, place)
						}
					}
				}
				return false
			}
			return true
		})
	}
	walk(f, file)
}

// factOf returns the code of the fact that a function takes as its only parameter.
func factOf(t *ast.FuncType, codes map[string]string) string {
	if len(t.Params.List) != 1 {
		return ""
	}
	return factName(t.Params.List[0].Type, codes)
}

func factName(e ast.Expr, codes map[string]string) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "event" {
			return codes[s.Sel.Name]
		}
	}
	return ""
}

// fold returns the text of a string literal, or of a sum in which there is one.
func fold(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.ParenExpr:
		return fold(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, okX := fold(e.X)
		y, okY := fold(e.Y)
		if !okX {
			x = "…"
		}
		if !okY {
			y = "…"
		}
		return x + y, okX || okY
	}
	return "", false
}

// operands returns the parts of a sum.
func operands(e ast.Expr) []ast.Expr {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return operands(e.X)
	case *ast.BinaryExpr:
		return append(operands(e.X), operands(e.Y)...)
	}
	return []ast.Expr{e}
}
