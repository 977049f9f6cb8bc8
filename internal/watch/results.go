package watch

import (
	"context"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/store"
)

// tellAfter is how long a store is without a connection before this is reported.
const tellAfter = time.Minute

// tellState reports once that a store has no connection, if that lasts or if the user must act,
// and later that the store is connected again.
func (g *group) tellState(s *watchedStore, now time.Time) {
	st := s.state
	if st == nil {
		return
	}
	if st.Connected {
		if s.told {
			s.told = false
			g.w.o.Events.Take(event.Message{Severity: event.Notice, Store: s.name, Fact: event.ConnectedAgain{}})
		}
		return
	}
	kind, _ := store.KindOf(st.Err)
	switch {
	case s.told || st.Err == nil:
	case kind == store.LastingAccount:
		s.told = true
		g.w.o.Events.Take(event.Message{Severity: event.Error, Store: s.name, Err: st.Err})
	case now.Sub(st.Since) >= tellAfter:
		s.told = true
		g.w.o.Events.Take(event.Message{Severity: event.Warning, Store: s.name, Fact: event.NotConnected{Since: st.Since, Err: st.Err}})
	}
}

// takeReport handles a report of a store.
func (g *group) takeReport(r reported, now time.Time) {
	s := r.store
	if st := r.report.State; st != nil {
		g.takeState(s, st, now)
	}
	if r.report.All || r.report.Boxes {
		g.noteWhole(s, r.report.All, now)
	}
	if r.report.Box != "" && !r.report.All {
		g.noteBox(s, r.report.Box, r.report.Mark, event.Pair{}, now)
	}
}

// note records a report of a store.
func (s *watchedStore) note(e *entry, now time.Time) {
	if s.isLocal() {
		e.reportedLocally(now)
	} else {
		e.reported(now)
	}
}

func (s *watchedStore) isLocal() bool {
	_, local := store.As[store.Local](s.store)
	return local
}

// note records a report about the mailbox of side t with its current mark; "": unknown. If the
// last run has left the mailbox with this mark, there is nothing to do, and earlier reports,
// whose changes that run covered, are withdrawn. A report during a run is compared with the marks
// that the run leaves; see settle.
func (p *watchedPair) note(s *watchedStore, t int, mark string, now time.Time) {
	if s.isLocal() {
		p.reportedLocally(now)
		return
	}
	n := &p.news[t]
	if n.pending && n.mark == "" {
		mark = ""
	}
	if !p.running && mark != "" && mark == p.settled[t] {
		*n = news{}
		if !p.news[1-t].pending {
			p.remote, p.remoteFirst = time.Time{}, time.Time{}
		}
		return
	}
	*n = news{true, mark}
	p.reported(now)
}

// beginRun begins a run of the pair.
func (p *watchedPair) beginRun() {
	p.begin()
	p.news = [2]news{}
}

// settle records the marks that a successful run has left, and withdraws the reports that the run
// covers.
func (p *watchedPair) settle(marks [2]string) {
	p.settled = marks
	for t := range p.news {
		if n := &p.news[t]; n.pending && n.mark != "" && n.mark == marks[t] {
			*n = news{}
		}
	}
	if p.running && !p.news[0].pending && !p.news[1].pending {
		p.remoteAgain = false
	}
}

// noteWhole records that all mailboxes of a store may have changed (all), or that there may be
// new ones, which affects only open-ended channels.
func (g *group) noteWhole(s *watchedStore, all bool, now time.Time) {
	for _, c := range g.channels {
		if c.uses(s) && (all || c.isOpenEnded()) {
			s.note(&c.whole, now)
		}
	}
}

// uses reports whether s is a store of the channel.
func (c *watchedChannel) uses(s *watchedStore) bool { return c.stores[0] == s || c.stores[1] == s }

// maxEarly limits the number of reports about mailboxes that are not known yet.
const maxEarly = 100_000

// noteBox records that a mailbox of a store has changed. mark is its current mark; "": unknown.
// by, if not zero, is the pair whose run made the change.
func (g *group) noteBox(s *watchedStore, box, mark string, by event.Pair, now time.Time) {
	for _, c := range g.channels {
		for t := range c.stores {
			if c.stores[t] != s {
				continue
			}
			known := false
			for _, p := range c.pairs {
				if p.pair.Box[t] == box {
					known = true
					if p.pair != by {
						p.note(s, t, mark, now)
					}
				}
			}
			switch {
			case known || !c.whole.running:
			case len(c.early[t]) < maxEarly:
				// The current run may or may not cover the change.
				if c.early[t] == nil {
					c.early[t] = make(map[string]bool)
				}
				c.early[t][box] = true
			default:
				s.note(&c.whole, now)
			}
		}
	}
}

// isOpenEnded reports whether new mailboxes may belong to the channel.
func (c *watchedChannel) isOpenEnded() bool {
	return len(c.selection.Channel.Patterns) > 0 && c.selection.Boxes == nil
}

// takeState records the state of a store's watch.
func (g *group) takeState(s *watchedStore, st *store.WatchState, now time.Time) {
	again := st.Connected && s.isDown()
	was := s.pause()
	s.state = st
	pause := s.pause()
	if again {
		g.retryNow(s, now)
	}
	// Every attempt to connect is reported, and must not delay the runs further.
	if pause != was {
		s.until = time.Time{}
		if pause > 0 {
			s.until = now.Add(pause)
		}
	}
	g.tellState(s, now)
	g.w.o.Events.Take(event.WatchChanged{Store: s.name, Mode: st.Mode.String(), Connected: st.Connected, Since: st.Since, Next: st.Next, Err: st.Err})
	for _, c := range g.channels {
		if c.uses(s) && !c.whole.running && !c.lastWhole.IsZero() {
			c.planNext(c.lastWhole)
		}
	}
}

