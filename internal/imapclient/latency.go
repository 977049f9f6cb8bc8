package imapclient

import (
	"sync/atomic"
	"time"
)

// latency is how fast the server answers.
type latency struct {
	shortest atomic.Int64 // in nanoseconds; 0: not known
}

// RTT returns the shortest time that the server has taken to answer so far,
// which a round trip takes at most.
func (c *Client) RTT() time.Duration { return time.Duration(c.latency.shortest.Load()) }

// note records how long an answer has taken.
func (l *latency) note(d time.Duration) {
	if old := l.shortest.Load(); old == 0 || int64(d) < old {
		l.shortest.Store(max(1, int64(d)))
	}
}
