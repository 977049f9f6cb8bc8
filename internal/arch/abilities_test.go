package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// assertions returns where a file asserts that a value has an interface type of
// internal/store. A wrapper does not pass these; store.As looks through it.
func assertions(fset *token.FileSet, f *ast.File) (found []token.Position) {
	ast.Inspect(f, func(n ast.Node) bool {
		a, ok := n.(*ast.TypeAssertExpr)
		if !ok || a.Type == nil {
			return true
		}
		if sel, ok := a.Type.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "store" {
				found = append(found, fset.Position(a.Pos()))
			}
		}
		return true
	})
	return found
}

// TestAbilitiesThroughWrappers: whether a store or mailbox can do something is asked
// with store.As, so that the answer is the same when its calls are shown or counted.
func TestAbilitiesThroughWrappers(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range listPackages(t) {
		if name, ok := p.ours(); !ok || rooms[name].tests {
			continue
		}
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, pos := range assertions(fset, f) {
				t.Errorf("%s: use store.As, which also finds what a wrapper does not implement itself", pos)
			}
		}
	}
	f, err := parser.ParseFile(fset, "x.go", "package x\nvar a, ok = st.(store.Local)\n", parser.SkipObjectResolution)
	if err != nil || len(assertions(fset, f)) != 1 {
		t.Error("the check finds nothing", err)
	}
}

// TestChannelKnowsNoKinds: channel asks a store what it must know (store.Place and the
// optional interfaces) and does not look at the kind of its section.
func TestChannelKnowsNoKinds(t *testing.T) {
	fset := token.NewFileSet()
	for _, p := range listPackages(t) {
		if name, ok := p.ours(); !ok || name != "internal/channel" {
			continue
		}
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && (sel.Sel.Name == "IMAP" || sel.Sel.Name == "Maildir") {
					t.Errorf("%s: ask the store instead of looking at its kind", fset.Position(sel.Pos()))
				}
				return true
			})
		}
	}
}
