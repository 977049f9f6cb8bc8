package arch

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// nowhere matches references in comments to things that are not in this repository.
var nowhere = regexp.MustCompile(`(?i)\bcontract \d|\bissue #?\d|\bSERVICE\.md\b`)

// documentNames matches files that comments point to.
var documentNames = regexp.MustCompile(`\bdocs/[a-z0-9/.-]+\.(md|1)\b|\b(README|CONTRIBUTING|ARCHITECTURE)\.md\b`)

// TestCommentsPointToFiles: a comment points to an RFC, or to a file of this repository
// that exists.
func TestCommentsPointToFiles(t *testing.T) {
	for _, p := range listPackages(t) {
		if _, ok := p.ours(); !ok {
			continue
		}
		for _, file := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, c := range f.Comments {
				text := c.Text()
				if bad := nowhere.FindString(text); bad != "" {
					t.Errorf("%s: %q points nowhere; name a file of this repository, the manual page or an RFC", fset.Position(c.Pos()), bad)
				}
				for _, name := range documentNames.FindAllString(text, -1) {
					if !strings.Contains(name, "/") && name == "ARCHITECTURE.md" {
						name = "docs/" + name
					}
					if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
						t.Errorf("%s: %s does not exist", fset.Position(c.Pos()), name)
					}
				}
			}
		}
	}
}
