package ui

import (
	"strings"
	"time"

	"isync/internal/event"
)

// Objects turns events into JSON objects, as docs/events.md describes them. It is not
// safe for concurrent use.
type Objects struct {
	// Now tells the time.
	Now func() time.Time
	// Explain and WithCommands are as in Options.
	Explain      func(error) []Problem
	WithCommands func(event.Fact, event.Pair) event.Fact
	// Messages: there are objects about messages.
	Messages bool
	// DryRun: the objects about messages describe what would be done.
	DryRun bool

	tally tally
	begun time.Time // the first run or command
	// runs are the times at which the runs in progress were begun.
	runs map[int]time.Time
	// channels are the times at which channels were begun.
	channels map[string]time.Time
	warned   map[string]bool // warnings about places in files
	// shown is when the last object about progress was made.
	shown time.Time
}

// progressEvery is how often progress is reported at most.
const progressEvery = time.Second

// Lines returns the objects for an event, each with a line end. Most events have none.
func (j *Objects) Lines(e event.Event) [][]byte {
	now := j.Now()
	line := func(kind string, fill func(*object)) [][]byte { return [][]byte{encodeLine(kind, now, fill)} }
	switch e := e.(type) {
	case event.RunBegun:
		if len(j.runs) == 0 {
			j.begin(now)
		}
		j.runs[e.Run] = now
		return line("start", func(o *object) {
			o.positive("run", int64(e.Run))
			o.anyText("version", e.Version)
			o.text("command", e.Command.String())
			o.texts("channels", e.Channels)
		})
	case event.Summary:
		begun, ok := j.runs[e.Run]
		if !ok {
			begun = j.begun
		}
		delete(j.runs, e.Run)
		return line("summary", func(o *object) { j.summary(o, e, now.Sub(begun)) })
	case event.CommandEnded:
		return line("summary", func(o *object) {
			o.seconds("seconds", now.Sub(j.begun))
			o.number("exit", int64(e.Exit))
		})
	case event.Message:
		return j.message(e, now)
	case event.ChannelFailed:
		return j.problems(event.Message{Severity: event.Error, Pair: event.Pair{Channel: e.Channel}, Err: e.Err}, now)
	case event.WatchChanged:
		return line("watch", func(o *object) { j.watch(o, e) })
	case event.ChannelState:
		return line("status", func(o *object) { statusObject(o, e) })
	case event.PairListed:
		return line("list", func(o *object) {
			o.pair(e.Pair)
			o.mailboxes(e.Pair)
		})
	case event.BoxListed:
		return line("list", func(o *object) {
			o.text("store", e.Store)
			o.text("box", e.Box)
		})
	case event.PendingList:
		var lines [][]byte
		for i := range e.Messages {
			lines = append(lines, encodeLine("pending", now, func(o *object) { pendingObject(o, &e.Messages[i]) }))
		}
		return lines
	case event.Finding:
		return line("finding", func(o *object) { findingObject(o, e) })
	}
	return j.work(e, now)
}

// begin prepares for the events of a run.
func (j *Objects) begin(now time.Time) {
	if j.begun.IsZero() {
		j.begun = now
	}
	j.shown = now
	j.tally = newTally()
	j.runs = make(map[int]time.Time)
	j.channels = make(map[string]time.Time)
	j.warned = make(map[string]bool)
}

