package storetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// TestAbilitiesAreAll: each optional interface of package store is among the abilities.
func TestAbilitiesAreAll(t *testing.T) {
	required := map[string]bool{"Store": true, "Mailbox": true, "Appender": true, "Wrapper": true, "Place": true, "Watch": true}
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if _, ok := spec.Type.(*ast.InterfaceType); ok && ast.IsExported(spec.Name.Name) && !required[spec.Name.Name] {
				found++
				if abilities[spec.Name.Name] == nil {
					t.Errorf("store.%s is not among the abilities", spec.Name.Name)
				}
			}
			return true
		})
	}
	if found != len(abilities) {
		t.Errorf("%d abilities, but %d optional interfaces", len(abilities), found)
	}
}
