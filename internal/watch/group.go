package watch

import (
	"context"
	"maps"
	"slices"
	"time"

	"isync/internal/channel"
	"isync/internal/event"
	"isync/internal/store"
)

// group has the channels of a runner and their state. Only the goroutine of Watcher.Run uses it;
// runs have their own goroutines.
type group struct {
	w        *Watcher
	runner   *channel.Runner
	observer *observer
	channels []*watchedChannel
	stores   map[string]*watchedStore // by name

	// tried: all channels have been tried once.
	tried bool
	// lastRun is the end of the last run; resting: its connections have been closed since then.
	lastRun time.Time
	resting bool
	// current is the run in progress; nil: there is none.
	current *currentRun
}

// currentRun is a run in progress.
type currentRun struct {
	// whole has the channels of the run: true if all selected mailboxes are synchronized, false
	// if only some pairs.
	whole map[string]bool
	done  chan struct{}
}

// watchedChannel is a channel of a group.
type watchedChannel struct {
	selection channel.Selection
	name      string
	stores    [2]*watchedStore
	whole     entry
	// pairs are the pairs of the last run of the whole channel, by name.
	pairs map[string]*watchedPair
	// early are the mailboxes of each side that were reported during a run of the whole channel
	// and belong to no known pair.
	early [2]map[string]bool
	// lastWhole is the end of the last run of the whole channel, lastSuccess that of the last one
	// without errors. problem is the last error of the channel.
	lastWhole, lastSuccess time.Time
	problem                error
}

// watchedPair is a pair of a channel.
type watchedPair struct {
	entry
	pair    event.Pair
	problem error
	// settled are the marks of the mailboxes after the last successful run. A report with the
	// same mark starts no run.
	settled [2]string
	// news is the state of the remote stores' reports about each mailbox since the last run
	// began.
	news [2]news
}

// news is the state of the reports about a mailbox.
type news struct {
	pending bool   // there was a report that no run is known to cover
	mark    string // of the last report; "": unknown for at least one report
}

// watchedStore is a store of a group.
type watchedStore struct {
	name  string
	trash string // its trash mailbox; "": none
	times Times
	store store.Store // nil: not opened
	watch store.Watch // nil: the store cannot be watched
	state *store.WatchState
	// selected are the mailboxes that were last passed to the watch.
	selected []string
	// until is the time from which runs are tried although the store is not connected.
	until time.Time
	// told: NotConnected was reported.
	told bool
}

// The values in the queue: reported is a report of a store, ended is the end of a run.
type (
	reported struct {
		group  *group
		store  *watchedStore
		report store.WatchReport
	}
	ended struct {
		group *group
		found *outcome
	}
)

func newGroup(w *Watcher, g Group) *group {
	out := &group{w: w, observer: newObserver(w.o.Events), stores: make(map[string]*watchedStore)}
	out.runner = g.NewRunner(out.observer)
	for _, s := range g.Selections {
		c := &watchedChannel{selection: s, name: s.Channel.Name, pairs: make(map[string]*watchedPair)}
		c.stores[0] = out.addStore(s.Channel.Far.Store.Name, trashOf(c, 0))
		c.stores[1] = out.addStore(s.Channel.Near.Store.Name, trashOf(c, 1))
		out.channels = append(out.channels, c)
	}
	return out
}

// trashOf returns the trash mailbox of one side of a channel; "": there is none, or it is found
// by its special use, and the server reports its changes.
func trashOf(c *watchedChannel, t int) string {
	s := c.selection.Channel.Far.Store
	if t == 1 {
		s = c.selection.Channel.Near.Store
	}
	if s.TrashUse != "" {
		return ""
	}
	return s.Trash
}

// addStore returns the store with a name.
func (g *group) addStore(name, trash string) *watchedStore {
	if g.stores[name] == nil {
		g.stores[name] = &watchedStore{name: name, trash: trash, times: g.w.o.Times(name)}
	}
	return g.stores[name]
}

// start begins the watches and makes all channels due. The watches begin first, so that no change
// is missed.
func (g *group) start(ctx context.Context) {
	now := time.Now()
	g.startWatches(ctx)
	for _, c := range g.channels {
		c.whole.plan(now)
	}
}

// startWatches begins the missing watches.
func (g *group) startWatches(ctx context.Context) {
	for _, c := range g.channels {
		opened, err := g.runner.Stores(c.selection.Channel)
		if err != nil {
			continue // the run reports it
		}
		for t, s := range c.stores {
			g.startWatch(ctx, s, opened[t])
		}
	}
}

