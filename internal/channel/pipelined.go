package channel

import (
	"context"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/plan"
	"isync/internal/store"
)

// Pairs of a store that lists mailboxes in a pipeline (store.Pipeliner) are light: they enter
// the gate without sessions, and many more of them than there are sessions. Most pairs of a
// run need nothing, and never get a session of their own. The others wait for their sessions
// when their plans are made, with their locks.

const (
	// maxLight is the maximum number of light pairs: each has a lock file open, and a
	// Maildir.
	maxLight = 64
	// maxLightWeight bounds the sync states of the light pairs together, in bytes, and so
	// the listings in memory: a message has some 15 bytes in a state.
	maxLightWeight = 4 << 20
	// maxOneLight is the maximum for a single light pair.
	maxOneLight = maxLightWeight / 4
)

// pipelines reports whether pairs of a channel can be light. For a single one there is
// nothing to be gained.
func (r *run) pipelines(jobs []job) bool {
	if r.Parallel == 1 || r.Controls != nil || len(jobs) < 2 {
		return false
	}
	some := false
	for i := range jobs {
		if jobs[i].pair == nil {
			continue
		}
		for _, s := range jobs[i].stores {
			if s.Sessions().Of == nil {
				continue
			}
			p, ok := store.As[store.Pipeliner](s)
			if !ok || p.Pipelines() == 0 {
				return false
			}
			some = true
		}
		break // all have the same stores
	}
	return some
}

// lightness returns the weight of a pair that may be light; 0: it may not. What a pair
// without a sync state has to list is not known, and most likely it will be copied.
func (r *run) lightness(j *job) int64 {
	p := j.pair
	if p == nil || p.Peek != engine.PeekNone || p.Deletions == plan.Restored ||
		p.Known[0] == engine.Absent || p.Known[1] == engine.Absent {
		return 0
	}
	fi, err := r.FS.Stat(p.StatePath)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxOneLight {
		return 0
	}
	return max(fi.Size(), 1)
}

// claimer returns the function by which a light pair gets its sessions.
func (r *run) claimer(ch *config.Channel, c *claim) func(context.Context) error {
	var mu sync.Mutex
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if c.light == 0 {
			return nil
		}
		if err := r.gate.upgrade(ctx, c); err != nil {
			return err
		}
		// As for pairs that have not been begun.
		return r.whyBroken(ch)
	}
}

// whyBroken returns why a store of the channel has failed; nil: none has.
func (r *run) whyBroken(c *config.Channel) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range ends(c) {
		if err := r.broken[e.Store]; err != nil {
			return err
		}
	}
	return nil
}
