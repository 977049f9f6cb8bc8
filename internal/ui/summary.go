package ui

import (
	"fmt"
	"strings"

	"isync/internal/engine"
)

// Totals is what a run did.
type Totals struct {
	Boxes, Channels int
	Counts          [2]engine.Counts
	// Left by a run that was told to stop: boxes that were interrupted, boxes that
	// were not begun, channels whose boxes are not known.
	Unfinished, NotBegun, NotListed int
}

// left returns what an interrupted run has not done.
func (t Totals) left() []string {
	var boxes []string
	if t.Unfinished > 0 {
		boxes = append(boxes, fmt.Sprintf("%d box(es) unfinished", t.Unfinished))
	}
	if t.NotBegun > 0 {
		boxes = append(boxes, fmt.Sprintf("%d box(es) not started", t.NotBegun))
	}
	if t.NotListed > 0 {
		boxes = append(boxes, fmt.Sprintf("all box(es) of %d channel(s) not started", t.NotListed))
	}
	if boxes == nil {
		return nil
	}
	return []string{"left " + strings.Join(boxes, " and ")}
}

// Summary tells at the end what was done.
func (p *Printer) Summary(t Totals) {
	if p.o.Level < Normal {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.over = true
	lines := []string{fmt.Sprintf("Processed %d box(es) in %d channel(s)", t.Boxes, t.Channels)}
	lines = append(lines, countLines(t.Counts, p.o.DryRun)...)
	lines = append(lines, t.left()...)
	for i, l := range lines {
		if i < len(lines)-1 {
			l += ","
		} else {
			l += "."
		}
		p.write(p.o.Out, l)
	}
}

// countLines tells the changes on both sides, the near one first; nothing for
// what did not happen.
func countLines(counts [2]engine.Counts, dry bool) []string {
	var lines []string
	add := func(verb, past, rest string, args ...any) {
		if dry {
			past = "would " + verb
		}
		lines = append(lines, past+" "+fmt.Sprintf(rest, args...))
	}
	for _, t := range []int{1, 0} {
		c := counts[t]
		if c.New+c.Flags > 0 {
			var parts []string
			if c.New > 0 {
				parts = append(parts, fmt.Sprintf("%d new message(s)", c.New))
			}
			if c.Flags > 0 {
				parts = append(parts, fmt.Sprintf("%d flag update(s)", c.Flags))
			}
			add(verbs[t], verbs[t]+"ed", "%s", strings.Join(parts, " and "))
		}
		if c.Trashed > 0 {
			add("move", "moved", "%d message(s) from %s side to trash", c.Trashed, sides[t])
		}
		if c.Expunged > 0 {
			add("expunge", "expunged", "%d message(s) from %s side", c.Expunged, sides[t])
		}
	}
	return lines
}
