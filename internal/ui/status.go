package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"isync/internal/engine"
)

// statusEvery is how often the status line changes at most: often enough to
// look alive, and seldom enough to cost nothing.
const statusEvery = 100 * time.Millisecond

// pairKey identifies a pair in events.
type pairKey struct {
	channel string
	box     [2]string
}

// pairStatus is the progress of one pair: what is planned and what is done, by
// kind and side.
type pairStatus struct {
	name          engine.PairName
	planned, done [4][2]int
	// loaded holds what was listed and not told yet; -1: nothing.
	loaded [2]int
	// held are lines that wait for those of the pairs before it; ended: there
	// will be no more.
	held  []heldLine
	ended bool
}

// heldLine is a line that waits for its turn.
type heldLine struct {
	w    io.Writer
	text string
	once string // the advice that it is; nothing is given twice
}

// status is the progress of the run.
type status struct {
	pairs        map[pairKey]*pairStatus // under way
	turns        []*pairStatus           // in the order they were started; the first may speak
	current      *pairStatus             // the one that is shown
	total, ended int                     // pairs known of and ended
	over         bool                    // nothing is shown any more
	held         int                     // somebody else uses the terminal
	shown        bool                    // the line is on the screen
	drawn        time.Time
}

func keyOf(n engine.PairName) pairKey { return pairKey{n.Channel, n.Box} }

func (s *status) channel(pairs int) { s.total += pairs }

func (s *status) start(n engine.PairName) {
	s.current = &pairStatus{name: n, loaded: [2]int{-1, -1}}
	s.pairs[keyOf(n)] = s.current
	s.turns = append(s.turns, s.current)
}

func (s *status) end(n engine.PairName) {
	if p := s.pairs[keyOf(n)]; p != nil {
		p.ended = true
		delete(s.pairs, keyOf(n))
		if s.current == p {
			s.current = nil
			if len(s.turns) > 0 && s.turns[0] != p {
				s.current = s.turns[0]
			}
		}
	}
	s.ended++
}

// name returns the name of the pair of an event.
func (s *status) name(e engine.Event) engine.PairName {
	if p := s.pairs[pairKey{e.Channel, e.Box}]; p != nil {
		return p.name
	}
	return engine.PairName{Channel: e.Channel, Box: e.Box}
}

// loaded notes what was listed on one side.
func (s *status) loaded(e engine.Event) {
	if p := s.pairs[pairKey{e.Channel, e.Box}]; p != nil {
		p.loaded[e.Side] = e.N
	}
}

// takeLoaded returns what was listed, as text, once.
func (s *status) takeLoaded(key pairKey) string {
	p := s.pairs[key]
	if p == nil {
		return ""
	}
	var parts []string
	for t, n := range p.loaded {
		if n >= 0 {
			parts = append(parts, fmt.Sprintf("%d message(s) on the %s side", n, sides[t]))
		}
		p.loaded[t] = -1
	}
	return strings.Join(parts, ", ")
}

// count notes progress.
func (s *status) count(e engine.Event) {
	p := s.pairs[pairKey{e.Channel, e.Box}]
	if p == nil {
		return
	}
	s.current = p
	if e.Kind == engine.Planned {
		p.planned[e.What][e.Side] += e.N
	} else {
		p.done[e.What][e.Side] += max(e.N, 1)
	}
}

// line returns the status line for a terminal of the given width.
func (s *status) line(columns int) string {
	if s.current == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%d/%d] %s", min(s.ended+1, s.total), s.total, label(s.current.name))
	progress := func(what string, kind engine.What, t int) {
		if planned := s.current.planned[kind][t]; planned > 0 {
			fmt.Fprintf(&b, "  %s %d/%d", what, min(s.current.done[kind][t], planned), planned)
		}
	}
	for _, t := range []int{1, 0} {
		progress(verbs[t], engine.New, t)
	}
	for _, t := range []int{1, 0} {
		progress(sides[t]+" flags", engine.Flags, t)
		progress(sides[t]+" trash", engine.Trash, t)
		progress(sides[t]+" expunge", engine.Expunge, t)
	}
	return fit(clean(b.String()), columns-1)
}

// fit cuts a line to a number of columns. Characters that may be wide count as
// such.
func fit(s string, columns int) string {
	used := 0
	for i, r := range s {
		w := 1
		if r >= 0x1100 {
			w = 2
		}
		if used+w > columns {
			return s[:i]
		}
		used += w
	}
	return s
}

// columns returns the width for the status line, 0 if there is to be none.
func (p *Printer) columns() int {
	if p.o.Columns == nil || p.o.Debug != 0 || p.o.Level < Normal {
		return 0
	}
	return p.o.Columns()
}

// drawStatus draws the status line; p.mu is held. Without force, not if it was
// drawn just now.
func (p *Printer) drawStatus(force bool) {
	s := &p.status
	if s.over || s.held > 0 || s.current == nil {
		return
	}
	now := p.o.Now()
	if !force && now.Sub(s.drawn) < statusEvery {
		return
	}
	columns := p.columns()
	if columns == 0 {
		return
	}
	s.drawn = now
	s.shown = true
	_, _ = io.WriteString(p.o.Out, "\r"+s.line(columns)+"\x1b[K")
}

// clearStatus takes the status line off the screen; p.mu is held. It will be
// drawn again at once if there is a reason.
func (p *Printer) clearStatus() {
	if p.status.shown {
		p.status.shown = false
		p.status.drawn = time.Time{}
		_, _ = io.WriteString(p.o.Out, "\r\x1b[K")
	}
}

// Hold makes room for a question to the user, or for a command that talks to
// them: until Release there is no status line, and other lines wait, but for those
// of who looks for something with debug output.
func (p *Printer) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearStatus()
	p.status.held++
}

// Release ends Hold.
func (p *Printer) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.held--
	p.tellWaiting()
}

// tellWaiting writes what has waited for the terminal, if it is free; p.mu is
// held.
func (p *Printer) tellWaiting() {
	if p.status.held > 0 {
		return
	}
	lines := p.waiting
	p.waiting = nil
	for _, l := range lines {
		p.put(l)
	}
}

// End takes the status line off the screen for good.
func (p *Printer) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearStatus()
	p.status.over, p.status.held = true, 0
	p.tellWaiting()
}
