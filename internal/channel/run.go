package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
)

// defaultParallel is how many pairs are worked on at a time if there is no
// other limit: enough for many slow servers, few enough to be bounded in memory.
const defaultParallel = 16

// runner is one run over several channels.
type runner struct {
	Options
	gate *gate

	mu     sync.Mutex // guards what follows
	stores map[*config.Store]store.Store
	broken map[*config.Store]error
	states map[string]engine.PairName // whose state is in a file
	owners map[string]string          // the channel a mailbox was in first
	warned map[[2]string]bool         // channels that overlap
	sum    Summary
	// foreseen are the changes that a dry run has planned for two mailboxes.
	foreseen map[[2]string][2]engine.Counts
}

func newRunner(o Options) *runner {
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	if o.TUIDs != nil {
		o.TUIDs = &sharedReader{r: o.TUIDs}
	}
	return &runner{
		Options: o,
		gate:    newGate(o.Parallel),
		stores:  map[*config.Store]store.Store{},
		broken:  map[*config.Store]error{},
		states:  map[string]engine.PairName{},
		owners:  map[string]string{},
		warned:  map[[2]string]bool{},

		foreseen: map[[2]string][2]engine.Counts{},
	}
}

// sharedReader is a reader for several goroutines.
type sharedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (s *sharedReader) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(b)
}

// Run synchronizes the selected channels. It returns when everything that can
// be done is done, or soon after ctx has ended.
func Run(ctx context.Context, sel []Selection, o Options) Summary {
	r := newRunner(o)
	defer r.close()
	// A place for each channel that is listed or worked on.
	places := make(chan struct{}, r.Parallel)
	var wg sync.WaitGroup
	var before []*begun
	for i, s := range sel {
		if ctx.Err() != nil {
			r.interrupted(func(sum *Summary) { sum.NotListed += len(sel) - i })
			break
		}
		r.countChannel()
		// What is wrong with the configuration is told in order.
		if _, err := r.open(s.Channel); err != nil {
			r.channelFailed(s.Channel, err)
			continue
		}
		if err := EnoughConnections(s.Channel); err != nil {
			r.channelFailed(s.Channel, err)
			continue
		}
		b := &begun{regions: regions(s), done: make(chan struct{})}
		var first []*begun
		for _, o := range before {
			if overlap(b.regions, o.regions) {
				first = append(first, o)
			}
		}
		before = append(before, b)
		wg.Go(func() {
			defer close(b.done)
			for _, o := range first {
				<-o.done
			}
			places <- struct{}{}
			defer func() { <-places }()
			r.channel(ctx, s)
		})
		if r.Parallel == 1 {
			<-b.done
		}
	}
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sum
}

// begun is a channel that was begun.
type begun struct {
	regions []region
	done    chan struct{} // closed when it has ended
}

// countChannel counts a channel.
func (r *runner) countChannel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Channels++
}

// failed notes that not everything was successful.
func (r *runner) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Failed = true
}

// interrupted notes what was not done because the run was told to stop.
func (r *runner) interrupted(note func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Failed = true
	note(&r.sum)
}

// close ends the sessions of all stores at the same time.
func (r *runner) close() {
	var wg sync.WaitGroup
	for _, s := range r.stores {
		wg.Go(func() { _ = s.Close() })
	}
	wg.Wait()
}

// channel lists the pairs of a channel and begins them in order.
func (r *runner) channel(ctx context.Context, s Selection) {
	q := r.quietOf(s.Channel)
	pairs, err := r.pairs(ctx, s, q)
	var jobs []job
	if err == nil {
		jobs = r.jobs(s, pairs, q)
		err = r.lookAround(ctx, q, jobs)
	}
	if err != nil {
		if ctx.Err() != nil {
			r.interrupted(func(sum *Summary) { sum.NotListed++ })
		}
		r.channelFailed(s.Channel, err)
		return
	}
	r.Observer.ChannelStarted(s.Channel.Name, len(pairs))
	g := &goneBoxes{}
	r.lookAtStates(g, jobs)
	r.work(ctx, s, jobs, q, g)
	r.tellGone(ctx, s, g, jobs)
	if err := q.save(); err != nil {
		r.Observer.Observe(engine.Event{Kind: engine.Debug, Channel: s.Channel.Name, Text: "what needed nothing is not remembered: " + err.Error()})
	}
}

