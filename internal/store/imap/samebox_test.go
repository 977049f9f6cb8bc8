package imap

import "testing"

// TestSameBox: with a prefix that begins with INBOX, the children of the inbox have a
// second name.
func TestSameBox(t *testing.T) {
	for _, c := range []struct {
		prefix, a, b string
		same         bool
	}{
		{"INBOX.", "Trash", "INBOX/Trash", true},
		{"INBOX.", "Trash", "Trash", true},
		{"INBOX.", "Trash", "INBOX", false},
		{"", "Trash", "INBOX/Trash", false},
		{"Mail.", "Trash", "INBOX/Trash", false},
		{"INBOX.", "bad.name", "INBOX/bad.name", false},
	} {
		s := &Store{}
		if s.SameBox(c.a, c.b) != (c.a == c.b) {
			t.Errorf("without a layout: %q, %q", c.a, c.b)
		}
		s.run().layout.keep(&layout{prefix: c.prefix, delim: "."})
		if got := s.SameBox(c.a, c.b); got != c.same {
			t.Errorf("prefix %q: SameBox(%q, %q) = %v", c.prefix, c.a, c.b, got)
		}
	}
}
