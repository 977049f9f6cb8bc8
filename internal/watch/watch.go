package watch

import (
	"context"
	"sync"
	"time"

	"isync/internal/channel"
	"isync/internal/event"
)

// Options describe a Watcher.
type Options struct {
	// Groups have different channels, and no store or account in common.
	Groups []Group
	// Events receives the events of all runs.
	Events event.Sink
	// Alone, if not nil, is called before each run. It waits for other processes that
	// synchronize the same stores. release is called at the end of the run.
	Alone func(context.Context, []channel.Selection) (release func())
	// Begun, if not nil, is called at the beginning of each run, and the returned function at its
	// end. Several runs may be in progress at the same time.
	Begun func([]channel.Selection) (ended func(channel.Summary))
	// Times returns the intervals of a store.
	Times func(store string) Times
	// Network, if not nil, receives a value when addresses or routes of the computer have
	// changed.
	Network <-chan struct{}
	// Ready, if not nil, is called once, after all channels have been tried.
	Ready func()
	// Idle, if not nil, is called idleDelay after runs, while no run is in progress.
	Idle func()
	// Beat, if not nil, is called at least every BeatInterval while the schedule is working.
	Beat func()
	// Status, if not nil, is called with the status after changes, at most about once per second.
	Status func(Status)
	// Clock returns the wall clock, and a clock that stops while the computer is suspended; nil:
	// the clocks of the system.
	Clock func() (wall time.Time, running time.Duration)
}

// BeatInterval is the longest time between two calls of Options.Beat.
const BeatInterval = suspendTick

// Group is a set of channels that are synchronized by one runner.
type Group struct {
	Selections []channel.Selection
	// NewRunner returns a runner that reports to the sink. The group closes it.
	NewRunner func(event.Sink) *channel.Runner
}

// Times are the intervals of a store.
type Times struct {
	// Poll is the interval at which mailboxes are polled whose changes are not reported. Safety
	// is the interval for all others, in case a report was lost. 0: never, for local stores.
	Poll, Safety time.Duration
	// Keep is how long an unused connection is kept; 0: for ever.
	Keep time.Duration
	// Preferred mailboxes are watched first; see store.WatchOptions.
	Preferred []string
}

const (
	// suspendTick is the interval at which the clocks are compared. suspendJump is the difference
	// that means that the computer was suspended.
	suspendTick = 20 * time.Second
	suspendJump = 10 * time.Second
	// networkDelay is the time in which changes of the network are collected.
	networkDelay = time.Second
	// idleDelay is the time between the last run and Options.Idle. idleEvery is the minimum time
	// between two calls.
	idleDelay = 5 * time.Second
	idleEvery = 5 * time.Minute
	// statusDelay is the time in which changes of the status are collected.
	statusDelay = time.Second
)

// Watcher synchronizes channels after changes and at intervals.
type Watcher struct {
	o      Options
	queue  *queue
	groups []*group

	// Only for the goroutine of Run:
	ready      bool
	probeAt    time.Time // when watches are probed; zero: not planned
	statusAt   time.Time
	idleAt     time.Time // when Idle was called
	wall       time.Time // at the last tick
	running    time.Duration
	clockStart time.Time
}

// New returns a Watcher.
func New(o Options) *Watcher {
	w := &Watcher{o: o, queue: newQueue()}
	if o.Clock == nil {
		w.clockStart = time.Now()
		w.o.Clock = w.systemClock
	}
	for _, g := range o.Groups {
		w.groups = append(w.groups, newGroup(w, g))
	}
	return w
}

// systemClock returns the clocks of the system. Go's monotonic clock stops while the computer is
// suspended.
func (w *Watcher) systemClock() (time.Time, time.Duration) {
	now := time.Now()
	return now.Round(0), now.Sub(w.clockStart)
}

// Now makes Run synchronize all channels at once, and test all connections.
func (w *Watcher) Now() { w.queue.put(everythingNow{}) }

// everythingNow is a request of Now.
type everythingNow struct{}