// work returns the objects about channels, boxes, messages and progress.
func (j *Objects) work(e event.Event, now time.Time) (lines [][]byte) {
	if j.channels == nil {
		j.begin(now)
	}
	add := func(kind string, fill func(*object)) { lines = append(lines, encodeLine(kind, now, fill)) }
	pair := j.pairOf(e) // the tally forgets it at the end
	begun := now
	if p := j.tally.pairs[keyOf(pair)]; p != nil {
		begun = p.begun
	}
	j.tally.take(e, now)
	switch e := e.(type) {
	case event.ChannelOpened:
		j.channels[e.Channel] = now
		add("channel", func(o *object) {
			o.text("channel", e.Channel)
			o.text("phase", "begin")
		})
	case event.ChannelEnded:
		add("channel", func(o *object) {
			o.text("channel", e.Channel)
			ended(o, e.Status)
			o.number("boxes", int64(e.Boxes))
			o.number("skipped", int64(e.Skipped))
			outcome(o, &e.Outcome)
			o.seconds("seconds", now.Sub(j.channels[e.Channel]))
		})
		delete(j.channels, e.Channel)
	case event.PairBegun:
		add("box", func(o *object) {
			o.pair(e.Pair)
			o.text("phase", "begin")
			o.mailboxes(e.Pair)
		})
	case event.PairSkipped:
		add("box", func(o *object) {
			o.pair(e.Pair)
			ended(o, event.StatusSkipped)
		})
	case event.PairEnded:
		lines = append(lines, j.foreseen(e, now)...)
		if e.Err != nil && !e.Reported {
			lines = append(lines, j.problems(event.Message{Severity: event.Error, Pair: e.Pair, Err: e.Err}, now)...)
		}
		add("box", func(o *object) {
			o.pair(e.Pair)
			ended(o, e.Status)
			outcome(o, &e.Outcome)
			o.ifTrue("interrupted", e.Interrupted)
			o.seconds("seconds", now.Sub(begun))
		})
	case event.MessageChanged:
		if j.Messages {
			add("message", func(o *object) { messageObject(o, pair, &e) })
		}
	case event.Done, event.Transferred:
		if now.Sub(j.shown) >= progressEvery {
			j.shown = now
			add("progress", func(o *object) { j.progress(o, now) })
		}
	}
	return lines
}

// pairOf completes the name of the pair of an event.
func (j *Objects) pairOf(e event.Event) event.Pair {
	switch e := e.(type) {
	case event.PairEnded:
		return e.Pair
	case event.MessageChanged:
		return j.complete(e.Pair)
	}
	return event.Pair{}
}

func (j *Objects) complete(n event.Pair) event.Pair {
	if p := j.tally.pairs[keyOf(n)]; p != nil {
		return p.name
	}
	return n
}

func ended(o *object, status event.Status) {
	o.text("phase", "end")
	o.text("status", status.String())
}

// outcome adds what was done with a pair or a channel.
func outcome(o *object, r *event.Outcome) {
	o.changes(r.Counts, r.Bytes)
	o.number("failed", int64(r.Failed))
	o.number("held", int64(r.Held))
}

func (j *Objects) summary(o *object, t event.Summary, took time.Duration) {
	o.positive("run", int64(t.Run))
	o.number("channels", int64(t.Channels))
	o.number("boxes", int64(t.Boxes))
	o.changes(t.Counts, t.Bytes)
	o.number("failed", int64(t.Failed))
	o.number("held", int64(t.Held))
	o.positive("unfinished", int64(t.Unfinished))
	o.positive("not_begun", int64(t.NotBegun))
	o.positive("not_listed", int64(t.NotListed))
	o.seconds("seconds", took)
	o.number("exit", int64(t.Exit))
}

func (j *Objects) progress(o *object, now time.Time) {
	g := j.tally.progress()
	o.number("done", int64(g.done))
	o.number("total", int64(max(g.total, g.done)))
	o.number("bytes", g.bytes)
	o.number("boxes_done", int64(j.tally.ended))
	o.number("boxes_total", int64(max(j.tally.boxes, j.tally.ended)))
	_, rate := j.tally.whole.rates(now, g)
	o.number("rate", int64(rate))
	if left, ok := j.tally.whole.left(now, g); ok && j.tally.allBegun() {
		o.seconds("eta", left)
	}
}

// message returns the objects for a notice, a warning or an error.
func (j *Objects) message(m event.Message, now time.Time) (lines [][]byte) {
	m.Pair = j.complete(m.Pair)
	if j.Messages && m.UID != 0 && m.Err != nil && m.Severity == event.Error {
		lines = append(lines, encodeLine("message", now, func(o *object) {
			o.pair(m.Pair)
			o.text("side", m.Side.String())
			o.text("event", "refused")
			o.text("mailbox", m.Pair.Box[m.Side])
			o.number("uid", int64(m.UID))
		}))
	}
	return append(lines, j.problems(m, now)...)
}

