package channel

import (
	"fmt"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/mail"
)

// PatternError tells of words of Patterns, on one line, that are names of
// mailboxes rather than patterns, and that no mailbox goes by on either side:
// most often one name with a blank in it, without quotes.
type PatternError struct {
	Channel *config.Channel
	Pos     config.Pos
	Words   []string // without a mailbox
	// Line are the arguments of Patterns on that line as they were probably
	// meant, nil if nothing suggests itself. Sure: there are mailboxes of the
	// names that several words were joined to.
	Line []string
	Sure bool
}

func (e *PatternError) Error() string {
	quoted := make([]string, len(e.Words))
	for i, w := range e.Words {
		quoted[i] = "'" + w + "'"
	}
	n := len(quoted) - 1
	names := quoted[n]
	if n > 0 {
		names = strings.Join(quoted[:n], ", ") + " and " + names
	}
	switch {
	case n > 0:
		return fmt.Sprintf("Patterns lists %s, but neither side has mailboxes of these names", names)
	case strings.EqualFold(e.Words[0], mail.Inbox):
		return fmt.Sprintf("Patterns lists %s, but neither side has a mailbox of that name (did you mean %s?)", names, mail.Inbox)
	}
	return fmt.Sprintf("Patterns lists %s, but neither side has a mailbox of that name", names)
}

// unmatched returns an error for each line of Patterns that has names of
// mailboxes in it that were not found. Both stores must have been listed.
func (f *found) unmatched(c *config.Channel) []*PatternError {
	lines := map[config.Pos][]config.Pattern{}
	var order []config.Pos
	literal := false
	for _, p := range c.Patterns {
		if lines[p.Pos] == nil {
			order = append(order, p.Pos)
		}
		lines[p.Pos] = append(lines[p.Pos], p)
		literal = literal || isName(p)
	}
	if !literal {
		return nil
	}
	there := f.seen(c)
	var out []*PatternError
	for _, pos := range order {
		if e := unmatchedLine(lines[pos], there); e != nil {
			e.Channel, e.Pos = c, pos
			out = append(out, e)
		}
	}
	return out
}

// seen returns a test for whether there is a mailbox of a name, as the channel's patterns see
// it. The inbox is taken to be there, listed or not.
func (f *found) seen(c *config.Channel) func(name string) bool {
	names := map[string]bool{}
	for n := range f.boxes {
		names[n] = true
	}
	for t, e := range ends(c) {
		for _, full := range f.unselected[t] {
			if n, ok := strings.CutPrefix(full, e.Box); ok {
				names[n] = true
			}
		}
	}
	for _, err := range f.unreachable {
		if ne, ok := err.(*NameError); ok { //nolint:errorlint // they are made here, and not wrapped
			names[ne.Name] = true
		}
	}
	return func(name string) bool {
		for _, e := range ends(c) {
			if full := e.Box + name; full == mail.Inbox || full == "" || full == e.Store.MapInbox {
				return true
			}
		}
		return names[name]
	}
}

// isName reports whether a pattern selects the one mailbox of its name.
func isName(p config.Pattern) bool {
	return !p.Exclude && p.Text != "" && !strings.ContainsAny(p.Text, "*%")
}

// unmatchedLine looks at the words of one line.
func unmatchedLine(line []config.Pattern, there func(string) bool) *PatternError {
	e := &PatternError{}
	lost := make([]bool, len(line))
	for i, p := range line {
		if lost[i] = isName(p) && !there(p.Text); lost[i] {
			e.Words = append(e.Words, p.Text)
		}
	}
	if e.Words == nil {
		return nil
	}
	e.Sure = true
	e.Line = join(line, func(i, end int) bool {
		return slices.Contains(lost[i:end], true) && there(textOf(line[i:end])) &&
			!slices.ContainsFunc(line[i+1:end], func(p config.Pattern) bool { return p.Exclude })
	})
	if e.Line == nil {
		e.Sure = false
		e.Line = join(line, func(i, end int) bool { return !slices.Contains(lost[i:end], false) })
	}
	return e
}

// join makes one word of those from i to end, exclusive, where that fits, of as
// many as possible. It returns the line as it may stand in the file, nil if
// nothing fits.
func join(line []config.Pattern, fits func(i, end int) bool) (words []string) {
	const most = 10 // words in a name
	joined := false
	for i := 0; i < len(line); {
		end := min(i+most, len(line))
		for end > i+1 && !fits(i, end) {
			end--
		}
		joined = joined || end > i+1
		words = append(words, config.Pattern{Text: textOf(line[i:end]), Exclude: line[i].Exclude}.Arg())
		i = end
	}
	if !joined {
		return nil
	}
	return words
}

// textOf returns the name that words make.
func textOf(words []config.Pattern) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Text
	}
	return strings.Join(texts, " ")
}