// job is a pair to be worked on.
type job struct {
	target
	pair *engine.Pair // nil: there is err
	// unchanged: it is known to need nothing.
	unchanged bool
}

// jobs describes the pairs to the engine.
func (r *runner) jobs(s Selection, pairs []target, q *quiet) []job {
	jobs := make([]job, len(pairs))
	for i, t := range pairs {
		j := &jobs[i]
		j.target = t
		if t.err == nil && r.isOneDirectory(t) {
			j.err = errOnePlace(s.Channel, t)
		}
		if j.err != nil {
			continue
		}
		var p *engine.Pair
		if p, j.err = r.enginePair(s, t); j.err != nil {
			continue
		}
		if q.path != "" {
			p.Unchanged = func(fingerprint string) bool { return q.unchanged(p, fingerprint, r.now()) }
			p.MayBeUnchanged = q.knows(p, r.now())
		}
		j.pair = p
	}
	return jobs
}

// work begins the pairs of a channel in order, and waits for them.
func (r *runner) work(ctx context.Context, s Selection, jobs []job, q *quiet, g *goneBoxes) {
	var wg sync.WaitGroup
	defer wg.Wait()
	// Into these the pairs begun so far may put messages.
	filled := map[string]bool{}
	for i, j := range jobs {
		t := j.target
		left := func() {
			if ctx.Err() != nil {
				r.interrupted(func(sum *Summary) { sum.NotBegun += len(jobs) - i })
			}
		}
		c := r.claimOf(s.Channel, t)
		r.lookForOverlap(s.Channel, t, c)
		isFilled := slices.ContainsFunc(c.boxes, func(b string) bool { return filled[b] })
		if j.unchanged && !isFilled && ctx.Err() == nil {
			if r.Parallel == 1 {
				wg.Wait() // it takes no place in the gate, but its turn
			}
			r.Observer.PairStarted(t.PairName)
			if r.Explain {
				r.Observer.Observe(engine.Event{Kind: engine.Selected, Channel: t.Channel, Box: t.Box, Text: "unchanged since a run that found nothing to do; not opened"})
			}
			r.finish(ctx, s, t, engine.Result{Unchanged: true}, nil)
			continue
		}
		if err := r.gate.enter(ctx, c); err != nil {
			left()
			return
		}
		if r.isBroken(s.Channel) {
			left()
			r.gate.leave(c)
			return
		}
		// From here, so that pairs are begun in order.
		r.Observer.PairStarted(t.PairName)
		if j.pair == nil {
			r.finish(ctx, s, t, engine.Result{}, j.err)
			r.gate.leave(c)
			continue
		}
		if r.Explain {
			r.tellPair(j.pair)
		}
		for _, b := range c.trash {
			filled[b] = true
		}
		wg.Go(func() { r.pair(ctx, s, j, q, g, c) })
	}
}

func (r *runner) channelFailed(c *config.Channel, err error) {
	r.failed()
	r.note(c, err)
	r.Observer.ChannelFailed(c.Name, err)
}

// note remembers the stores that have failed, so that they are not tried again.
// It reports whether there are any, and whether all of them were known to have.
func (r *runner) note(c *config.Channel, err error) (any, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known = true
	for _, se := range storeErrors(err) {
		any = true
		for _, e := range ends(c) {
			if e.Store.Name != se.Store {
				continue
			}
			if r.broken[e.Store] == nil {
				r.broken[e.Store] = err
				known = false
			}
		}
	}
	return any, any && known
}

// isBroken reports whether a store of the channel has failed.
func (r *runner) isBroken(c *config.Channel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken[c.Far.Store] != nil || r.broken[c.Near.Store] != nil
}

