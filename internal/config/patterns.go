package config

import (
	"slices"
	"strings"
)

// Pattern is a word of a Patterns list.
type Pattern struct {
	// Text is an IMAP pattern (RFC 9051 §6.3.9): '*' matches any text, '%' any text without '/',
	// and every other character itself.
	Text string
	// Exclude: mailboxes that match are excluded.
	Exclude bool
	// Literal: Text is a name without wildcards.
	Literal bool
	// Use, if not empty, is a special use (SpecialUses). The pattern selects the mailboxes with
	// this use on the IMAP server. It matches nothing before Resolve.
	Use string
	Pos Pos
}

// String returns the spelling in the file, without quotes.
func (p Pattern) String() string {
	if p.Exclude {
		return "!" + p.Text
	}
	return p.Text
}

// Arg returns the spelling in the file, quoted if necessary.
func (p Pattern) Arg() string { return quoteArg(p.String()) }

// ParsePattern parses one word. A leading '!' sets Exclude.
func ParsePattern(word string) Pattern {
	text, exclude := strings.CutPrefix(word, "!")
	return Pattern{Text: text, Exclude: exclude}
}

// Match reports whether a canonical name matches Text, whatever Exclude is. The time is at most
// proportional to the product of the two lengths.
func (p Pattern) Match(box string) bool {
	switch {
	case p.Use != "":
		return false
	case p.Literal:
		return p.Text == box
	}
	return glob(p.Text, box)
}

// HasUses reports whether there are patterns by special use.
func (ps Patterns) HasUses() bool {
	return slices.ContainsFunc(ps, func(p Pattern) bool { return p.Use != "" })
}

// Resolve returns the patterns with each special use replaced by the names of its mailboxes.
func (ps Patterns) Resolve(names func(use string) []string) Patterns {
	var out Patterns
	for _, p := range ps {
		if p.Use == "" {
			out = append(out, p)
			continue
		}
		for _, name := range names(p.Use) {
			out = append(out, Pattern{Text: name, Exclude: p.Exclude, Literal: true, Pos: p.Pos})
		}
	}
	return out
}

// Patterns selects mailboxes.
type Patterns []Pattern

// NewPatterns parses a list of words.
func NewPatterns(words ...string) Patterns {
	var ps Patterns
	for _, w := range words {
		ps = append(ps, ParsePattern(w))
	}
	return ps
}

// Match reports whether a mailbox is selected: the last pattern that matches its name decides.
// The name is canonical and without the prefix of the channel's side.
func (ps Patterns) Match(box string) bool {
	for i := len(ps) - 1; i >= 0; i-- {
		if ps[i].Match(box) {
			return !ps[i].Exclude
		}
	}
	return false
}

// Listing tells which parts of a store must be listed.
type Listing struct {
	// Inbox: the inbox with its children. Others: everything else. OthersIfAny: everything else
	// as well, but the patterns are valid without it.
	Inbox, Others, OthersIfAny bool
}

// Listing returns the parts of a store that must be listed to find all mailboxes that the
// patterns may select. prefix is the mailbox name of the channel's side. The inbox is listed only
// for patterns that begin with its full name. A wildcard matches it only if the store keeps it
// among the others. If names are flattened, the children of the inbox are among the others.
func (ps Patterns) Listing(prefix string, flattened bool) (l Listing) {
	for _, p := range ps {
		if p.Exclude {
			continue
		}
		if p.Use != "" {
			l.Others = true
			continue
		}
		rest, isInbox := strings.CutPrefix(prefix+p.Text, "INBOX")
		switch {
		case !isInbox:
			l.Others = true
		case rest == "":
			l.Inbox = true
		case rest[0] == '/':
			l.Inbox = l.Inbox || !flattened
			l.Others = l.Others || flattened
		case rest[0] == '*' || rest[0] == '%':
			l.Inbox, l.OthersIfAny = true, true
		default:
			l.Others = true
		}
	}
	l.OthersIfAny = l.OthersIfAny && !l.Others
	return l
}

// glob tracks all possible matches at once: live[j] means that the first j bytes of the pattern
// match the part of s that was read. All special characters are ASCII, so it can compare bytes.
func glob(pat, s string) bool {
	i := strings.IndexAny(pat, "*%")
	if i < 0 {
		return pat == s
	}
	if !strings.HasPrefix(s, pat[:i]) {
		return false
	}
	pat, s = pat[i:], s[i:]
	if pat == "*" {
		return true
	}
	live := make([]bool, len(pat)+1)
	live[0] = true
	skipEmpty(pat, live)
	for i := range len(s) {
		any := false
		// Descending order: each step reads the previous state of lower indexes.
		for j := len(pat); j >= 0; j-- {
			stay := j < len(pat) && live[j] && (pat[j] == '*' || pat[j] == '%' && s[i] != '/')
			step := j > 0 && live[j-1] && pat[j-1] == s[i] && pat[j-1] != '*' && pat[j-1] != '%'
			live[j] = stay || step
			any = any || live[j]
		}
		if !any {
			return false
		}
		skipEmpty(pat, live)
	}
	return live[len(pat)]
}

// skipEmpty adds the states in which wildcards match the empty text.
func skipEmpty(pat string, live []bool) {
	for j := range len(pat) {
		if live[j] && (pat[j] == '*' || pat[j] == '%') {
			live[j+1] = true
		}
	}
}
