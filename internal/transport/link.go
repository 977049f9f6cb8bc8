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

// SendChunk is the maximum number of bytes of a single write. With a small size, progress is
// visible on slow lines, too.
const SendChunk = 32 << 10

// hangupGrace is the time without progress after which the reader gives up when the writer has
// failed. Until then it may receive the server's last response, such as an untagged BYE.
const hangupGrace = time.Second

// A segment below smallSegment bytes is acknowledged at once if more data is expected. A server
// that uses Nagle's algorithm holds back a small segment until the previous one is acknowledged,
// and the kernel usually delays acknowledgements by 40 ms. This would delay each message stored
// with a synchronizing literal and each pipelined command.
const smallSegment = 1200

// A Link is a connection whose reads and writes fail if it makes no progress for the timeout
// while a response is expected. Progress is a byte in either direction. The time in which the
// reader processes data also counts as progress.
type Link struct {
	net.Conn
	timeout time.Duration

	mu      sync.Mutex
	waiting int       // number of expected responses
	last    time.Time // time of the latest progress
	heard   time.Time // when data was last received
	reading bool      // a Read is running
	sole    bool      // one goroutine does all reading and writing
	queued  int       // last seen size of the kernel's send queue in bytes
	hangup  error     // error of reads after hangupGrace; see ExpectEnd
	haste   int       // number of callers that called Hurry(1)
	// talked is the time, up to since, in which the server sent only unsolicited data. The time
	// while using is set does not count: requested data is then being received or processed.
	talked time.Duration
	since  time.Time
	using  bool
}

// NewLink makes a link of a connection. timeout is the maximum time without progress; 0: no
// limit.
func NewLink(conn net.Conn, timeout time.Duration) *Link {
	return &Link{Conn: conn, timeout: timeout, heard: time.Now()}
}

// Heard returns when data was last received; before that, when the link was made.
func (l *Link) Heard() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

// TalkLimit is the number of timeouts for which a server may send only unsolicited data.
const TalkLimit = 10

// Progress records that requested data was received.
func (l *Link) Progress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet()
}

// quiet is Progress for callers that hold l.mu.
func (l *Link) quiet() { l.talked, l.since = 0, time.Now() }

// Use calls f, which receives or processes requested data. The time that f takes does not count
// as unsolicited data.
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

// count adds the time since its last call to talked. The caller holds l.mu.
func (l *Link) count(now time.Time) {
	if l.waiting > 0 && !l.sole && !l.using {
		l.talked += now.Sub(l.since)
	}
	l.since = now
}

// idleTalk reports whether the server has sent only unsolicited data for too long. The caller
// holds l.mu.
func (l *Link) idleTalk(now time.Time) bool {
	l.count(now)
	return l.timeout > 0 && l.talked > TalkLimit*l.timeout
}

// Expect records that one more response is expected. The timeout applies until Done was called
// for each Expect. Done must not be called while a Read is running.
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

// Hurry records that all further work waits for the next bytes from the server (1), or no longer
// does (-1). Meanwhile the received data is acknowledged at once.
func (l *Link) Hurry(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.haste += n
	if l.haste > 0 {
		ackNow(l.Conn)
	}
}

// StartTLS encrypts the connection. Until it returns, nothing else may read or write. The
// returned connection reads from the link and writes to it. The error is a *ResumptionError if
// another attempt may succeed.
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

// arm sets the read deadline. Its error is ignored: it occurs only on a closed connection, where
// the read fails, too.
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

// ExpectEnd makes reads end soon. They return err, unless they receive another error first.
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

// drained reports whether the kernel's send queue has changed since the last call. That is
// progress.
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
