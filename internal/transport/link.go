package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// SendChunk is how much is written to a connection at once, so that even a slow
// line shows progress now and then.
const SendChunk = 32 << 10

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

// A Link is a connection whose reads and writes fail when there is no progress
// for too long while something is waited for. Progress is a byte in either
// direction; a reader that is busy elsewhere counts as progress.
type Link struct {
	net.Conn
	timeout time.Duration

	mu      sync.Mutex
	waiting int       // how many things are waited for
	last    time.Time // of the latest progress
	heard   time.Time // when something was received last
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

// NewLink makes a link of a connection. timeout is how long there may be no progress; 0
// means for ever.
func NewLink(conn net.Conn, timeout time.Duration) *Link {
	return &Link{Conn: conn, timeout: timeout, heard: time.Now()}
}

// Heard returns when something was received last; at first, when the link was made.
func (l *Link) Heard() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

// TalkLimit is the number of timeouts for which a server may send only unsolicited
// data.
const TalkLimit = 10

// Progress notes that requested data was received.
func (l *Link) Progress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet()
}

// quiet is progress with l.mu held.
func (l *Link) quiet() { l.talked, l.since = 0, time.Now() }

// Use calls f, which receives or processes requested data. The time that f takes does not
// count.
func (l *Link) Use(f func()) {
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
func (l *Link) count(now time.Time) {
	if l.waiting > 0 && !l.sole && !l.using {
		l.talked += now.Sub(l.since)
	}
	l.since = now
}

// idleTalk reports whether the server has sent only unsolicited data for too long. l.mu
// is held.
func (l *Link) idleTalk(now time.Time) bool {
	l.count(now)
	return l.timeout > 0 && l.talked > TalkLimit*l.timeout
}

// Expect notes that something is waited for from now on, and Done that it is
// not any more. Done may only be called while no Read is under way.
func (l *Link) Expect() {
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

func (l *Link) Done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	l.quiet()
}

// Hurry notes that the next bytes received are (1) or are no longer (-1) what
// everything waits for.
func (l *Link) Hurry(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.haste += n
	if l.haste > 0 {
		ackNow(l.Conn)
	}
}

// StartTLS encrypts the connection from now on. Until it returns, nothing else may read
// or write. The returned connection reads from the link and writes to it. The error is a
// *ResumptionError if another attempt may succeed.
func (l *Link) StartTLS(ctx context.Context, cfg *tls.Config) (*tls.Conn, error) {
	set := func(sole bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sole = sole
	}
	set(true)
	defer set(false)
	cfg, sessions := sessionsOf(cfg)
	t := tls.Client(l, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		err = NameEnd(err)
		if sessions != nil && ctx.Err() == nil {
			err = sessions.failed(err)
		}
		return nil, err
	}
	return t, nil
}

// arm sets the read deadline. Failing to is no problem of its own: the
// connection is closed then.
func (l *Link) arm() {
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

// ExpectEnd makes reads end soon, with err unless they meet another end.
func (l *Link) ExpectEnd(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangup == nil {
		l.hangup = err
		l.arm()
	}
}

func (l *Link) Read(p []byte) (int, error) {
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
			return 0, &TimeoutError{After: TalkLimit * l.timeout, Talking: true}
		}
		if n > 0 {
			l.last, l.heard = now, now
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
func (l *Link) drained() bool {
	n := sendQueue(l.Conn)
	moved := n > 0 && n != l.queued
	l.queued = n
	if moved {
		l.last = time.Now()
	}
	return moved
}

func (l *Link) Write(p []byte) (written int, err error) {
	l.mu.Lock()
	if l.sole {
		l.last = time.Now()
	}
	l.mu.Unlock()
	for len(p) > 0 {
		if l.timeout > 0 {
			_ = l.SetWriteDeadline(time.Now().Add(l.timeout))
		}
		n, err := l.Conn.Write(p[:min(len(p), SendChunk)])
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

// HangUp closes a connection and waits until the command of a tunnel has ended.
func HangUp(conn net.Conn) {
	_ = conn.Close()
	if w, ok := conn.(interface{ Wait() }); ok {
		w.Wait()
	}
}
