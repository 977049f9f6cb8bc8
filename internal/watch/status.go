package watch

import (
	"slices"
	"strings"
	"time"
)

// Status is the state of a Watcher for other programs.
type Status struct {
	Time     time.Time       `json:"time"`
	Stores   []StoreStatus   `json:"stores"`
	Channels []ChannelStatus `json:"channels"`
}

// StoreStatus is the state of a store.
type StoreStatus struct {
	Store     string `json:"store"`
	Mode      string `json:"mode"`
	Connected bool   `json:"connected"`
	// Since is when it was connected or lost; Next is the next attempt to connect.
	Since time.Time `json:"since,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	Error string    `json:"error,omitempty"`
}

// ChannelStatus is the state of a channel.
type ChannelStatus struct {
	Channel string `json:"channel"`
	Boxes   int    `json:"boxes"`
	Running bool   `json:"running"`
	// Success is the end of the last run of the whole channel without an error; Next is the next
	// run.
	Success time.Time `json:"last_success,omitzero"`
	Next    time.Time `json:"next,omitzero"`
	Error   string    `json:"error,omitempty"`
	// Waiting are mailboxes with changes to be synchronized; Failed are those whose last run has
	// failed.
	Waiting []string    `json:"waiting,omitempty"`
	Failed  []BoxStatus `json:"failed,omitempty"`
}

// BoxStatus is the state of a mailbox.
type BoxStatus struct {
	Box   string    `json:"box"`
	Error string    `json:"error"`
	Next  time.Time `json:"next,omitzero"`
}

// status returns the current state.
func (w *Watcher) status(now time.Time) Status {
	st := Status{Time: now}
	for _, g := range w.groups {
		for _, s := range g.stores {
			st.Stores = append(st.Stores, s.status())
		}
		for _, c := range g.channels {
			st.Channels = append(st.Channels, c.status())
		}
	}
	slices.SortFunc(st.Stores, func(a, b StoreStatus) int { return strings.Compare(a.Store, b.Store) })
	return st
}

func (s *watchedStore) status() StoreStatus {
	out := StoreStatus{Store: s.name, Mode: "poll", Connected: true}
	if s.state == nil {
		return out
	}
	out.Mode, out.Connected, out.Since, out.Next = s.state.Mode.String(), s.state.Connected, s.state.Since, s.state.Next
	if s.state.Err != nil {
		out.Error = s.state.Err.Error()
	}
	return out
}

func (c *watchedChannel) status() ChannelStatus {
	out := ChannelStatus{Channel: c.name, Boxes: len(c.pairs), Running: c.whole.running, Success: c.lastSuccess, Next: c.whole.due()}
	if c.problem != nil {
		out.Error = c.problem.Error()
	}
	for name, p := range c.pairs {
		out.Running = out.Running || p.running
		switch {
		case p.failures > 0:
			b := BoxStatus{Box: name, Next: p.due()}
			if p.problem != nil {
				b.Error = p.problem.Error()
			}
			out.Failed = append(out.Failed, b)
		case !p.running && !p.due().IsZero():
			out.Waiting = append(out.Waiting, name)
		}
	}
	slices.Sort(out.Waiting)
	slices.SortFunc(out.Failed, func(a, b BoxStatus) int { return strings.Compare(a.Box, b.Box) })
	return out
}
