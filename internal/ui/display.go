package ui

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// drawEvery is the shortest time between two changes of the display. More frequent
	// changes would flicker.
	drawEvery = 100 * time.Millisecond
	// showAfter is how long a run must take before the display appears.
	showAfter = 500 * time.Millisecond
	// maxWidth is the maximum width of its lines. Most terminals wrap lines again if their
	// window becomes narrower, and then the number of rows is unknown. So the lines are
	// shorter than usual windows are wide.
	maxWidth = 79
	// usualRows is the height of a terminal that does not report it.
	usualRows = 24
)

// display is the part of the terminal, below all other lines, that shows the progress:
// a line for each pair in progress, and one for the run. Other lines are written above it.
// They wait until the display is drawn the next time, so that the screen changes once for
// all of them.
type display struct {
	over  bool // nothing is shown any more
	held  int  // somebody else uses the terminal
	begun time.Time
	// rows is the number of lines on the screen.
	rows  int
	drawn time.Time
	// queue are the lines to be written above.
	queue []heldLine
	// stop ends the goroutine that draws, and done is closed when it has ended; nil: there
	// is none.
	stop, done chan struct{}
}

// columns returns the width for the display; 0: there must be no display.
func (p *Printer) columns() int {
	if p.o.Columns == nil || p.o.Debug != 0 || p.o.Level < Normal {
		return 0
	}
	return p.o.Columns()
}

// begin prepares for a display; p.mu is held. A goroutine then draws the display, also
// while there are no events. The caller must call End.
func (p *Printer) begin(draws bool) {
	d := &p.display
	d.begun, d.over = p.o.Now(), false
	p.tally, p.mailed = newTally(), nil
	if !draws || d.stop != nil || p.columns() == 0 {
		return
	}
	d.stop, d.done = make(chan struct{}), make(chan struct{})
	go func(stop, done chan struct{}) {
		defer close(done)
		t := time.NewTicker(drawEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.mu.Lock()
				p.draw()
				p.mu.Unlock()
			case <-stop:
				return
			}
		}
	}(d.stop, d.done)
}

// draw draws the display, and writes the lines that wait, if it is time; p.mu is held.
func (p *Printer) draw() {
	d := &p.display
	if d.over || d.held > 0 || d.begun.IsZero() {
		return
	}
	now := p.o.Now()
	if now.Sub(d.begun) < showAfter || now.Sub(d.drawn) < drawEvery {
		return
	}
	d.drawn = now
	columns := p.columns()
	if columns == 0 {
		return
	}
	lines := p.progressLines(min(columns-1, maxWidth), p.height(), now)
	if len(lines) == 0 && d.rows == 0 {
		return
	}
	var b strings.Builder
	b.WriteString(d.top())
	if len(d.queue) > 0 {
		b.WriteString("\x1b[J")
		p.writeQueue(&b)
	}
	// Each line replaces the former one without clearing it first, so nothing flickers.
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l + "\x1b[K")
	}
	b.WriteString("\x1b[J") // there may have been more
	d.rows = len(lines)
	_, _ = io.WriteString(p.o.Out, b.String())
}

// height returns the number of lines that the display may have.
func (p *Printer) height() int {
	rows := usualRows
	if p.o.Rows != nil {
		if n := p.o.Rows(); n > 0 {
			rows = n
		}
	}
	return max(rows-1, 1)
}

// top moves to the first column of the first row of the display.
func (d *display) top() string {
	switch d.rows {
	case 0:
		return ""
	case 1:
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", d.rows-1)
}

// writeQueue writes the lines that wait. b is written to the output before them. Lines for
// the output are added to b.
func (p *Printer) writeQueue(b *strings.Builder) {
	for _, l := range p.display.queue {
		if l.w == p.o.Out {
			b.WriteString(l.text)
			continue
		}
		if b.Len() > 0 {
			_, _ = io.WriteString(p.o.Out, b.String())
			b.Reset()
		}
		_, _ = io.WriteString(l.w, l.text)
	}
	p.display.queue = nil
}

// clear removes the display from the screen, and writes the lines that wait; p.mu is held.
func (p *Printer) clear() {
	d := &p.display
	if d.rows == 0 && len(d.queue) == 0 {
		return
	}
	var b strings.Builder
	if d.rows > 0 {
		b.WriteString(d.top() + "\x1b[J")
		d.rows = 0
	}
	p.writeQueue(&b)
	if b.Len() > 0 {
		_, _ = io.WriteString(p.o.Out, b.String())
	}
}

// finish removes the display, which is not shown again; p.mu is held.
func (p *Printer) finish() {
	p.clear()
	p.display.over = true
}

// Hold makes room for a question to the user, or for a command that talks to
// them: until Release there is no display, and other lines wait, but for those
// of who looks for something with debug output.
func (p *Printer) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.display.held++
}

// Release ends Hold.
func (p *Printer) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.display.held--
	p.tellWaiting()
}

// tellWaiting writes what has waited for the terminal, if it is free; p.mu is
// held.
func (p *Printer) tellWaiting() {
	if p.display.held > 0 {
		return
	}
	lines := p.waiting
	p.waiting = nil
	for _, l := range lines {
		p.put(l)
	}
}

// End removes the display, which is not shown again.
func (p *Printer) End() {
	p.mu.Lock()
	p.finish()
	p.display.held = 0
	p.tellWaiting()
	stop, done := p.display.stop, p.display.done
	p.display.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
	}
}
