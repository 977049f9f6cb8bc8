package ui

import (
	"fmt"
	"io"
	"strings"

	"isync/internal/event"
)

// turn is what is told about a pair.
type turn struct {
	name event.Pair
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

// turns are the pairs under way. Pairs are worked on at the same time, but told one after
// the other.
type turns struct {
	pairs map[pairKey]*turn
	order []*turn // as they were started; the first may speak
	// speaking is the pair whose lines are being written, if any.
	speaking *turn
}

func (s *turns) start(n event.Pair) {
	t := &turn{name: n, loaded: [2]int{-1, -1}}
	s.pairs[keyOf(n)] = t
	s.order = append(s.order, t)
}

func (s *turns) end(n event.Pair) {
	if t := s.pairs[keyOf(n)]; t != nil {
		t.ended = true
		delete(s.pairs, keyOf(n))
	}
}

// name completes the name of a pair in an event.
func (s *turns) name(n event.Pair) event.Pair {
	if t := s.pairs[keyOf(n)]; t != nil {
		return t.name
	}
	return n
}

// loaded notes what was listed on one side.
func (s *turns) loaded(e event.Listed) {
	if t := s.pairs[keyOf(e.Pair)]; t != nil {
		t.loaded[e.Side] = e.Count
	}
}

// takeLoaded returns what was listed, as text, once.
func (s *turns) takeLoaded(key pairKey) string {
	t := s.pairs[key]
	if t == nil {
		return ""
	}
	var parts []string
	for side, n := range t.loaded {
		if n >= 0 {
			parts = append(parts, fmt.Sprintf("%d message(s) on the %s side", n, sides[side]))
		}
		t.loaded[side] = -1
	}
	return strings.Join(parts, ", ")
}

// hold keeps a line until it is its pair's turn; it reports whether it is not yet.
func (s *turns) hold(l heldLine) bool {
	t := s.speaking
	if t == nil || len(s.order) == 0 || s.order[0] == t {
		return false
	}
	t.held = append(t.held, l)
	return true
}

// next lets the next pairs speak if those before them have ended, and puts their lines.
func (s *turns) next(put func(heldLine)) {
	for len(s.order) > 0 && s.order[0].ended {
		s.order = s.order[1:]
		if len(s.order) == 0 {
			s.order = nil
			return
		}
		first := s.order[0]
		for _, l := range first.held {
			put(l)
		}
		first.held = nil
	}
}
