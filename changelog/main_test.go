package main

import (
	"strings"
	"testing"
)

func TestFragmentsAreWellFormed(t *testing.T) {
	frags, _, err := readFragments("unreleased")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frags {
		t.Logf("%s: %s", f.kind, f.title)
	}
}

func TestParseFragment(t *testing.T) {
	for _, c := range []struct{ text, err string }{
		{"Fix: find lost sheep\n", ""},
		{"Fix: find lost sheep\n\nThey were behind the hill.\n\nAll of them.\n", ""},
		{"Fix: find lost sheep\nThey were behind the hill.\n", "empty line"},
		{"Fix: find lost sheep.\n", "period"},
		{"Fix:find lost sheep\n", "first line"},
		{"Fixed: find lost sheep\n", "first line"},
		{"# Fix: find lost sheep\n", "first line"},
		{"Fix: " + strings.Repeat("é", maxTitle) + "\n", ""},
		{"Fix: " + strings.Repeat("é", maxTitle+1) + "\n", "longer"},
		{"Fix: find lost sheep", "terminated"},
		{"Fix:  find lost sheep\n", "spaces"},
		{"Fix: find lost sheep\n\n# Where\n", "headings"},
		{"", "first line"},
	} {
		_, err := parseFragment(c.text)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: got error %v, want one about %q", c.text, err, c.err)
		}
	}
}

func TestAssemble(t *testing.T) {
	got := assemble("1.0 – 2030-01-02", []fragment{
		{"Fix", "find lost sheep", "Behind\nthe hill.\n\nAll."},
		{"Feature", "count sheep", ""},
		{"Fix", "close the gate", ""},
	})
	want := `## 1.0 – 2030-01-02

### New

- **count sheep.**

### Fixed

- **find lost sheep.**
  Behind
  the hill.

  All.
- **close the gate.**
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestInsert(t *testing.T) {
	first := insert("# Changelog\n\nWords.\n", "## 1\n")
	if want := "# Changelog\n\nWords.\n\n## 1\n"; first != want {
		t.Errorf("first release: got %q, want %q", first, want)
	}
	second := insert(first, "## 2\n")
	if want := "# Changelog\n\nWords.\n\n## 2\n\n## 1\n"; second != want {
		t.Errorf("second release: got %q, want %q", second, want)
	}
}
