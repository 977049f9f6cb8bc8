package arch

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunction = regexp.MustCompile(`^func ((?:Test|Fuzz)\w+)\(`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	testPackage  = regexp.MustCompile("\\(`([a-z/]+)`\\)")
)

// TestSecurityPage: docs/security.md names tests that exist, in the packages that have them, and
// it names each fuzz target.
func TestSecurityPage(t *testing.T) {
	root := filepath.Join("..", "..")
	where := map[string]bool{} // "package name"
	fuzzers := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(filepath.Join(root, "internal"), filepath.Dir(path))
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if m := testFunction.FindStringSubmatch(lines.Text()); m != nil {
				key := filepath.ToSlash(dir) + " " + m[1]
				where[key] = true
				if strings.HasPrefix(m[1], "Fuzz") {
					fuzzers[key] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(page)) {
		// The package is behind the names of its tests.
		for len(line) > 0 {
			at := testPackage.FindStringSubmatchIndex(line)
			if at == nil {
				break
			}
			dir := line[at[2]:at[3]]
			for _, m := range testName.FindAllStringSubmatch(line[:at[0]], -1) {
				key := dir + " " + m[1]
				named++
				if !where[key] {
					t.Errorf("docs/security.md names %s of package %s, which does not exist", m[1], dir)
				}
				delete(fuzzers, key)
			}
			line = line[at[1]:]
		}
		if m := testName.FindString(line); m != "" {
			t.Errorf("docs/security.md does not say which package has %s", m)
		}
	}
	if named < 40 {
		t.Errorf("found only %d names of tests", named)
	}
	for key := range fuzzers {
		t.Errorf("docs/security.md lacks the fuzz target %s", key)
	}
}