// storeErrors returns all failures of stores in the tree of an error: both
// stores may have failed at the same time.
func storeErrors(err error) (found []*store.StoreError) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *store.StoreError:
		return []*store.StoreError{e}
	case interface{ Unwrap() error }:
		return storeErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, x := range e.Unwrap() {
			found = append(found, storeErrors(x)...)
		}
	}
	return found
}

// open returns the channel's stores.
func (r *runner) open(c *config.Channel) (st [2]store.Store, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, e := range ends(c) {
		if r.broken[e.Store] != nil {
			return st, fmt.Errorf("skipped, because %s failed before", e.Store.Label())
		}
		s := r.stores[e.Store]
		if s == nil {
			if s, err = r.Open(e.Store); err != nil {
				r.broken[e.Store] = err
				return st, err
			}
			r.stores[e.Store] = s
		}
		st[t] = s
	}
	return st, nil
}

// pair synchronizes one pair, and gives back what was claimed for it.
func (r *runner) pair(ctx context.Context, s Selection, j job, q *quiet, g *goneBoxes, c claim) {
	t, p := j.target, j.pair
	res, err := engine.Sync(ctx, p)
	if errors.Is(err, store.ErrCrowded) && ctx.Err() == nil {
		// The server grants fewer sessions than was thought, and several pairs
		// have waited for one another. One that is alone does not.
		r.gate.leave(c)
		c.alone = true
		if gerr := r.gate.enter(ctx, c); gerr != nil {
			r.finish(ctx, s, t, res, gerr)
			return
		}
		before := res.Counts
		res, err = engine.Sync(ctx, p)
		for i := range before {
			res.Counts[i].Add(before[i])
		}
	}
	q.note(p, res, err, r.now())
	switch {
	case res.Gone != nil:
		g.add(t.PairName, res.Gone)
		if err != nil { // it is told with all the others
			err = fmt.Errorf("%w: %w", engine.ErrReported, err)
		}
	case errors.Is(err, engine.ErrBoxMissing) && g.before != nil:
		err = &perhapsRenamed{err}
	}
	r.finish(ctx, s, t, res, err)
	r.gate.leave(c)
}

// count adds the changes of a pair to the sum; r.mu is held. In a dry run, two
// channels with the same mailboxes plan the same changes. A real run would make them
// only once, so they count once, whichever mailbox is the far one.
func (r *runner) count(s Selection, t target, counts [2]engine.Counts) {
	var before [2]engine.Counts
	if r.DryRun && t.err == nil {
		var key [2]string
		for i, e := range ends(s.Channel) {
			key[i] = identity(e.Store, t.stores[i], t.Box[i])
		}
		mirrored := key[0] > key[1]
		if mirrored {
			key[0], key[1] = key[1], key[0]
		}
		before = r.foreseen[key]
		if mirrored {
			before[0], before[1] = before[1], before[0]
		}
		for i := range counts {
			counts[i] = counts[i].Max(before[i])
		}
		seen := counts
		if mirrored {
			seen[0], seen[1] = seen[1], seen[0]
		}
		r.foreseen[key] = seen
	}
	for i := range counts {
		r.sum.Counts[i].Add(counts[i].Minus(before[i]))
	}
}

// finish adds up what was done with a pair, and tells it.
func (r *runner) finish(ctx context.Context, s Selection, t target, res engine.Result, err error) {
	r.mu.Lock()
	if err != nil && ctx.Err() != nil {
		r.sum.Unfinished++
	} else {
		r.sum.Boxes++
	}
	if err != nil || res.Failed+res.Problems > 0 {
		r.sum.Failed = true
	}
	r.count(s, t, res.Counts)
	r.mu.Unlock()
	if _, known := r.note(s.Channel, err); known {
		err = fmt.Errorf("%w: %w", engine.ErrReported, err)
	}
	r.Observer.PairDone(t.PairName, res, err)
}
