package imapclient

import (
	"io"
	"net"
	"sync"
	"time"
)

// A line is slow if it transfers less than slowRate bytes per second, which is what a server can compress. It is
// measured while messages are fetched or stored, by the time for which the client waits for it. So a slow disk, and the
// time before an answer begins, do not count. The beginning does not count either, because a connection gets faster at
// first, and the system buffers data to be sent.
const (
	slowRate = 4 << 20
	// sampleBytes and sampleTime are the amount of data and the time to measure. One of them
	// suffices.
	sampleBytes = 4 << 20
	sampleTime  = 2 * time.Second
	// skippedBytes are not measured when receiving. When sending, nothing is measured before a
	// write has taken blockedTime.
	skippedBytes = 256 << 10
	blockedTime  = 5 * time.Millisecond
	// longestGap is the longest pause that counts as time of the line. In a longer pause, the client
	// waits for the server.
	longestGap = 250 * time.Millisecond
)

// A Line stores which network paths are slow, for later connections. It must be safe for concurrent use.
type Line interface {
	// Slow reports whether a path is slow, if that is known.
	Slow(path string) (slow, known bool)
	// Measured is called when a path was measured, in bytes per second, on the reader goroutine.
	Measured(path string, rate float64, slow bool)
}

// A meter measures one direction of a line.
type meter struct {
	mu      sync.Mutex
	skipped int64
	begun   bool
	bytes   int64
	waited  time.Duration
}

// received notes that a read has waited for n bytes. It returns the rate once enough was measured.
func (m *meter) received(n int, waited time.Duration) (rate float64, enough bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if waited > longestGap {
		return 0, false
	}
	if m.skipped < skippedBytes && m.waited == 0 && !m.begun {
		m.skipped += int64(n)
		m.begun = m.skipped >= skippedBytes
		return 0, false
	}
	return m.add(n, waited)
}

// sent notes that a write of n bytes has taken some time.
func (m *meter) sent(n int, waited time.Duration) (rate float64, enough bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.begun {
		m.begun = waited >= blockedTime
		return 0, false
	}
	return m.add(n, waited)
}

// add adds a measurement; m.mu must be held.
func (m *meter) add(n int, waited time.Duration) (rate float64, enough bool) {
	m.bytes += int64(n)
	m.waited += waited
	if m.bytes < sampleBytes && m.waited < sampleTime {
		return 0, false
	}
	return float64(m.bytes) / max(m.waited, time.Microsecond).Seconds(), true
}

// missing returns the number of bytes to receive until enough was measured.
func (m *meter) missing() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing := max(0, sampleBytes-m.bytes)
	if m.waited > 0 {
		// Estimate from the rate so far how much arrives in the remaining time.
		rest := float64(m.bytes) / m.waited.Seconds() * (sampleTime - m.waited).Seconds()
		missing = int64(min(float64(missing), max(0, rest)))
	}
	return missing + max(0, skippedBytes-m.skipped)
}

// speed is the measurement of a connection's line.
type speed struct {
	path     string
	keeper   Line
	down, up meter

	mu sync.Mutex
	// known and slow are the result for this connection. slowUp: sending is slow, which is
	// valid for this connection only, as the server may be what is slow.
	known, slow     bool
	knownUp, slowUp bool
}

// decided reports whether the line is slow, if that is known.
func (s *speed) decided() (slow, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recall()
	return s.slow || s.slowUp, s.known || s.knownUp && s.slowUp
}

func (s *speed) received(n int, waited time.Duration) {
	rate, enough := s.down.received(n, waited)
	if !enough {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recall(); s.known {
		return
	}
	s.known, s.slow = true, rate < slowRate
	if s.keeper != nil {
		s.keeper.Measured(s.path, rate, s.slow)
	}
}

// recall uses the stored measurement of the line; s.mu must be held.
func (s *speed) recall() {
	if !s.known && s.keeper != nil {
		s.slow, s.known = s.keeper.Slow(s.path)
	}
}

func (s *speed) sent(n int, waited time.Duration) {
	if rate, enough := s.up.sent(n, waited); enough {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.knownUp {
			s.knownUp, s.slowUp = true, rate < slowRate
		}
	}
}

// pathOf returns a text that identifies the network path of a connection to a server: the address of this machine. "":
// unknown.
func pathOf(conn net.Conn) string {
	if addr, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return addr.IP.String()
	}
	return ""
}

// meteredReader measures a line while the answer to a FETCH comes in. It belongs to the
// reader goroutine.
type meteredReader struct {
	io.Reader
	c *Client
}

func (r *meteredReader) Read(p []byte) (int, error) {
	if !r.c.streams() {
		return r.Reader.Read(p)
	}
	start := time.Now()
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.c.speed.received(n, time.Since(start))
	}
	return n, err
}

// streams reports whether the answer to a FETCH has begun to come in, and the line is to be
// measured.
func (c *Client) streams() bool {
	queue := *c.queue.Load()
	return len(queue) > 0 && queue[0].fetch != nil && queue[0].fetch.begun && c.mayCompress()
}

// meteredWriter measures a line. It belongs to the writer goroutine.
type meteredWriter struct {
	io.Writer
	c *Client
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	if w.c.opts.Compression != CompressSlow {
		return w.Writer.Write(p)
	}
	start := time.Now()
	n, err := w.Writer.Write(p)
	w.c.speed.sent(n, time.Since(start))
	return n, err
}
