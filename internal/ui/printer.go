package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"isync/internal/engine"
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
	// Now tells the time; it keeps the status line calm.
	Now   func() time.Time
	Level Level
	Debug Debug
	// DryRun: nothing is done, so everything is told as what would be done.
	DryRun bool
	// Explain makes text of an error: lines that together tell one or several
	// problems, and a piece of advice, which may be empty.
	Explain func(err error) []Problem
}

// Problem is an error as text.
type Problem struct {
	// Place, if not empty, is where in a file it is, as "file:line".
	Place string
	Text  string
	// Hint is advice, if there is any; each line is a piece of its own.
	Hint string
}

// Printer shows what happens. It is safe for concurrent use.
type Printer struct {
	o Options

	mu     sync.Mutex
	status status
	hinted map[string]bool // hints that were given already
	warned map[string]bool // warnings about places in files, too
	// waiting are lines that are written when nobody else uses the terminal.
	waiting []heldLine
	// speaking is the pair whose lines are being written, if any.
	speaking *pairStatus
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
	p := &Printer{o: o, hinted: make(map[string]bool), warned: make(map[string]bool)}
	p.status.pairs = make(map[pairKey]*pairStatus)
	return p
}

// write writes a line, taking the status line out of its way; p.mu is held.
func (p *Printer) write(w io.Writer, line string) {
	l := heldLine{w: w, text: clean(line) + "\n"}
	if !p.hold(l) {
		p.put(l)
		p.drawStatus(false)
	}
}

// hint gives a piece of advice, unless it was given before: once is enough. p.mu
// is held.
func (p *Printer) hint(text string) {
	l := heldLine{w: p.o.Err, text: "hint: " + clean(text) + "\n", once: text}
	if !p.hold(l) {
		p.put(l)
		p.drawStatus(false)
	}
}

// hold keeps a line until it is its pair's turn; it reports whether it is not
// yet. p.mu is held.
func (p *Printer) hold(l heldLine) bool {
	s := p.speaking
	if s == nil || len(p.status.turns) == 0 || p.status.turns[0] == s {
		return false
	}
	s.held = append(s.held, l)
	return true
}

// put writes a line now, or when the terminal is free; p.mu is held.
func (p *Printer) put(l heldLine) {
	if p.status.held > 0 && p.o.Debug == 0 {
		p.waiting = append(p.waiting, l)
		return
	}
	if l.once != "" {
		if p.hinted[l.once] {
			return
		}
		p.hinted[l.once] = true
	}
	p.clearStatus()
	_, _ = io.WriteString(l.w, l.text)
}

// speak makes the lines until the returned function is called those of a pair:
// pairs are worked on at the same time, but told one after the other. p.mu is
// held.
func (p *Printer) speak(key pairKey) func() {
	p.speaking = p.status.pairs[key]
	return func() {
		p.speaking = nil
		p.nextTurns()
	}
}

// nextTurns lets the next pairs speak if those before them have ended.
func (p *Printer) nextTurns() {
	s := &p.status
	for len(s.turns) > 0 && s.turns[0].ended {
		s.turns = s.turns[1:]
		if len(s.turns) == 0 {
			s.turns = nil
			return
		}
		next := s.turns[0]
		for _, l := range next.held {
			p.put(l)
		}
		next.held = nil
	}
}

// message writes a line that begins with a place and a severity; p.mu is held.
func (p *Printer) message(place, severity, text string) {
	if place == "" {
		place = p.o.Program
	}
	p.write(p.o.Err, place+": "+severity+": "+text)
}

// Problem tells an error.
func (p *Printer) Problem(pr Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem("error", pr)
}

func (p *Printer) problem(severity string, pr Problem) {
	p.message(pr.Place, severity, pr.Text)
	if pr.Hint != "" {
		for h := range strings.SplitSeq(pr.Hint, "\n") {
			p.hint(h)
		}
	}
}

// failed tells an error that happened at a place in a channel; p.mu is held.
func (p *Printer) failed(where string, err error) { p.tell("error", where, err) }

// tell tells an error, as serious as it is; p.mu is held.
func (p *Printer) tell(severity, where string, err error) {
	for _, pr := range p.explain(err) {
		if where != "" {
			pr.Text = where + ": " + pr.Text
		}
		p.problem(severity, pr)
	}
}

func (p *Printer) explain(err error) []Problem {
	if p.o.Explain == nil {
		return []Problem{{Text: err.Error()}}
	}
	return p.o.Explain(err)
}

// Error tells an error.
func (p *Printer) Error(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed("", err)
}

// Warn tells a warning. place may be empty; about a place in a file the same
// warning is given once.
func (p *Printer) Warn(place, text string) { p.Caution(Problem{Place: place, Text: text}) }

// Caution tells a warning that may come with advice.
func (p *Printer) Caution(pr Problem) {
	if p.o.Level < Quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr.Place != "" {
		if p.warned[pr.Place+pr.Text] {
			return
		}
		p.warned[pr.Place+pr.Text] = true
	}
	p.problem("warning", pr)
}

// Notice tells something that may be good to know. place may be empty.
func (p *Printer) Notice(place, text string) {
	if p.o.Level < Normal {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.message(place, "notice", text)
}

// Verbose reports whether much is to be told.
func (p *Printer) Verbose() bool { return p.o.Level >= Verbose }

// Debugs reports whether a category is wanted.
func (p *Printer) Debugs(d Debug) bool { return p.o.Debug&d != 0 }

// Debugf writes a line of debug output if the category is wanted.
func (p *Printer) Debugf(d Debug, format string, args ...any) {
	if !p.Debugs(d) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debugf(d, format, args...)
}

func (p *Printer) debugf(d Debug, format string, args ...any) {
	if p.Debugs(d) {
		p.write(p.o.Out, string(d.letter())+": "+fmt.Sprintf(format, args...))
	}
}

// verbosef writes a line if much is to be told; p.mu is held.
func (p *Printer) verbosef(format string, args ...any) {
	if p.o.Level >= Verbose {
		p.write(p.o.Out, fmt.Sprintf(format, args...))
	}
}

// Println writes a line of output that was asked for, as it is.
func (p *Printer) Println(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(p.o.Out, line)
}

// where names a pair in errors.
func where(channel, box string) string {
	if box == "" {
		return "channel '" + channel + "'"
	}
	return "channel '" + channel + "', mailbox '" + box + "'"
}

// label names a pair in lines.
func label(n engine.PairName) string {
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
