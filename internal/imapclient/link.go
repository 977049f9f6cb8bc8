package imapclient

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// sendChunk is how much is written to a connection at once, so that even a slow
// line shows progress now and then.
const sendChunk = 32 << 10

// hangupGrace is how long the reader goes on without progress after the writer
// has failed, to find the server's parting words, or after those.
const hangupGrace = time.Second

// A server that sends small pieces in the manner of Nagle holds back each until
// the one before it is acknowledged, which is commonly delayed by 40 ms. That
// would be the price of every message stored with a literal that has to be asked
// for, and of every command that follows another without a pause. So what is
// received is acknowledged at once where more is on its way, if there is less
// of it than smallSegment bytes.
const smallSegment = 1200

// A link is a connection whose reads and writes fail when there is no progress
// for too long while something is waited for. Progress is a byte in either
// direction; a reader that is busy elsewhere counts as progress.
type link struct {
	net.Conn
	timeout time.Duration

	mu      sync.Mutex
	waiting int       // how many things are waited for
	last    time.Time // of the latest progress
	reading bool      // a Read is under way
	sole    bool      // one goroutine does all reading and writing
	queued  int       // bytes in the kernel's send queue when last looked at
	hangup  error     // why the end is near
	haste   int       // how many wait for a few bytes more than for anything
	// talked is the time, up to since, in which only unsolicited data has come. The time
	// while using is set does not count: requested data is then being received or
	// processed.
	talked time.Duration
	since  time.Time
	using  bool
}

// talkLimit is the number of timeouts for which a server may send only unsolicited
// data.
const talkLimit = 10

// progress notes that requested data was received.
func (l *link) progress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet()
}

// quiet is progress with l.mu held.
func (l *link) quiet() { l.talked, l.since = 0, time.Now() }

// use calls f, which receives or processes requested data. The time that f takes does not
// count.
func (l *link) use(f func()) {
	set := func(using bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.count(time.Now())
		l.using = using
	}
	set(true)
	f()
	set(false)
}

// count adds the time since the last call to talked. l.mu is held.
func (l *link) count(now time.Time) {
	if l.waiting > 0 && !l.sole && !l.using {
		l.talked += now.Sub(l.since)
	}
	l.since = now
}

// idleTalk reports whether the server has sent only unsolicited data for too long. l.mu
// is held.
func (l *link) idleTalk(now time.Time) bool {
	l.count(now)
	return l.timeout > 0 && l.talked > talkLimit*l.timeout
}

// expect notes that something is waited for from now on, and done that it is
// not any more. done may only be called while no Read is under way.
func (l *link) expect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	if l.waiting == 1 {
		l.last = time.Now()
		l.quiet()
		if l.reading {
			l.arm()
		}
	}
}

func (l *link) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	l.quiet()
}

// hurry notes that the next bytes received are (1) or are no longer (-1) what
// everything waits for.
func (l *link) hurry(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.haste += n
	if l.haste > 0 {
		ackNow(l.Conn)
	}
}

// handshake runs f, which reads and writes, with nobody else doing so.
func (l *link) handshake(f func() error) error {
	set := func(sole bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sole = sole
	}
	set(true)
	defer set(false)
	return f()
}

// arm sets the read deadline. Failing to is no problem of its own: the
// connection is closed then.
func (l *link) arm() {
	switch {
	case l.hangup != nil:
		_ = l.SetReadDeadline(time.Now().Add(hangupGrace))
	case l.timeout <= 0:
	case l.waiting > 0:
		_ = l.SetReadDeadline(l.last.Add(l.timeout))
	default:
		_ = l.SetReadDeadline(time.Time{})
	}
}

// expectEnd makes reads end soon, with err unless they meet another end.
func (l *link) expectEnd(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangup == nil {
		l.hangup = err
		l.arm()
	}
}

func (l *link) Read(p []byte) (int, error) {
	l.mu.Lock()
	l.last = time.Now()
	l.reading = true
	for {
		l.arm()
		l.mu.Unlock()
		n, err := l.Conn.Read(p)
		l.mu.Lock()
		now := time.Now()
		if l.idleTalk(now) && n > 0 {
			l.reading = false
			l.mu.Unlock()
			return 0, &TimeoutError{After: talkLimit * l.timeout, Talking: true}
		}
		if n > 0 {
			l.last = now
			if l.haste > 0 || l.waiting > 1 && n < smallSegment {
				ackNow(l.Conn)
			}
		}
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			switch {
			case l.hangup != nil:
				err = l.hangup
			case l.waiting == 0 || l.drained() || now.Sub(l.last) < l.timeout:
				continue
			default:
				err = &TimeoutError{After: l.timeout}
			}
		}
		l.reading = false
		l.mu.Unlock()
		return n, err
	}
}

// drained tells whether the kernel has got rid of some of what was written
// since it was last asked, which is progress too.
func (l *link) drained() bool {
	n := sendQueue(l.Conn)
	moved := n > 0 && n != l.queued
	l.queued = n
	if moved {
		l.last = time.Now()
	}
	return moved
}

func (l *link) Write(p []byte) (written int, err error) {
	l.mu.Lock()
	if l.sole {
		l.last = time.Now()
	}
	l.mu.Unlock()
	for len(p) > 0 {
		if l.timeout > 0 {
			_ = l.SetWriteDeadline(time.Now().Add(l.timeout))
		}
		n, err := l.Conn.Write(p[:min(len(p), sendChunk)])
		written += n
		p = p[n:]
		now := time.Now()
		l.mu.Lock()
		if n > 0 {
			l.last = now
			l.quiet()
		}
		stalled := (l.reading || l.sole) && now.Sub(l.last) >= l.timeout
		l.mu.Unlock()
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		if stalled {
			return written, &TimeoutError{Sending: true, After: l.timeout}
		}
	}
	return written, nil
}
