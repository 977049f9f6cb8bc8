package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/plan"
	"isync/internal/store"
)

// defaultParallel is the number of pairs that are synchronized at the same time if there is no other
// limit. It suffices for many slow servers, and limits memory.
const defaultParallel = 16

// run is a run over several channels. Only the stores are kept after it.
type run struct {
	Options
	runner *Runner
	gate   *gate
	// purpose is the same for all runs with the same selection.
	purpose string

	mu     sync.Mutex // guards what follows
	broken map[*config.Store]error
	states map[string]event.Pair // whose state is in a file
	owners map[string]string     // the channel a mailbox was in first
	warned map[[2]string]bool    // channels that overlap
	sum    Summary
	// foreseen are the changes that a dry run has planned for two mailboxes.
	foreseen map[[2]string][2]event.Counts
	// accounts count failures, by Retries.Of.
	accounts map[any]*account
	// totals are the totals of the channels that were begun and have not ended.
	totals map[*config.Channel]*event.ChannelEnded
}

func newRun(r *Runner) *run {
	return &run{
		Options: r.opts, runner: r,
		gate:   newGate(r.opts.Parallel),
		broken: map[*config.Store]error{},
		states: map[string]event.Pair{},
		owners: map[string]string{},
		warned: map[[2]string]bool{},

		foreseen: map[[2]string][2]event.Counts{},
		accounts: map[any]*account{},
		totals:   map[*config.Channel]*event.ChannelEnded{},
	}
}

// synchronize synchronizes the selected channels.
func (r *run) synchronize(ctx context.Context, sel []Selection) Summary {
	r.purpose = purposeOf(r.MemoryKey, sel)
	// A place for each channel that is listed or synchronized.
	places := make(chan struct{}, r.Parallel)
	var wg sync.WaitGroup
	var before []*begun
	for i, s := range sel {
		if ctx.Err() != nil {
			r.interrupted(func(sum *Summary) { sum.NotListed += len(sel) - i })
			break
		}
		r.beginChannel(s)
		// Errors of the configuration are reported in order.
		stores, err := r.storesOf(s.Channel)
		if err == nil {
			err = EnoughConnections(stores)
		}
		if err != nil {
			r.channelFailed(s.Channel, err)
			r.endChannel(s.Channel)
			continue
		}
		b := &begun{regions: regions(s, stores), done: make(chan struct{})}
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
				if o.worked {
					outdate(stores)
				}
			}
			places <- struct{}{}
			defer func() { <-places }()
			b.worked = r.channel(ctx, s, stores)
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
	regions []store.Region
	done    chan struct{} // closed when it has ended
	worked  bool          // it has opened mailboxes; valid once done is closed
}

// outdate drops early answers of the channel's stores, since another channel may have changed their
// mailboxes.
func outdate(stores [2]store.Store) {
	for _, st := range stores {
		if a, ok := store.As[store.Anticipator](st); ok {
			a.Outdate()
		}
	}
}

// failed notes that the run was not fully successful.
func (r *run) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Failed = true
}

// interrupted notes work that was not done because the run was told to stop.
func (r *run) interrupted(note func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Failed = true
	note(&r.sum)
}

// channel lists the pairs of a channel and begins them in order. It reports whether any of
// them was opened.
func (r *run) channel(ctx context.Context, s Selection, stores [2]store.Store) (worked bool) {
	defer r.endChannel(s.Channel)
	q := r.quietOf(s.Channel, stores)
	a := r.attempts(s.Channel, stores)
	var pairs []target
	var jobs []job
	err := a.repeat(ctx, func() (err error) {
		pairs, err = r.pairs(ctx, s, q)
		return err
	})
	if err == nil {
		jobs = r.jobs(s, pairs, q)
		err = a.repeat(ctx, func() error { return r.lookAround(ctx, q, jobs) })
	}
	if err != nil {
		if ctx.Err() != nil {
			r.interrupted(func(sum *Summary) { sum.NotListed++ })
		}
		r.channelFailed(s.Channel, err)
		return false
	}
	r.Events.Take(event.ChannelBegun{Channel: s.Channel.Name, Pairs: len(pairs)})
	g := &goneBoxes{}
	r.lookAtStates(g, jobs)
	g.keepBoxes(jobs)
	r.work(ctx, s, jobs, q, g)
	r.tellGone(ctx, s, g, jobs)
	if err := q.save(); err != nil {
		r.trace(event.DebugSync, event.Pair{Channel: s.Channel.Name}, "unchanged mailboxes are not cached: "+err.Error())
	}
	return slices.ContainsFunc(jobs, func(j job) bool { return !j.unchanged })
}