// startWatch begins the watch of a store, unless it exists.
func (g *group) startWatch(ctx context.Context, s *watchedStore, opened store.Store) {
	if s.store == opened {
		return
	}
	if s.watch != nil {
		s.watch.Close() // the watch of a store that has failed
		s.watch = nil
	}
	s.store, s.state = opened, nil
	watcher, ok := store.As[store.Watcher](opened)
	if !ok {
		return
	}
	s.selected = g.boxesOf(s)
	o := store.WatchOptions{Boxes: s.selected, Preferred: s.times.Preferred}
	watch, err := watcher.Watch(ctx, o, func(r store.WatchReport) {
		g.w.queue.put(reported{group: g, store: s, report: r})
	})
	if err != nil {
		s.state = &store.WatchState{Mode: store.WatchPoll, Connected: true, Since: time.Now(), Err: err}
		return
	}
	s.watch = watch
}

// boxesOf returns the known mailboxes of a store; nil: none.
func (g *group) boxesOf(s *watchedStore) []string {
	boxes := make(map[string]bool)
	for _, c := range g.channels {
		for t := range c.stores {
			if c.stores[t] != s {
				continue
			}
			for _, p := range c.pairs {
				boxes[p.pair.Box[t]] = true
			}
		}
	}
	if len(boxes) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(boxes))
}

// close waits for the current run and closes all watches and stores.
func (g *group) close() {
	if g.current != nil {
		<-g.current.done
	}
	for _, s := range g.stores {
		if s.watch != nil {
			s.watch.Close()
		}
	}
	g.runner.Close()
}

// everything makes all channels due, including those that wait after a failure.
func (g *group) everything(now time.Time) {
	for _, c := range g.channels {
		if c.whole.running {
			c.whole.remoteAgain = true
			continue
		}
		c.whole.failures, c.whole.retry = 0, time.Time{}
		c.whole.plan(now)
	}
	for _, s := range g.stores {
		s.until = now
	}
}

// step begins a run if something is due, and returns the time when something is due next.
func (g *group) step(ctx context.Context, now time.Time) (next time.Time) {
	if g.current != nil {
		return time.Time{}
	}
	var selected []channel.Selection
	run := &currentRun{whole: make(map[string]bool), done: make(chan struct{})}
	for _, c := range g.channels {
		at := c.due(now)
		if at.IsZero() || at.After(now) {
			if !at.IsZero() && (next.IsZero() || at.Before(next)) {
				next = at
			}
			continue
		}
		s, whole := c.begin(now)
		for _, st := range c.stores {
			if pause := st.pause(); pause > 0 {
				st.until = now.Add(pause)
			}
		}
		run.whole[c.name] = whole
		selected = append(selected, s)
	}
	if selected == nil {
		return next
	}
	g.current, g.resting = run, false
	go func() {
		release := func() {}
		if g.w.o.Alone != nil {
			release = g.w.o.Alone(ctx, selected)
		}
		tell := func(channel.Summary) {}
		if g.w.o.Begun != nil {
			tell = g.w.o.Begun(selected)
		}
		sum := g.runner.Run(ctx, selected)
		release()
		tell(sum)
		g.w.queue.put(ended{group: g, found: g.observer.take()})
		close(run.done)
	}()
	return time.Time{}
}

// due returns the time when the channel or one of its pairs is due; zero: never. While a store is
// not connected, it is not before watchedStore.until.
func (c *watchedChannel) due(now time.Time) time.Time {
	at := c.whole.due()
	for _, p := range c.pairs {
		if t := p.due(); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, s := range c.stores {
		if !at.IsZero() && s.isDown() && at.Before(s.until) {
			at = s.until
		}
	}
	return at
}

// isDown reports whether the store has lost its connection.
func (s *watchedStore) isDown() bool { return s.state != nil && !s.state.Connected }

// begin begins a run of the whole channel or of the pairs that are due, and returns the
// selection.
func (c *watchedChannel) begin(now time.Time) (s channel.Selection, whole bool) {
	s = c.selection
	at := c.whole.due()
	whole = !at.IsZero() && !at.After(now)
	if len(c.selection.Channel.Patterns) == 0 {
		whole = true // it has only one pair
	}
	s.Boxes = c.selection.Boxes
	if whole {
		c.whole.begin()
		for _, p := range c.pairs {
			p.beginRun()
		}
		return s, true
	}
	s.Boxes, s.Uses = []string{}, nil
	for _, name := range slices.Sorted(maps.Keys(c.pairs)) {
		p := c.pairs[name]
		if at := p.due(); !at.IsZero() && !at.After(now) {
			p.beginRun()
			s.Boxes = append(s.Boxes, name)
		}
	}
	return s, false
}

// rest closes connections that have been unused for some time.
func (g *group) rest(now time.Time) {
	if g.current != nil || g.resting {
		return
	}
	keep := time.Duration(0)
	for _, s := range g.stores {
		keep = max(keep, s.times.Keep)
	}
	if keep == 0 || now.Sub(g.lastRun) < keep {
		return
	}
	g.resting = true
	g.runner.Rest()
}
