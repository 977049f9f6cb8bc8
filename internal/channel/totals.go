package channel

import (
	"errors"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
)

// statusOf returns the status of a pair that has ended.
func statusOf(res engine.Result, err error) event.Status {
	switch {
	case errors.Is(err, engine.ErrLocked):
		return event.StatusLocked
	case res.Gone != nil && res.Gone.Held:
		return event.StatusHeld
	case err != nil, res.Failed > 0, res.Problems > 0 && res.Held == 0:
		return event.StatusFailed
	case res.Held > 0:
		return event.StatusHeld
	case res.Counts != [2]event.Counts{}, res.Absent[0] != res.Absent[1]: // it was created or removed
		return event.StatusChanged
	}
	return event.StatusUnchanged
}

// beginChannel counts a channel, and sets its totals to zero.
func (r *run) beginChannel(s Selection) {
	c := s.Channel
	r.mu.Lock()
	r.sum.Channels++
	r.totals[c] = &event.ChannelEnded{Channel: c.Name, Part: s.Boxes != nil}
	r.mu.Unlock()
	r.Events.Take(event.ChannelOpened{Channel: c.Name})
}

// endChannel reports the totals of a channel.
func (r *run) endChannel(c *config.Channel) {
	r.mu.Lock()
	total := r.totals[c]
	delete(r.totals, c)
	r.mu.Unlock()
	if total != nil {
		r.Events.Take(*total)
	}
}

// setStatus raises the status of a channel.
func (r *run) setStatus(c *config.Channel, status event.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if total := r.totals[c]; total != nil {
		total.Status = max(total.Status, status)
	}
}

// addTo adds a pair to the totals of its channel.
func (r *run) addTo(c *config.Channel, status event.Status, o event.Outcome) {
	r.setStatus(c, status)
	r.mu.Lock()
	defer r.mu.Unlock()
	total := r.totals[c]
	if total == nil {
		return
	}
	total.Boxes++
	for t := range o.Counts {
		total.Outcome.Counts[t].Add(o.Counts[t])
		total.Outcome.Bytes[t] += o.Bytes[t]
	}
	total.Outcome.Failed += o.Failed
	total.Outcome.Held += o.Held
}

// skip reports pairs that were not begun.
func (r *run) skip(c *config.Channel, jobs []job) {
	r.setStatus(c, event.StatusSkipped)
	r.mu.Lock()
	if total := r.totals[c]; total != nil {
		total.Skipped += len(jobs)
	}
	r.mu.Unlock()
	for _, j := range jobs {
		r.Events.Take(event.PairSkipped{Pair: j.Pair})
	}
}
