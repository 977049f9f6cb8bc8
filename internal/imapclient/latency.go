package imapclient

import (
	"sync/atomic"
	"time"
)

// latency measures how fast the server answers.
type latency struct {
	shortest atomic.Int64 // in nanoseconds; 0: not known
}

// RTT returns the shortest time between a command and its answer so far. A round trip takes at most that time.
func (c *Client) RTT() time.Duration { return time.Duration(c.latency.shortest.Load()) }

// note records the time of an answer.
func (l *latency) note(d time.Duration) {
	if old := l.shortest.Load(); old == 0 || int64(d) < old {
		l.shortest.Store(max(1, int64(d)))
	}
}
