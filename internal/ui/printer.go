package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"isync/internal/event"
)

// Options tell a Printer where and how to print.
type Options struct {
	// Program is what lines begin with that have no other place, by default
	// "mbsync".
	Program  string
	Out, Err io.Writer
	// Columns returns the width of the terminal that Out is, 0 if it is none;
	// nil: it is none.
	Columns func() int
	// Rows returns the height of the terminal, 0 if it is unknown; nil: it is.
	Rows func() int
	// Now tells the time; it keeps the display calm.
	Now   func() time.Time
	Level Level
	Debug event.Topics
	// Watch: the program keeps running, so what was done is told for each mailbox.
	Watch bool
	// DryRun: nothing is done, so everything is told as what would be done.
	DryRun bool
	// Explain makes text of an error: lines that together tell one or several
	// problems, and a piece of advice, which may be empty.
	Explain func(err error) []Problem
	// WithCommands returns a fact about a pair with the commands that its hint needs; nil:
	// facts have them.
	WithCommands func(f event.Fact, about event.Pair) event.Fact
}

// Problem is an error as text.
type Problem struct {
	// Fact is the subject of the message; nil: unknown.
	Fact event.Fact
	// Place is where in the configuration it is, if it is there.
	Place event.Place
	Text  string
	// Hint is advice, if there is any; each line is a piece of its own.
	Hint string
}

// Printer shows what happens. It is safe for concurrent use.
type Printer struct {
	o Options

	mu      sync.Mutex
	turns   turns
	display display
	tally   tally
	runs    int // in progress
	// mailed are the pairs whose near mailbox got new messages.
	mailed []mailed
	hinted map[string]bool // hints that were given already
	warned map[string]bool // warnings about places in files, too
	// waiting are lines that are written when nobody else uses the terminal.
	waiting []heldLine
}

// New returns a Printer.
func New(o Options) *Printer {
	if o.Debug != 0 {
		o.Level = max(o.Level, Verbose)
	}
	if o.Program == "" {
		o.Program = "mbsync"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Printer{o: o, hinted: make(map[string]bool), warned: make(map[string]bool), tally: newTally()}
	p.turns.pairs = make(map[pairKey]*turn)
	return p
}

// write writes a line; p.mu is held.
func (p *Printer) write(w io.Writer, line string) {
	l := heldLine{w: w, text: clean(line) + "\n"}
	if !p.turns.hold(l) {
		p.put(l)
	}
}

// hint gives a piece of advice, unless it was given before: once is enough. p.mu
// is held.
func (p *Printer) hint(text string) {
	l := heldLine{w: p.o.Err, text: "hint: " + clean(text) + "\n", once: text}
	if !p.turns.hold(l) {
		p.put(l)
	}
}

// put writes a line now, above the display, or when the terminal is free; p.mu is held.
func (p *Printer) put(l heldLine) {
	if p.display.held > 0 && p.o.Debug == 0 {
		p.waiting = append(p.waiting, l)
		return
	}
	if l.once != "" {
		if p.hinted[l.once] {
			return
		}
		p.hinted[l.once] = true
	}
	if p.display.rows > 0 {
		p.display.queue = append(p.display.queue, l)
		return
	}
	_, _ = io.WriteString(l.w, l.text)
}

// speak makes the lines until the returned function is called those of a pair. p.mu is
// held.
func (p *Printer) speak(key pairKey) func() {
	p.turns.speaking = p.turns.pairs[key]
	return func() {
		p.turns.speaking = nil
		p.turns.next(p.put)
	}
}

// message writes a line that begins with a place and a severity; p.mu is held.
func (p *Printer) message(place, severity, text string) {
	if place == "" {
		place = p.o.Program
	}
	p.write(p.o.Err, place+": "+severity+": "+text)
}

func (p *Printer) explain(err error) []Problem { return explainWith(p.o.Explain, err) }

// explainWith makes text of an error.
func explainWith(explain func(error) []Problem, err error) []Problem {
	if explain == nil {
		return []Problem{{Text: err.Error()}}
	}
	return explain(err)
}

// problemsOf makes text of a message, whose pair is complete. The text does not name its
// subject.
func problemsOf(m event.Message, explain func(error) []Problem, withCommands func(event.Fact, event.Pair) event.Fact) []Problem {
	var problems []Problem
	if m.Fact != nil {
		if withCommands != nil {
			m.Fact = withCommands(m.Fact, m.Pair)
		}
		text, hint := Text(m.Fact)
		problems = []Problem{{Fact: m.Fact, Text: text, Hint: hint}}
	} else {
		problems = explainWith(explain, m.Err)
	}
	if m.Place != (event.Place{}) {
		for i := range problems {
			problems[i].Place = m.Place
		}
	}
	return problems
}

// debug writes a line of debug output if the topic is wanted; p.mu is held.
func (p *Printer) debug(topic event.Topics, text string) {
	if p.o.Debug&topic != 0 {
		p.write(p.o.Out, string(letterOf(topic))+": "+text)
	}
}

// verbosef writes a line if much is to be told; p.mu is held.
func (p *Printer) verbosef(format string, args ...any) {
	if p.o.Level >= Verbose {
		p.write(p.o.Out, fmt.Sprintf(format, args...))
	}
}

// where names a pair in errors.
func where(channel, box string) string {
	if box == "" {
		return "channel '" + channel + "'"
	}
	return "channel '" + channel + "', mailbox '" + box + "'"
}

// label names a pair in lines.
func label(n event.Pair) string {
	if n.Name == "" {
		return n.Channel
	}
	return n.Channel + ":" + n.Name
}

// clean makes text harmless: control characters, which may be commands to a
// terminal, are shown by their numbers. Of bytes that are not UTF-8 the same is
// done.
func clean(s string) string {
	if !strings.ContainsFunc(s, unclean) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !unclean(r):
			b.WriteRune(r)
		case r == '\uFFFD':
			if s[i] == 0xEF { // written as such
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unclean reports what does not go to a terminal: control characters of all
// kinds, those that change the direction of writing among them.
func unclean(r rune) bool {
	return r < 0x20 || r >= 0x7F && r < 0xA0 || r == '\uFFFD' ||
		r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}