// pause returns how long runs wait while the store is not connected; 0: it may be connected.
// After the pause a run is tried all the same, because only the watch may have failed.
func (s *watchedStore) pause() time.Duration {
	if !s.isDown() {
		return 0
	}
	if kind, _ := store.KindOf(s.state.Err); kind == store.LastingAccount {
		return lastingWait
	}
	if s.times.Poll == 0 {
		return retryMax
	}
	return s.times.Poll
}

// retryNow makes failed channels and pairs due that use a store which is connected again.
func (g *group) retryNow(s *watchedStore, now time.Time) {
	for _, c := range g.channels {
		if !c.uses(s) {
			continue
		}
		entries := []*entry{&c.whole}
		for _, p := range c.pairs {
			entries = append(entries, &p.entry)
		}
		for _, e := range entries {
			if e.failures > 0 && !e.running {
				e.retry = now
			}
		}
	}
}

// ended handles the end of a run.
func (g *group) ended(ctx context.Context, found *outcome, now time.Time) {
	run := g.current
	g.current, g.lastRun = nil, now
	g.tried = true
	// The stores whose mailboxes may have changed; true if they were listed.
	listed := make(map[*watchedStore]bool)
	for _, c := range g.channels {
		whole, begun := run.whole[c.name]
		if !begun {
			continue
		}
		if whole {
			g.endWhole(c, found, now)
			for _, s := range c.stores {
				listed[s] = listed[s] || len(c.selection.Channel.Patterns) > 0
			}
		}
		g.endPairs(c, found, now)
	}
	g.noteOwn(found, now)
	g.startWatches(ctx) // stores that could not be opened before
	for s, anew := range listed {
		if s.watch == nil {
			continue
		}
		if boxes := g.boxesOf(s); boxes != nil && (anew || !slices.Equal(boxes, s.selected)) {
			s.selected = boxes
			s.watch.Select(boxes)
		}
	}
}

// noteOwn makes pairs due whose mailboxes were changed by the run of another pair, because stores
// need not report changes of this process.
func (g *group) noteOwn(found *outcome, now time.Time) {
	for _, c := range g.channels {
		for p, r := range found.pairs {
			if p.Channel != c.name {
				continue
			}
			for t, s := range c.stores {
				if r.counts[t].Total() > 0 {
					g.noteBox(s, p.Box[t], "", p, now)
				}
				if s.trash != "" && r.counts[0].Trashed+r.counts[1].Trashed > 0 {
					g.noteBox(s, s.trash, "", p, now)
				}
			}
		}
	}
}

// endWhole handles the end of a run of a whole channel.
func (g *group) endWhole(c *watchedChannel, found *outcome, now time.Time) {
	err := found.failed[c.name]
	if found.begun[c.name] {
		g.replacePairs(c, found, now)
	}
	c.early = [2]map[string]bool{}
	c.problem = err
	if err != nil {
		c.whole.failed(now, err, retryMax)
		return
	}
	c.whole.succeeded(now)
	c.lastWhole = now
	if !c.hasFailed(found) {
		c.lastSuccess = now
	}
	c.planNext(now)
}

// hasFailed reports whether a pair of the channel has failed.
func (c *watchedChannel) hasFailed(found *outcome) bool {
	for p, r := range found.pairs {
		if p.Channel == c.name && (r.failed || !r.ended) {
			return true
		}
	}
	return false
}

// replacePairs replaces the pairs of a channel with those of a run. Reports about a new pair may
// have arrived too late for the run.
func (g *group) replacePairs(c *watchedChannel, found *outcome, now time.Time) {
	pairs := make(map[string]*watchedPair)
	for _, p := range found.order {
		if p.Channel != c.name {
			continue
		}
		old := c.pairs[p.Name]
		if old == nil {
			old = &watchedPair{entry: entry{running: true}}
			for t, s := range c.stores {
				if c.early[t][p.Box[t]] {
					old.note(s, t, "", now)
				}
			}
		}
		old.pair = p
		pairs[p.Name] = old
	}
	c.pairs = pairs
}

// planNext plans the next run of the whole channel, after the last one ended.
func (c *watchedChannel) planNext(last time.Time) {
	c.whole.planned = time.Time{}
	for _, s := range c.stores {
		if d := s.interval(); d > 0 {
			c.whole.plan(last.Add(d))
		}
	}
}

// interval returns how often the mailboxes of the store are polled.
func (s *watchedStore) interval() time.Duration {
	if s.state == nil || !s.state.Connected || s.state.Mode == store.WatchPoll || s.state.Covered != nil {
		return s.times.Poll
	}
	return s.times.Safety
}

// endPairs handles the results of the pairs of a run.
func (g *group) endPairs(c *watchedChannel, found *outcome, now time.Time) {
	results := make(map[string]*result)
	for p, r := range found.pairs {
		if p.Channel == c.name {
			results[p.Name] = r
		}
	}
	for name, p := range c.pairs {
		if !p.running {
			continue
		}
		r := results[name]
		if r == nil || !r.ended || r.failed {
			p.settled = [2]string{}
		} else {
			p.settle(r.marks)
		}
		switch {
		case r == nil || !r.ended:
			// The pair was interrupted, or a store failed before it.
			p.problem = found.failed[c.name]
			p.failed(now, p.problem, retryMax)
		case r.locked:
			p.problem = r.err
			p.failed(now, nil, lockedMax)
		case r.failed && r.err == nil:
			p.problem = nil
			p.incomplete(now)
		case r.failed:
			p.problem = r.err
			p.failed(now, r.err, retryMax)
		default:
			p.problem = nil
			p.succeeded(now)
		}
	}
}
