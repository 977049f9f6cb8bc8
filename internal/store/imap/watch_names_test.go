package imap

import "testing"

func TestWatchPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, box string
		want         bool
	}{
		{"INBOX", "INBOX", true},
		{"INBOX", "INBOX/a", false},
		{"", "", true},
		{"*", "", true},
		{"*", "a/b", true},
		{"%", "a", true},
		{"%", "a/b", false},
		{"a/%", "a/b", true},
		{"a/%", "a/b/c", false},
		{"a/%/c", "a/b/c", true},
		{"a*c", "a/b/c", true},
		{"a*c", "a/b/cd", false},
		{"%b", "ab", true},
		{"a%b*d", "axb/c/d", true},
		{"**%", "x/y", true},
		{"ab", "a", false},
	} {
		if got := matches(tt.pattern, tt.box); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.box, got)
		}
	}
}
