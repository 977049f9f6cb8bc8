package channel

import (
	"fmt"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/mail"
)

// PatternError says that words on a line of Patterns have no wildcards, and that no mailbox has these
// names on either side. Most often they are one name with a space and without quotes.
type PatternError struct {
	Channel *config.Channel
	Pos     config.Pos
	Words   []string // without a mailbox
	// Line are the arguments of Patterns that were probably meant; nil: unknown. Sure: mailboxes
	// with the joined names exist.
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

// unmatched returns an error for each line of Patterns with names of mailboxes that were not found. Both
// stores must be listed.
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

// seen returns a function that reports whether a mailbox with a name, as in the channel's patterns,
// exists. The inbox counts as existing in any case.
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

// unmatchedLine examines the words of a line.
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

// join replaces words by one word if fits reports true for them, as many as possible at a time. It returns
// the line in the form of the configuration file; nil: nothing fits.
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

// textOf joins words to a name.
func textOf(words []config.Pattern) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Text
	}
	return strings.Join(texts, " ")
}
