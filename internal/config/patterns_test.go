package config

import (
	"strings"
	"testing"
	"time"
)

func TestPatterns(t *testing.T) {
	tests := []struct {
		patterns string // separated by |
		yes, no  string
	}{
		{"*", "INBOX|a|a/b|a/b/c|", ""},
		{"%", "INBOX|a|", "a/b|/"},
		{"%/%", "a/b|/", "a|a/b/c"},
		{"a*", "a|ab|a/b|a/b/c", "ba|A"},
		{"a%", "a|ab", "a/b|ba"},
		{"a%b", "ab|axb|aab", "a/b|abc|a"},
		{"a*b", "ab|a/b|abab", "aba|b"},
		{"*a%b*c", "xa1b/2c|abc|aabbc", "a/bc|xab"},
		{"", "", "a|INBOX"},
		{"[Gmail]*", "[Gmail]|[Gmail]/Sent", "G"},
		{"%%", "a|ab|", "a/b"},
		{"**", "a/b|", ""},
		{"*%", "a/b|", ""},
		{"%*", "a/b|", ""},
		{"* | ![Gmail]* | [Gmail]/Sent Mail", "a|[Gmail]/Sent Mail", "[Gmail]|[Gmail]/Spam"},
		{"!Trash | *", "Trash|a", ""},
		{"* | !Trash", "a", "Trash"},
		{"% | !a | a", "a|b", "b/c"},
		{"!a", "", "a|b"},
		{"a\u00e4%", "a\u00e4|a\u00e4\u00f6", "a"},
	}
	for _, tt := range tests {
		var words []string
		for w := range strings.SplitSeq(tt.patterns, "|") {
			words = append(words, strings.TrimSpace(w))
		}
		ps := NewPatterns(words...)
		for want, list := range map[bool]string{true: tt.yes, false: tt.no} {
			if list == "" {
				continue
			}
			for box := range strings.SplitSeq(list, "|") {
				if got := ps.Match(box); got != want {
					t.Errorf("%s: Match(%q) = %v", tt.patterns, box, got)
				}
			}
		}
	}
	if Patterns(nil).Match("a") {
		t.Error("no patterns match something")
	}
}

// TestGlobAgainstBacktracking compares the matcher with the obvious recursive
// one on all short words of a small alphabet.
func TestGlobAgainstBacktracking(t *testing.T) {
	var slow func(pat, s string) bool
	slow = func(pat, s string) bool {
		switch {
		case pat == "":
			return s == ""
		case pat[0] == '*' || pat[0] == '%':
			return slow(pat[1:], s) || s != "" && (pat[0] == '*' || s[0] != '/') && slow(pat, s[1:])
		}
		return s != "" && s[0] == pat[0] && slow(pat[1:], s[1:])
	}
	var words func(alphabet string, n int) []string
	words = func(alphabet string, n int) []string {
		if n == 0 {
			return []string{""}
		}
		shorter := words(alphabet, n-1)
		out := shorter
		for _, w := range shorter {
			if len(w) == n-1 {
				for i := range len(alphabet) {
					out = append(out, w+alphabet[i:i+1])
				}
			}
		}
		return out
	}
	names := words("a/", 5)
	for _, pat := range words("a/*%", 5) {
		for _, s := range names {
			if got, want := glob(pat, s), slow(pat, s); got != want {
				t.Fatalf("glob(%q, %q) = %v", pat, s, got)
			}
		}
	}
}

func TestGlobTime(t *testing.T) {
	start := time.Now()
	if glob(strings.Repeat("*a%", 300)+"b", strings.Repeat("a", 5000)) {
		t.Error("matched")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestListing(t *testing.T) {
	tests := []struct {
		patterns, prefix string
		want, flattened  Listing
	}{
		{"*", "", Listing{Others: true}, Listing{Others: true}},
		{"INBOX", "", Listing{Inbox: true}, Listing{Inbox: true}},
		{"INBOX/*", "", Listing{Inbox: true}, Listing{Others: true}},
		{"INBOX INBOX/*", "", Listing{Inbox: true}, Listing{Inbox: true, Others: true}},
		{"INBOX*", "", Listing{Inbox: true, OthersIfAny: true}, Listing{Inbox: true, OthersIfAny: true}},
		{"INBOX%", "", Listing{Inbox: true, OthersIfAny: true}, Listing{Inbox: true, OthersIfAny: true}},
		{"INBOX% a", "", Listing{Inbox: true, Others: true}, Listing{Inbox: true, Others: true}},
		{"INBOXES", "", Listing{Others: true}, Listing{Others: true}},
		{"INB*", "", Listing{Others: true}, Listing{Others: true}},
		{"% INBOX", "", Listing{Inbox: true, Others: true}, Listing{Inbox: true, Others: true}},
		{"!INBOX *", "", Listing{Others: true}, Listing{Others: true}},
		{"*", "INBOX/", Listing{Inbox: true}, Listing{Others: true}},
		{"*", "INBOX", Listing{Inbox: true, OthersIfAny: true}, Listing{Inbox: true, OthersIfAny: true}},
		{"*", "work/", Listing{Others: true}, Listing{Others: true}},
	}
	for _, tt := range tests {
		ps := NewPatterns(strings.Fields(tt.patterns)...)
		if got := ps.Listing(tt.prefix, false); got != tt.want {
			t.Errorf("%q after %q: %+v", tt.patterns, tt.prefix, got)
		}
		if got := ps.Listing(tt.prefix, true); got != tt.flattened {
			t.Errorf("%q after %q, flattened: %+v", tt.patterns, tt.prefix, got)
		}
	}
}