// job is a pair to be synchronized.
type job struct {
	target
	pair *engine.Pair // nil: there is err
	// unchanged: the pair is known to have nothing to do.
	unchanged bool
}

// jobs describes the pairs to the engine.
func (r *run) jobs(s Selection, pairs []target, q *quiet) []job {
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
		// The user may request more than Ops.
		if q.on && p.Deletions != plan.Restored {
			p.Unchanged = func(fingerprint string) bool { return q.unchanged(p, fingerprint, r.now()) }
			p.MayBeUnchanged = q.knows(p, r.now())
		}
		j.pair = p
	}
	return jobs
}

// work begins the pairs of a channel in order, and waits for them.
func (r *run) work(ctx context.Context, s Selection, jobs []job, q *quiet, g *goneBoxes) {
	var wg sync.WaitGroup
	defer wg.Wait()
	pipelined := r.pipelines(jobs)
	// The mailboxes that the pairs so far may store messages in.
	filled := map[string]bool{}
	for i, j := range jobs {
		t := j.target
		left := func() {
			r.skip(s.Channel, jobs[i:])
			if ctx.Err() != nil {
				r.interrupted(func(sum *Summary) { sum.NotBegun += len(jobs) - i })
			}
		}
		a := r.attempts(s.Channel, t.stores)
		c := r.claimOf(s.Channel, t)
		c.delay = a.delay
		if pipelined {
			c.light = r.lightness(&j)
		}
		r.lookForOverlap(s.Channel, t, c)
		isFilled := slices.ContainsFunc(c.boxes, func(b string) bool { return filled[b] })
		if j.unchanged && !isFilled && ctx.Err() == nil {
			if r.Parallel == 1 {
				wg.Wait() // it takes no place in the gate, but its turn
			}
			r.Events.Take(event.PairBegun{Pair: t.Pair})
			if r.Explain {
				r.trace(event.DebugMain, t.Pair, "unchanged since a run that found nothing to do; not opened")
			}
			r.finish(ctx, s, t, engine.Result{Outcome: event.Outcome{Unchanged: true, Ambiguous: engine.Ambiguous(j.pair)}}, nil)
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
		r.Events.Take(event.PairBegun{Pair: t.Pair})
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
		wg.Go(func() { r.pair(ctx, s, j, q, g, c, a) })
	}
}

func (r *run) channelFailed(c *config.Channel, err error) {
	r.failed()
	r.note(c, err)
	r.setStatus(c, event.StatusFailed)
	r.Events.Take(event.ChannelFailed{Channel: c.Name, Err: err})
}

// note remembers the stores that have failed, so that they are not used again. A store
// has not failed as a whole if other pairs of its account may still succeed. any reports
// whether stores have failed, and known whether all of them were remembered before.
func (r *run) note(c *config.Channel, err error) (any, known bool) {
	hope := map[string]bool{}
	for _, e := range ends(c) {
		acc := r.account(e.Store)
		hope[e.Store.Name] = acc != nil && !acc.exhausted()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known = true
	for _, se := range store.StoreErrors(err) {
		if kind, _ := store.KindOf(se); !kind.Lasting() && hope[se.Store] && !errors.Is(se, store.ErrCrowded) {
			known = false
			continue
		}
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
func (r *run) isBroken(c *config.Channel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken[c.Far.Store] != nil || r.broken[c.Near.Store] != nil
}

// storesOf returns the channel's stores.
func (r *run) storesOf(c *config.Channel) (st [2]store.Store, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, e := range ends(c) {
		if r.broken[e.Store] != nil {
			return st, fmt.Errorf("skipped, because %s failed before", e.Store.Label())
		}
		if st[t], err = r.runner.open(e.Store); err != nil {
			r.broken[e.Store] = err
			return st, err
		}
		if a, ok := store.As[store.Anticipator](st[t]); ok && r.purpose != "" && r.Memory != "" && r.Controls == nil {
			a.Anticipate(r.purpose)
		}
	}
	return st, nil
}

// purposeOf returns a text that identifies the selection.
func purposeOf(key string, sel []Selection) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", key)
	for _, s := range sel {
		fmt.Fprintf(h, "%q %q %q", s.Channel.Name, s.Boxes, s.Uses)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// pair synchronizes a pair, and gives back its claim.
func (r *run) pair(ctx context.Context, s Selection, j job, q *quiet, g *goneBoxes, c claim, a *attempts) {
	t, p := j.target, j.pair
	if c.light > 0 {
		p.Claim = r.claimer(s.Channel, &c)
	}
	res, err := r.sync(ctx, t, p, &c, a)
	q.note(p, res, err, r.now())
	switch {
	case res.Gone != nil:
		g.add(t.Pair, res.Gone)
		if err != nil { // it is told with all the others
			err = fmt.Errorf("%w: %w", engine.ErrReported, err)
		}
	case errors.Is(err, engine.ErrBoxMissing) && g.before != nil:
		err = &perhapsRenamed{err}
	}
	r.finish(ctx, s, t, res, err)
	if !c.left {
		r.gate.leave(c)
	}
}

// sync synchronizes a pair, and tries again after temporary failures. It returns the result of all tries
// together.
func (r *run) sync(ctx context.Context, t target, p *engine.Pair, c *claim, a *attempts) (engine.Result, error) {
	if n := a.most(); n > 0 && !r.DryRun {
		p.Attempts = &engine.Attempts{Max: n}
	}
	var sum engine.Result // of the tries before
	best := 0             // the highest number of changes in total
	for {
		res, err := r.syncOnce(ctx, p, c)
		if !r.DryRun {
			for i := range sum.Counts {
				res.Counts[i].Add(sum.Counts[i])
				res.Bytes[i] += sum.Bytes[i]
			}
			res.Failed += sum.Failed
			res.Problems += sum.Problems
		}
		n := res.Counts[0].Total() + res.Counts[1].Total()
		changed := n > best && !r.DryRun || res.Learned
		best = max(best, n)
		again := false
		switch {
		case err != nil:
			// If a pair that is alone lacks a session, it will lack it again.
			again = !c.left && !errors.Is(err, store.ErrCrowded) && a.again(ctx, err, changed)
		case res.Again > 0:
			a.worked()
			again = a.refused(ctx, t.Pair, res.AgainErr)
		default:
			a.worked()
		}
		if !again {
			res.Failed += res.Again
			return res, err
		}
		sum = res
		r.gate.leave(*c)
		// The listings are outdated: a try may have created a mailbox.
		p.Known, p.MayBeUnchanged, p.Claim, c.light = [2]engine.Presence{}, false, nil, 0
		r.Events.Take(event.PairRetried{Pair: t.Pair})
		c.again = true
		if gerr := r.gate.enter(ctx, *c); gerr != nil {
			c.left = true
			return res, gerr
		}
		if a.exhausted() {
			res.Failed += res.Again
			return res, err
		}
	}
}

// syncOnce synchronizes a pair. c.left is set if its claim was given back.
func (r *run) syncOnce(ctx context.Context, p *engine.Pair, c *claim) (engine.Result, error) {
	res, err := engine.Sync(ctx, p)
	if !errors.Is(err, store.ErrCrowded) || ctx.Err() != nil || c.alone {
		return res, err
	}
	// The server allows fewer sessions than expected, and several pairs have waited for each
	// other. A pair that is alone does not.
	r.gate.leave(*c)
	c.alone, c.light, p.Claim = true, 0, nil
	if gerr := r.gate.enter(ctx, *c); gerr != nil {
		c.left = true
		return res, gerr
	}
	before := res.Outcome
	p.Known = [2]engine.Presence{}
	res, err = engine.Sync(ctx, p)
	for i := range before.Counts {
		res.Counts[i].Add(before.Counts[i])
		res.Bytes[i] += before.Bytes[i]
	}
	return res, err
}

// count adds the changes of a pair to the sum; r.mu is held. In a dry run, two
// channels with the same mailboxes plan the same changes. A real run would make them
// only once, so they count once, whichever mailbox is the far one.
func (r *run) count(s Selection, t target, counts [2]event.Counts) {
	var before [2]event.Counts
	if r.DryRun && t.err == nil {
		var key [2]string
		for i, st := range t.stores {
			key[i], _ = st.Identity(t.Box[i])
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

// finish adds the result of a pair to the totals, and reports it.
func (r *run) finish(ctx context.Context, s Selection, t target, res engine.Result, err error) {
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
	for i, n := range res.Bytes {
		r.sum.Bytes[i] += n
	}
	r.sum.FailedMessages += res.Failed
	r.sum.HeldDeletions += res.Held
	r.mu.Unlock()
	status := statusOf(res, err)
	r.addTo(s.Channel, status, res.Outcome)
	if _, known := r.note(s.Channel, err); known {
		err = fmt.Errorf("%w: %w", engine.ErrReported, err)
	}
	r.Events.Take(event.PairEnded{
		Pair: t.Pair, Status: status, Outcome: res.Outcome, Err: err, Reported: errors.Is(err, engine.ErrReported),
		Interrupted: err != nil && ctx.Err() != nil,
	})
}
