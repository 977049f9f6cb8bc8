package watching

import (
	"math/rand/v2"
	"time"
)

// The delays before a connection is replaced.
const (
	firstDelay = time.Second
	lastDelay  = 5 * time.Minute
	// stable is how long a connection must have lasted for the delays to begin anew. If
	// it does not last, each attempt costs the server as much as a login.
	stable = time.Minute
	// After so many refused logins, the next ones are so far apart: servers lock accounts.
	refusedTries = 3
	refusedDelay = 15 * time.Minute
)

// backoff determines when to connect again.
type backoff struct {
	delay   time.Duration // the next one, without its random part
	refused int           // logins in a row
}

// after returns the delay after a connection that has lasted for some time; 0: there was
// none. atOnce: it need not be waited if the connection had been stable.
func (b *backoff) after(lasted time.Duration, atOnce bool) time.Duration {
	if lasted > 0 {
		b.refused = 0
	}
	if lasted >= stable {
		b.delay = 0
		if atOnce {
			return 0
		}
	}
	d := max(b.delay, firstDelay)
	b.delay = min(2*d, lastDelay)
	return d + time.Duration((rand.Float64()-0.5)/2*float64(d))
}

// afterRefusal returns the delay after a refused login. again: after that, the login is
// tried even if the login of a store was refused in this run.
func (b *backoff) afterRefusal() (d time.Duration, again bool) {
	b.refused++
	if b.refused < refusedTries {
		return b.after(0, false), false
	}
	return refusedDelay, true
}
