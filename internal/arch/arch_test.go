package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "isync"

// pkg is the part of the output of "go list -json" that the rules are about.
// The imports are those of all files that are built on this platform.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	IgnoredFiles []string `json:"IgnoredGoFiles"`
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Module       *struct{ Path string }
}

// ours reports whether the package is part of this module, and its name in it.
func (p *pkg) ours() (string, bool) {
	if p.Module == nil || p.Module.Path != module {
		return "", false
	}
	return p.room(), true
}

func (p *pkg) room() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// listPackages returns every package of the module and all they depend on, by
// import path.
func listPackages(t *testing.T) map[string]*pkg {
	t.Helper()
	watchTree(t)
	cmd := exec.Command("go", "list", "-deps",
		"-json=ImportPath,Name,Dir,Standard,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Module",
		module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	all := make(map[string]*pkg)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		err := dec.Decode(p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("output of go list: %v", err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// watchTree looks at every directory of the module, so that go test, which
// notes what a test opens but not what its children do, does not answer from
// its cache when a package was added.
func watchTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another test cleaned up behind itself
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ruleFor finds the line of the table that a package of the module follows.
func ruleFor(name string) (room, bool) {
	if r, ok := rooms[name]; ok {
		return r, true
	}
	for _, f := range families {
		if strings.HasPrefix(name, f+"/") {
			return rooms[f], true
		}
	}
	return room{}, false
}

// under reports whether path is one of the prefixes or lies below one.
func under(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

// checkImports returns what is wrong with the imports of a package of the
// module. all tells which packages are of the standard library.
func checkImports(name string, r room, imports []string, all map[string]*pkg) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	for _, imp := range imports {
		target, isOurs := strings.CutPrefix(imp, module+"/")
		dep := all[imp]
		switch {
		case isOurs:
			tr, known := ruleFor(target)
			switch {
			case !known:
				// Reported where the target itself is looked at.
			case tr.tests && !r.tests:
				say("%s imports %s, which is for tests only", name, target)
			case slices.Contains(r.imports, "*"), allows(r.imports, target):
			default:
				say("%s must not import %s; it may import %s", name, target, orNothing(r.imports))
			}
		case !r.tests && under(imp, testingPackages):
			say("%s must not import %s: what is for tests belongs in a room for tests", name, imp)
		case dep != nil && dep.Standard || imp == "C" || imp == "unsafe":
			if r.pure && (under(imp, impurePackages) || imp == "C" || imp == "unsafe") {
				say("%s must not import %s: it is a pure package, the same input always gives the same output", name, imp)
			}
		case r.pure:
			say("%s must not import %s: it is a pure package and uses the standard library only", name, imp)
		case under(imp, testLibs):
			if !r.tests {
				say("%s must not import %s: that library is for tests and the demo", name, imp)
			}
		case !r.libs && !r.tests:
			say("%s must not import %s: its line in the table allows no libraries", name, imp)
		}
	}
	return bad
}

// allows reports whether target is allowed by its own name, or as a member of
// an allowed family: "internal/store" does not allow "internal/store/imap".
func allows(allowed []string, target string) bool {
	if slices.Contains(allowed, target) {
		return true
	}
	return slices.ContainsFunc(families, func(f string) bool {
		return slices.Contains(allowed, f) && strings.HasPrefix(target, f+"/")
	})
}

func orNothing(l []string) string {
	if len(l) == 0 {
		return "nothing of this module"
	}
	return strings.Join(l, ", ")
}

func TestImportArrows(t *testing.T) {
	all := listPackages(t)
	seen := make(map[string]bool)
	for _, p := range all {
		name, ok := p.ours()
		if !ok {
			continue
		}
		seen[name] = true
		r, known := ruleFor(name)
		if !known {
			t.Errorf("package %s is not in the table of rooms: decide what it may import and add it to internal/arch/rules_test.go and to docs/ARCHITECTURE.md", name)
			continue
		}
		for _, bad := range checkImports(name, r, p.Imports, all) {
			t.Error(bad)
		}
	}
	for _, need := range []string{"internal/mail", "internal/store", "internal/vfs"} {
		if !seen[need] {
			t.Errorf("go list did not show %s: this test looks at the wrong thing", need)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, p := range listPackages(t) {
		name, ok := p.ours()
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(name, "/") {
			if slices.Contains(emptyNames, part) {
				t.Errorf("%s: %q says nothing about what is inside; name the package for what it knows", name, part)
			}
		}
		if slices.Contains(emptyNames, p.Name) {
			t.Errorf("%s: package %q says nothing about what is inside", name, p.Name)
		}
		if p.Name != "main" && p.Name != path.Base(name) {
			t.Errorf("%s: package is called %q, its directory is not", name, p.Name)
		}
	}
}

func TestCalls(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range listPackages(t) {
		name, ok := p.ours()
		if !ok {
			continue
		}
		r, known := ruleFor(name)
		if !known {
			continue // TestImportArrows says so
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
			if r.pure {
				for _, u := range findUses(fset, f, impureCalls) {
					t.Errorf("%s: %s is not for a pure package; take the value as a parameter", u.pos, u.what)
				}
			}
			if !r.tests && !slices.Contains(seamRooms, name) {
				for _, u := range findUses(fset, f, seams) {
					t.Errorf("%s: %s is for the test controls; only %s may use it", u.pos, u.what, strings.Join(seamRooms, " and "))
				}
			}
			if !r.tests {
				for _, u := range findDoubles(fset, f) {
					t.Errorf("%s: type %s is a test double; it belongs in a room for tests", u.pos, u.what)
				}
			}
			if !r.mayExit {
				for _, u := range findUses(fset, f, exits) {
					t.Errorf("%s: %s: only the main packages and internal/cli end the process; return an error", u.pos, u.what)
				}
			}
		}
	}
}

// use is one mention of a function.
type use struct {
	pos  token.Position
	what string
}

// findUses returns where a file mentions one of the functions, called or not.
func findUses(fset *token.FileSet, f *ast.File, funcs map[string][]string) []use {
	local := make(map[string]string) // name in this file → import path
	var found []use
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil || funcs[imp] == nil {
			continue
		}
		name := path.Base(imp)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			found = append(found, use{fset.Position(spec.Pos()), "dot import of " + imp})
			continue
		}
		local[name] = imp
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok {
			if imp := local[id.Name]; imp != "" && slices.Contains(funcs[imp], sel.Sel.Name) {
				found = append(found, use{fset.Position(sel.Pos()), imp + "." + sel.Sel.Name})
			}
		}
		return true
	})
	return found
}

// findDoubles returns the types of a file that are test doubles, by their names.
func findDoubles(fset *token.FileSet, f *ast.File) (found []use) {
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && testDouble.MatchString(spec.Name.Name) {
			found = append(found, use{fset.Position(spec.Pos()), spec.Name.Name})
		}
		return true
	})
	return found
}

// TestTableIsSound checks the rules themselves.
func TestTableIsSound(t *testing.T) {
	for name, r := range rooms {
		for _, imp := range r.imports {
			if imp == "*" {
				continue
			}
			target, ok := rooms[imp]
			if !ok {
				t.Errorf("%s may import %s, which is not in the table", name, imp)
			}
			if r.pure && !target.pure {
				t.Errorf("%s is pure but may import %s, which is not", name, imp)
			}
		}
		// Stores are chosen in one place; everything else works with any of them.
		if name != "internal/cli" && !r.tests {
			for _, s := range []string{"internal/store/imap", "internal/store/maildir", "internal/store/mem"} {
				if slices.Contains(r.imports, s) {
					t.Errorf("%s may import %s; only internal/cli knows concrete stores", name, s)
				}
			}
		}
	}
	if slices.Contains(rooms["internal/engine"].imports, "internal/ui") {
		t.Error("the engine must not know who watches it")
	}
}

// TestRulesBite breaks each rule once: a check that cannot fail guards nothing.
func TestRulesBite(t *testing.T) {
	all := map[string]*pkg{
		"os": {Standard: true}, "time": {Standard: true}, "net/mail": {Standard: true},
		"strings": {Standard: true},
	}
	for _, c := range []struct{ name, imp, want string }{
		{"internal/plan", "isync/internal/store", "must not import internal/store"},
		{"internal/plan", "os", "pure package"},
		{"internal/mail", "net/mail", "pure package"},
		{"internal/mail", "golang.org/x/text/unicode/norm", "standard library only"},
		{"internal/engine", "isync/internal/store/imap", "must not import internal/store/imap"},
		{"internal/engine", "isync/internal/ui", "must not import internal/ui"},
		{"internal/channel", "isync/internal/store/maildir", "must not import"},
		{"internal/cli", "isync/internal/testkit", "tests only"},
		{"internal/cli", "isync/internal/testkit/imaptest", "tests only"},
		{"internal/imapclient", "github.com/emersion/go-imap/v2", "tests and the demo"},
		{"internal/memo", "golang.org/x/sync/errgroup", "allows no libraries"},
		{"cmd/mbsync", "isync/internal/config", "must not import internal/config"},
		{"demo", "isync/internal/cli", "must not import internal/cli"},
		{"internal/vfs", "testing/fstest", "for tests"},
		{"internal/cli", "isync/internal/store/mem", "tests only"},

		{"internal/plan", "strings", ""},
		{"internal/plan", "time", ""},
		{"internal/engine", "isync/internal/store", ""},
		{"internal/cli", "isync/internal/store/imap", ""},
		{"internal/imapclient", "golang.org/x/sync/errgroup", ""},
		{"test/e2e", "isync/internal/testkit/imaptest", ""},
		{"bench/pull", "isync/internal/testkit/imaptest", ""},
		{"demo", "github.com/emersion/go-imap/v2/imapserver", ""},
	} {
		r, ok := ruleFor(c.name)
		if !ok {
			t.Fatalf("no rule for %s", c.name)
		}
		got := strings.Join(checkImports(c.name, r, []string{c.imp}, all), "\n")
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s: got %q, want %q", c.name, c.imp, got, c.want)
		}
	}
	if _, ok := ruleFor("internal/store/pop"); ok {
		t.Error("a package that is not in the table has a rule")
	}

	const src = `package p
import ("fmt"; clock "time"; "os"; "isync/internal/engine")
type fakeClock struct{ c *engine.Controls; p engine.Pair }
var t clock.Time
func f() { _ = clock.Now(); g := clock.Since; _ = g; fmt.Println(); _ = fmt.Sprint(); os.Exit(1) }`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range slices.Concat(findUses(fset, f, impureCalls), findUses(fset, f, exits), findUses(fset, f, seams), findDoubles(fset, f)) {
		got = append(got, u.what)
	}
	want := []string{"time.Now", "time.Since", "fmt.Println", "os.Exit", "isync/internal/engine.Controls", "fakeClock"}
	if !slices.Equal(got, want) {
		t.Errorf("uses found: %q, want %q", got, want)
	}
}
