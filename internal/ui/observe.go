package ui

import (
	"errors"
	"fmt"
	"strings"

	"isync/internal/engine"
)

// The verbs of the two directions, by the side that is changed.
var verbs = [2]string{"push", "pull"}

// sides are the names of the sides.
var sides = [2]string{"far", "near"}

// ChannelStarted tells that a channel has so many pairs of mailboxes.
func (p *Printer) ChannelStarted(channel string, pairs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.channel(pairs)
	p.verbosef("%s: %d mailbox(es)", channel, pairs)
	p.drawStatus(false)
}

// PairStarted tells that the events of a pair follow.
func (p *Printer) PairStarted(n engine.PairName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.start(n)
	defer p.speak(keyOf(n))()
	p.debugf(DebugMain, "%s: far :%s:%s, near :%s:%s", label(n), n.Store[0], n.Box[0], n.Store[1], n.Box[1])
	p.drawStatus(false)
}

// PairDone tells how a pair has come out.
func (p *Printer) PairDone(n engine.PairName, r engine.Result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.speak(keyOf(n))()
	p.tellLoaded(n)
	p.status.end(n)
	if p.o.Level >= Verbose {
		for _, line := range planLines(r) {
			p.write(p.o.Out, p.narrow(label(n)+": "+line))
		}
	}
	done := countLines(r.Counts, p.o.DryRun)
	switch {
	case len(done) > 0:
		p.verbosef("%s: %s", label(n), strings.Join(done, ", "))
	case r.Unchanged:
		p.verbosef("%s: unchanged", label(n))
	case err == nil && r.Failed == 0:
		p.verbosef("%s: nothing to do", label(n))
	}
	if err != nil && !errors.Is(err, engine.ErrReported) {
		p.failed(where(n.Channel, n.Name), err)
	}
	p.drawStatus(false)
}

// ChannelFailed tells why a channel cannot be synchronized, or not completely.
func (p *Printer) ChannelFailed(channel string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed(where(channel, ""), err)
}

// Observe shows an event of the engine.
func (p *Printer) Observe(e engine.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.speak(pairKey{e.Channel, e.Box})()
	n := p.status.name(e)
	at := where(e.Channel, n.Name)
	if e.Kind != engine.Loaded {
		p.tellLoaded(n)
	}
	switch e.Kind {
	case engine.Loaded:
		// Both sides do this at the same time; they are told together.
		p.status.loaded(e)
	case engine.Planned, engine.Done:
		p.status.count(e)
		if e.Kind == engine.Done {
			p.debugDone(n, e)
		}
		p.drawStatus(false)
	case engine.Notice:
		if p.o.Level >= Normal {
			p.message("", "notice", at+": "+e.Text)
		}
	case engine.Warning:
		switch {
		case p.o.Level < Quiet:
		case e.Err != nil:
			p.tell("warning", at, e.Err)
		default:
			p.message("", "warning", at+": "+e.Text)
		}
	case engine.Failed:
		// The message is on the side it comes from.
		p.failed(fmt.Sprintf("%s, %s", at, message(e)), e.Err)
	case engine.Problem:
		p.failed(at, e.Err)
	case engine.Selected:
		p.debugf(DebugMain, "%s: %s", label(n), e.Text)
	case engine.Debug:
		p.debugf(DebugSync, "%s: %s", label(n), e.Text)
	}
}

// tellLoaded tells how many messages there are, unless it did.
func (p *Printer) tellLoaded(n engine.PairName) {
	if text := p.status.takeLoaded(keyOf(n)); text != "" {
		p.verbosef("%s: %s", label(n), text)
	}
}

// message names the message of an event.
func message(e engine.Event) string {
	return fmt.Sprintf("%s side message %d", e.Side, e.UID)
}

func (p *Printer) debugDone(n engine.PairName, e engine.Event) {
	if !p.Debugs(DebugSync) {
		return
	}
	what := [...]string{engine.New: "stored", engine.Flags: "flags changed", engine.Trash: "trashed", engine.Expunge: "expunged"}[e.What]
	switch {
	case e.N > 0:
		p.debugf(DebugSync, "%s: %s side: %d %s", label(n), e.Side, e.N, what)
	case e.UID != 0:
		p.debugf(DebugSync, "%s: %s side UID %d %s", label(n), e.Side, e.UID, what)
	default:
		p.debugf(DebugSync, "%s: %s side: %s, UID unknown", label(n), e.Side, what)
	}
}
