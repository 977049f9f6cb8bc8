package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// minName is the minimum width of the names of mailboxes. Other columns are left out if
// there is less room.
const minName = 12

// progressLines returns the lines of the display, at most height ones that are at most
// width columns wide: one for each pair in progress, as far as they fit, and one for the run.
func (p *Printer) progressLines(width, height int, now time.Time) []string {
	t := &p.tally
	pairs := slices.Clone(t.active)
	if len(pairs) >= height {
		// Pairs with changes come first.
		slices.SortStableFunc(pairs, func(a, b *pairTally) int { return busy(b) - busy(a) })
		pairs = pairs[:height-1]
	}
	var rows []progressRow
	for _, q := range pairs {
		rows = append(rows, rowOf(label(q.name), q.progress(), &q.speed, now, true))
	}
	if t.boxes == 0 {
		rows = append(rows, progressRow{name: "listing mailboxes"})
		return layOut(rows, width)
	}
	g := t.progress()
	whole := rowOf(fmt.Sprintf("%d/%d mailboxes", min(t.ended, t.boxes), t.boxes), g, &t.whole, now, t.allBegun())
	if g.total == 0 && len(pairs) == 0 {
		whole.cells = nil
	}
	return layOut(append(rows, whole), width)
}

func busy(p *pairTally) int {
	if p.progress().total > 0 {
		return 1
	}
	return 0
}

// The columns of the display.
const (
	cellDone = iota
	cellRate
	cellBytes
	cellLeft
	cells
)

// dropped are the columns that are left out if there is too little room, in order.
var dropped = []int{cellBytes, cellRate, cellLeft, cellDone}

// progressRow is a line of the display. It has either cells or a text.
type progressRow struct {
	name  string
	cells []string
	text  string
}

// rowOf describes progress. ends: the total is final, so the remaining time can be
// estimated.
func rowOf(name string, g progress, s *speed, now time.Time, ends bool) progressRow {
	r := progressRow{name: clean(name)}
	if g.total == 0 {
		r.text = "looking for changes"
		return r
	}
	r.cells = make([]string, cells)
	r.cells[cellDone] = fmt.Sprintf("%d/%d", min(g.done, g.total), g.total)
	if g.bytes > 0 {
		r.cells[cellBytes] = sizeText(g.bytes)
		if _, rate := s.rates(now, g); rate > 0 {
			r.cells[cellRate] = sizeText(int64(rate)) + "/s"
		}
	}
	if left, ok := s.left(now, g); ok && ends {
		r.cells[cellLeft] = clockText(left)
	}
	return r
}

// layOut makes lines of rows, with the numbers below one another.
func layOut(rows []progressRow, width int) []string {
	var widths [cells]int
	for _, r := range rows {
		for i, c := range r.cells {
			widths[i] = max(widths[i], len(c))
		}
	}
	right := func() (sum int) {
		for _, w := range widths {
			if w > 0 {
				sum += w + 2
			}
		}
		return sum
	}
	for _, i := range dropped {
		if width-right() < minName {
			widths[i] = 0
		}
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		if r.cells == nil {
			line := shorten(r.name, width)
			if r.text != "" {
				line = shorten(r.name, max(width-len(r.text)-2, minName)) + "  " + r.text
			}
			lines[i] = fit(line, width)
			continue
		}
		room := max(width-right(), 0)
		name := shorten(r.name, room)
		line := name + strings.Repeat(" ", max(room-textWidth(name), 0))
		for k, c := range r.cells {
			if widths[k] > 0 {
				line += fmt.Sprintf("  %*s", widths[k], c)
			}
		}
		lines[i] = strings.TrimRight(fit(line, width), " ")
	}
	return lines
}

// shorten cuts the beginning of a name: the end of the names of mailboxes tells them apart.
func shorten(name string, columns int) string {
	if textWidth(name) <= columns {
		return name
	}
	const mark = "..."
	runes := []rune(name)
	for len(runes) > 0 && textWidth(string(runes)) > max(columns-len(mark), 0) {
		runes = runes[1:]
	}
	return fit(mark+string(runes), columns)
}

// textWidth returns the width of a text on a terminal. Characters that may be two columns
// wide count as two columns.
func textWidth(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// fit cuts a line to a number of columns.
func fit(s string, columns int) string {
	used := 0
	for i, r := range s {
		if used += runeWidth(r); used > columns {
			return s[:i]
		}
	}
	return s
}

// clockText tells a time as minutes and seconds, or hours, minutes and seconds.
func clockText(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// durationText tells how long something took.
func durationText(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}
