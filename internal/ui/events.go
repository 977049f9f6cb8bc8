package ui

import (
	"fmt"
	"strings"
	"time"

	"isync/internal/event"
)

// The verbs of the two directions, by the side that is changed.
var verbs = [2]string{"push", "pull"}

// sides are the names of the sides.
var sides = [2]string{"far", "near"}

var _ event.Sink = (*Printer)(nil)

// Take implements event.Sink.
func (p *Printer) Take(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.take(e, p.o.Now())
	defer p.draw()
	switch e := e.(type) {
	case event.Message:
		p.takeMessage(e)
	case event.RunBegun:
		if p.runs++; p.runs == 1 {
			p.begin(true)
		}
	case event.ChannelOpened:
		if p.display.begun.IsZero() {
			p.begin(false)
		}
	case event.ChannelBegun:
		p.verbosef("%s: %d mailbox(es)", e.Channel, e.Pairs)
	case event.ChannelFailed:
		p.tell(event.Error, where(e.Channel, ""), p.explain(e.Err))
	case event.PairBegun:
		p.takePairBegun(e.Pair)
	case event.PairEnded:
		p.takePairEnded(e)
	case event.Listed:
		// Both sides do this at the same time; they are told together.
		p.turns.loaded(e)
	case event.Planned:
		defer p.speak(keyOf(e.Pair))()
		p.tellLoaded(e.Pair)
	case event.Done:
		p.takeDone(e)
	case event.Trace:
		p.takeTrace(e)
	case event.WatchBegun:
		if p.o.Level >= Normal {
			p.write(p.o.Out, fmt.Sprintf("watching %d channel(s)", e.Channels))
		}
	case event.WatchChanged:
		p.verbosef("store '%s': %s", e.Store, watchText(e))
	case event.Summary:
		if p.runs = max(p.runs-1, 0); p.runs == 0 {
			p.finish()
		}
		p.takeSummary(e)
	case event.PendingList:
		p.takePendingList(e)
	case event.Output:
		p.write(p.o.Out, e.Line)
	}
}

// takePairBegun prepares for the events of a pair.
func (p *Printer) takePairBegun(n event.Pair) {
	p.turns.start(n)
	defer p.speak(keyOf(n))()
	p.debug(event.DebugMain, fmt.Sprintf("%s: far :%s:%s, near :%s:%s", label(n), n.Store[0], n.Box[0], n.Store[1], n.Box[1]))
}

// takePairEnded shows the result of a pair.
func (p *Printer) takePairEnded(e event.PairEnded) {
	n := e.Pair
	defer p.speak(keyOf(n))()
	p.tellLoaded(n)
	p.turns.end(n)
	if got := e.Outcome.Counts[1].New; got > 0 {
		p.mailed = append(p.mailed, mailed{label(n), got})
	}
	if p.o.Level >= Verbose {
		for _, line := range planLines(e.Outcome) {
			p.write(p.o.Out, p.narrow(label(n)+": "+line))
		}
	}
	done := countLines(e.Outcome.Counts, p.o.DryRun)
	switch {
	case len(done) > 0 && p.o.Watch && p.o.Level >= Normal:
		p.write(p.o.Out, p.narrow(label(n)+": "+strings.Join(done, ", ")))
	case len(done) > 0:
		p.verbosef("%s: %s", label(n), strings.Join(done, ", "))
	case e.Outcome.Unchanged:
		p.verbosef("%s: unchanged", label(n))
	case e.Err == nil && e.Outcome.Failed == 0:
		p.verbosef("%s: nothing to do", label(n))
	}
	if e.Outcome.Ambiguous != [2]int{} {
		p.verbosef("%s: %s, and are not copied", label(n), ambiguousText(e.Outcome.Ambiguous))
	}
	if e.Err != nil && !e.Reported {
		p.tell(event.Error, where(n.Channel, n.Name), p.explain(e.Err))
	}
}

// takeDone tells of a change.
func (p *Printer) takeDone(e event.Done) {
	defer p.speak(keyOf(e.Pair))()
	p.tellLoaded(e.Pair)
	p.debugDone(e)
}

