package maildir

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSameBox: one directory may be a link to another.
func TestSameBox(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Options{Path: dir + "/", Inbox: filepath.Join(dir, "in")})
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"Trash", "Work", "INBOX"} {
		if err := s.Create(t.Context(), box); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("Trash", filepath.Join(dir, "Bin")); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{{"Trash", "Trash", true}, {"Trash", "Bin", true}, {"Trash", "Work", false}, {"Trash", "none", false}, {"none", "none", true}, {"INBOX", "Trash", false}} {
		if got := s.SameBox(c.a, c.b); got != c.same {
			t.Errorf("SameBox(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
