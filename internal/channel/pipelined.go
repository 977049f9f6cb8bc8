package channel

import (
	"context"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/plan"
	"isync/internal/store"
)

// Pairs of a store that lists mailboxes in a pipeline (store.Pipeliner) are light: they enter the gate
// without sessions, so there can be many more of them than sessions. Most pairs of a run have nothing to
// do, and never get a session of their own. The others wait for their sessions after their plans are
// made. They hold their locks meanwhile.

const (
	// maxLight is the maximum number of light pairs: each has a lock file open, and a
	// Maildir.
	maxLight = 64
	// maxLightWeight is the maximum size of the sync states of all light pairs together, in bytes.
	// This limits the memory for listings: a message takes some 15 bytes in a state.
	maxLightWeight = 4 << 20
	// maxOneLight is the maximum for a single light pair.
	maxOneLight = maxLightWeight / 4
)

// pipelines reports whether pairs of a channel can be light. A single pair is not, since it would gain
// nothing.
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

// lightness returns the weight of a light pair; 0: the pair is not light. A pair without a sync state is
// not: the size of its listing is not known, and most messages will be copied.
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
		// The same as for pairs that were not begun.
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