// Run synchronizes the channels until ctx ends. Then it waits for the interrupted runs and closes
// all connections.
func (w *Watcher) Run(ctx context.Context) {
	w.wall, w.running = w.o.Clock()
	for _, g := range w.groups {
		g.start(ctx)
	}
	w.serve(ctx)
	var wg sync.WaitGroup
	for _, g := range w.groups {
		wg.Go(g.close)
	}
	wg.Wait()
}

// serve is the loop of the schedule.
func (w *Watcher) serve(ctx context.Context) {
	tick := time.NewTicker(suspendTick)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	network := w.o.Network
	for {
		now := time.Now()
		next := w.step(ctx, now)
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(next.Sub(now))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-tick.C:
			w.tick(time.Now())
		case <-w.queue.wake:
			for _, item := range w.queue.take() {
				w.handle(ctx, item, time.Now())
			}
		case _, ok := <-network:
			if !ok {
				network = nil
				break
			}
			if w.probeAt.IsZero() {
				w.probeAt = time.Now().Add(networkDelay)
			}
		}
	}
}

// step begins what is due, and returns the latest time for the next call.
func (w *Watcher) step(ctx context.Context, now time.Time) (next time.Time) {
	soonest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !w.probeAt.IsZero() && !w.probeAt.After(now) {
		w.probe()
	}
	soonest(w.probeAt)
	for _, g := range w.groups {
		soonest(g.step(ctx, now))
	}
	if !w.statusAt.IsZero() && !w.statusAt.After(now) {
		w.statusAt = time.Time{}
		w.o.Status(w.status(now))
	}
	soonest(w.statusAt)
	return next
}

// handle processes a value of the queue.
func (w *Watcher) handle(ctx context.Context, item any, now time.Time) {
	switch item := item.(type) {
	case everythingNow:
		w.probe()
		for _, g := range w.groups {
			g.everything(now)
		}
	case reported:
		item.group.takeReport(item, now)
	case ended:
		item.group.ended(ctx, item.found, now)
		w.checkReady()
	}
	w.changed(now)
}

// changed schedules a report of the status.
func (w *Watcher) changed(now time.Time) {
	if w.o.Status != nil && w.statusAt.IsZero() {
		w.statusAt = now.Add(statusDelay)
	}
}

// checkReady calls Options.Ready if all channels have been tried.
func (w *Watcher) checkReady() {
	if w.ready {
		return
	}
	for _, g := range w.groups {
		if !g.tried {
			return
		}
	}
	w.ready = true
	if w.o.Ready != nil {
		w.o.Ready()
	}
}

// probe tests the connections of all watches.
func (w *Watcher) probe() {
	w.probeAt = time.Time{}
	for _, g := range w.groups {
		for _, s := range g.stores {
			if s.watch != nil {
				s.watch.Probe()
			}
		}
	}
}

// tick compares the clocks, and closes unused connections.
func (w *Watcher) tick(now time.Time) {
	wall, running := w.o.Clock()
	jump := wall.Sub(w.wall) - (running - w.running)
	w.wall, w.running = wall, running
	if jump > suspendJump || jump < -suspendJump {
		// While suspended, reports may have been missed, and timers did not run.
		w.probe()
		for _, g := range w.groups {
			g.everything(now)
		}
	}
	for _, g := range w.groups {
		g.rest(now)
		for _, s := range g.stores {
			g.tellState(s, now)
		}
	}
	w.tellIdle(now)
	if w.o.Beat != nil {
		w.o.Beat()
	}
}

// tellIdle calls Options.Idle once after runs, at most once per idleEvery.
func (w *Watcher) tellIdle(now time.Time) {
	var last time.Time // end of a run
	for _, g := range w.groups {
		if g.current != nil {
			return
		}
		if g.lastRun.After(last) {
			last = g.lastRun
		}
	}
	if w.o.Idle == nil || !last.After(w.idleAt) || now.Sub(last) < idleDelay || now.Sub(w.idleAt) < idleEvery {
		return
	}
	w.idleAt = now
	for _, g := range w.groups {
		g.runner.Forget()
	}
	w.o.Idle()
}
