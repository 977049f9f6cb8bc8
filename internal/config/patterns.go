package config

import (
	"slices"
	"strings"
)

// Pattern is one word of a Patterns list.
type Pattern struct {
	// Text is an IMAP pattern (RFC 9051 §6.3.9): '*' stands for anything, '%'
	// for anything without a '/'; everything else for itself.
	Text string
	// Exclude: mailboxes that match are left out.
	Exclude bool
	// Literal: Text is a name without wildcards.
	Literal bool
	// Use, if not empty, says that Text is not a pattern, but means the mailboxes of an IMAP
	// server with this special use (SpecialUses). It matches nothing until Resolve.
	Use string
	Pos Pos
}

// String returns the pattern as it is written in the file, without quotes.
func (p Pattern) String() string {
	if p.Exclude {
		return "!" + p.Text
	}
	return p.Text
}

// Arg returns the pattern as it may stand in the file, in quotes if it needs them.
func (p Pattern) Arg() string { return quoteArg(p.String()) }

// ParsePattern reads one word; a leading '!' excludes.
func ParsePattern(word string) Pattern {
	text, exclude := strings.CutPrefix(word, "!")
	return Pattern{Text: text, Exclude: exclude}
}

// Match reports whether the canonical name matches the text of the pattern,
// Exclude or not. The time it takes is at most proportional to the product of
// the two lengths.
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

// Resolve returns the patterns with those by special use replaced by the names of the
// mailboxes with it.
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

// NewPatterns reads a list of words.
func NewPatterns(words ...string) Patterns {
	var ps Patterns
	for _, w := range words {
		ps = append(ps, ParsePattern(w))
	}
	return ps
}

// Match reports whether a mailbox is selected: whether the last pattern that
// matches its name is not an exclusion. The name must be canonical and stripped
// of the mailbox name that the channel gives for its side.
func (ps Patterns) Match(box string) bool {
	for i := len(ps) - 1; i >= 0; i-- {
		if ps[i].Match(box) {
			return !ps[i].Exclude
		}
	}
	return false
}

// Listing is what part of a store has to be listed.
type Listing struct {
	// Inbox: the inbox with its children. Others: everything else. OthersIfAny:
	// that, too, though the patterns make sense without.
	Inbox, Others, OthersIfAny bool
}

// Listing tells which parts of a store have to be listed to find all mailboxes
// that the patterns may select, when prefix is the mailbox name that the
// channel gives for that side. The inbox is wanted only by patterns that begin
// with its full name; a mere wildcard finds it only where the store keeps it
// among the others. If the names are flattened, the inbox has no children: they
// are among the others.
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

// glob matches by following all possibilities at once: live[j] says that the
// first j bytes of the pattern can match what was read so far. All special
// characters are ASCII, so it may go byte by byte.
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
		// From the right, so that each step reads the previous state.
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

// skipEmpty lets wildcards match nothing.
func skipEmpty(pat string, live []bool) {
	for j := range len(pat) {
		if live[j] && (pat[j] == '*' || pat[j] == '%') {
			live[j+1] = true
		}
	}
}