// problems returns the objects about the problems of a message.
func (j *Objects) problems(m event.Message, now time.Time) (lines [][]byte) {
	for _, p := range problemsOf(m, j.Explain, j.WithCommands) {
		if m.Severity == event.Warning && m.Pair.Channel == "" && p.Place != (event.Place{}) {
			key := p.Place.String() + p.Text
			if j.warned[key] {
				continue
			}
			if j.warned == nil {
				j.warned = make(map[string]bool)
			}
			j.warned[key] = true
		}
		lines = append(lines, encodeLine(m.Severity.String(), now, func(o *object) {
			o.pair(m.Pair)
			if m.UID != 0 {
				o.text("side", m.Side.String())
				o.number("uid", int64(m.UID))
			}
			o.text("store", m.Store)
			o.text("section", m.Section)
			o.path("path", m.Path)
			if p.Fact != nil {
				o.text("code", string(p.Fact.Code()))
			} else {
				o.text("code", string(event.Failed{}.Code()))
			}
			o.anyText("text", p.Text)
			o.text("hint", p.Hint)
			o.path("file", p.Place.File)
			o.positive("line", int64(p.Place.Line))
			if f, ok := m.Fact.(event.TryingAgain); ok {
				o.time("retry_at", now.Add(f.Wait))
			}
		}))
	}
	return lines
}

func (j *Objects) watch(o *object, e event.WatchChanged) {
	o.text("store", e.Store)
	o.flag("connected", e.Connected)
	o.text("mode", e.Mode)
	o.time("since", e.Since)
	o.time("next", e.Next)
	if e.Err == nil {
		return
	}
	if p := explainWith(j.Explain, e.Err); len(p) > 0 {
		if p[0].Fact != nil {
			o.text("code", string(p[0].Fact.Code()))
		}
		o.text("text", p[0].Text)
	}
}

func statusObject(o *object, e event.ChannelState) {
	o.text("channel", e.Channel)
	o.number("boxes", int64(e.Boxes))
	o.flag("running", e.Running)
	o.time("last_success", e.Success)
	o.time("next", e.Next)
	o.text("text", e.Problem)
	o.texts("waiting", e.Waiting)
	var names []string
	for _, b := range e.Failed {
		names = append(names, b.Box)
	}
	o.texts("failing", names)
}

func messageObject(o *object, pair event.Pair, e *event.MessageChanged) {
	o.pair(pair)
	o.text("side", e.Side.String())
	o.text("event", e.Change.String())
	o.text("mailbox", pair.Box[e.Side])
	o.positive("uid", int64(e.UID))
	o.path("path", e.Path)
	o.anyText("flags", e.Flags.String())
	o.text("added", e.Add.String())
	o.text("removed", e.Del.String())
	o.positive("size", e.Size)
	o.text("message_id", e.MessageID)
	o.ifTrue("placeholder", e.Placeholder)
	o.text("trash", e.Trash)
}

// foreseen returns what a dry run would do to messages.
func (j *Objects) foreseen(e event.PairEnded, now time.Time) (lines [][]byte) {
	if !j.Messages || !j.DryRun {
		return nil
	}
	for i := range e.Outcome.Foreseen {
		f := &e.Outcome.Foreseen[i]
		for _, c := range foreseenChanges(f) {
			lines = append(lines, encodeLine("message", now, func(o *object) {
				o.pair(e.Pair)
				o.text("side", f.Side.String())
				o.text("event", c.String())
				o.text("mailbox", e.Pair.Box[f.Side])
				o.number("uid", int64(f.UID))
				if c == event.Flags {
					o.text("added", f.Add.String())
					o.text("removed", f.Del.String())
				}
				o.positive("size", f.Size)
				o.ifTrue("placeholder", f.Placeholder)
				o.flag("would", true)
			}))
		}
	}
	return lines
}

// foreseenChanges returns what would be done to a message. It is copied from its side to
// the other one.
func foreseenChanges(f *event.Foreseen) (out []event.Change) {
	if f.Copy {
		out = append(out, event.New)
	}
	if f.Add|f.Del != 0 {
		out = append(out, event.Flags)
	}
	if f.Trash || f.RemoteTrash {
		out = append(out, event.Trash)
	}
	if f.Expunge {
		out = append(out, event.Expunge)
	}
	return out
}

func pendingObject(o *object, m *event.PendingMessage) {
	o.pair(m.Pair)
	o.text("side", m.Side.String())
	o.number("uid", int64(m.UID))
	o.flag("skipped", m.Skipped)
	o.number("tries", int64(m.Tries))
	o.time("since", m.Since)
	o.positive("size", m.Size)
	o.time("date", m.Date)
	o.text("message_id", m.MessageID)
	o.text("text", m.Why)
}

func findingObject(o *object, f event.Finding) {
	o.text("section", strings.TrimSpace(f.Section+" "+f.Name))
	o.text("level", f.Level.String())
	o.text("code", string(f.Code))
	o.text("text", f.Text)
	o.text("hint", f.Hint)
}
