package ui

import (
	"fmt"
	"strings"
	"time"

	"isync/internal/event"
)

// left returns what an interrupted run has not done.
func left(t event.Summary) []string {
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

// takeSummary prints the totals at the end of a run.
func (p *Printer) takeSummary(t event.Summary) {
	if p.o.Level < Normal || p.o.Watch { // a watch tells of each mailbox
		return
	}
	lines := []string{fmt.Sprintf("Processed %d box(es) in %d channel(s)", t.Boxes, t.Channels)}
	lines = append(lines, countLines(t.Counts, p.o.DryRun)...)
	lines = append(lines, left(t)...)
	for i, l := range lines {
		if i < len(lines)-1 {
			l += ","
		} else {
			l += "."
		}
		p.write(p.o.Out, l)
	}
	if p.columns() > 0 {
		p.tellEffort(t)
	}
}

// mailed is a pair whose near mailbox got new messages.
type mailed struct {
	name     string
	messages int
}

const (
	// longRun is how long a run must take for its duration to be shown.
	longRun = 2 * time.Second
	// maxMailed is how many mailboxes with new messages are named.
	maxMailed = 5
)

// tellEffort shows on a terminal which mailboxes got new messages, and the duration of a long
// run. In files and pipes, these lines are left out, since programs may parse the summary.
func (p *Printer) tellEffort(t event.Summary) {
	if len(p.mailed) > 0 && !p.o.DryRun {
		var names []string
		for _, m := range p.mailed[:min(len(p.mailed), maxMailed)] {
			names = append(names, fmt.Sprintf("%s (%d)", m.name, m.messages))
		}
		line := "New mail in " + strings.Join(names, ", ")
		if more := len(p.mailed) - len(names); more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		p.write(p.o.Out, line+".")
	}
	if took := p.o.Now().Sub(p.display.begun); !p.display.begun.IsZero() && took > longRun {
		line := "Took " + durationText(took)
		if n := t.Bytes[0] + t.Bytes[1]; n > 0 {
			line += ", copied " + sizeText(n)
		}
		p.write(p.o.Out, line+".")
	}
}

// countLines tells the changes on both sides, the near one first; nothing for
// what did not happen.
func countLines(counts [2]event.Counts, dry bool) []string {
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