// takeTrace shows debug output.
func (p *Printer) takeTrace(e event.Trace) {
	if e.Pair.Channel == "" {
		p.debug(e.Topic, e.Text)
		return
	}
	defer p.speak(keyOf(e.Pair))()
	p.tellLoaded(e.Pair)
	p.debug(e.Topic, label(p.turns.name(e.Pair))+": "+e.Text)
}

// takeMessage shows a notice, a warning or an error.
func (p *Printer) takeMessage(m event.Message) {
	at := ""
	if m.Pair.Channel != "" {
		defer p.speak(keyOf(m.Pair))()
		p.tellLoaded(m.Pair)
		m.Pair = p.turns.name(m.Pair)
		at = where(m.Pair.Channel, m.Pair.Name)
		if m.UID != 0 { // m.Side has the message
			at += fmt.Sprintf(", %s side message %d", m.Side, m.UID)
		}
	}
	if p.o.Level < levelOf(m) {
		return
	}
	problems := problemsOf(m, p.o.Explain, p.o.WithCommands)
	for i := range problems {
		pr := &problems[i]
		switch {
		case m.Store != "":
			pr.Text = "store '" + m.Store + "': " + pr.Text
		case m.Section != "":
			pr.Text = m.Section + ": " + pr.Text
		case m.Path != "":
			pr.Text = "'" + m.Path + "': " + pr.Text
		}
	}
	p.tell(m.Severity, at, problems)
}

// longWait is the wait from which on everybody is told that something is tried again.
const longWait = 5 * time.Second

// levelOf returns the lowest level at which a message is shown.
func levelOf(m event.Message) Level {
	switch f := m.Fact.(type) {
	case event.LineMeasured:
		return Verbose
	case event.TryingAgain:
		if f.Wait < longWait {
			return Verbose
		}
	}
	switch m.Severity {
	case event.Notice:
		return Normal
	case event.Warning:
		return Quiet
	}
	return Silent
}

// tell shows problems. Each line begins with the pair or channel, if the problem is
// about one. The same warning about the same line of a file is shown once.
func (p *Printer) tell(severity event.Severity, where string, problems []Problem) {
	for _, pr := range problems {
		place := pr.Place.String()
		if severity == event.Warning && where == "" && place != "" {
			if p.warned[place+pr.Text] {
				continue
			}
			p.warned[place+pr.Text] = true
		}
		if where != "" {
			pr.Text = where + ": " + pr.Text
		}
		if p.o.Level >= Verbose && pr.Fact != nil {
			pr.Text += " [" + string(pr.Fact.Code()) + "]" // for docs/messages.md
		}
		p.message(place, severity.String(), pr.Text)
		if pr.Hint != "" {
			for h := range strings.SplitSeq(pr.Hint, "\n") {
				p.hint(h)
			}
		}
	}
}

// tellLoaded tells how many messages there are, unless it did.
func (p *Printer) tellLoaded(n event.Pair) {
	if text := p.turns.takeLoaded(keyOf(n)); text != "" {
		p.verbosef("%s: %s", label(p.turns.name(n)), text)
	}
}

// debugDone shows a change that was made.
func (p *Printer) debugDone(e event.Done) {
	if p.o.Debug&event.DebugSync == 0 {
		return
	}
	n := label(p.turns.name(e.Pair))
	what := [...]string{event.New: "stored", event.Flags: "flags changed", event.Trash: "trashed", event.Expunge: "expunged"}[e.Change]
	switch {
	case e.Count > 0:
		p.debug(event.DebugSync, fmt.Sprintf("%s: %s side: %d %s", n, e.Side, e.Count, what))
	case e.UID != 0:
		p.debug(event.DebugSync, fmt.Sprintf("%s: %s side UID %d %s", n, e.Side, e.UID, what))
	default:
		p.debug(event.DebugSync, fmt.Sprintf("%s: %s side: %s, UID unknown", n, e.Side, what))
	}
}
