package testkit

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Relay is a TCP proxy with latency: it delays each direction by half a round trip. Throughput is
// limited only after SetRate. It counts bytes and bursts. A burst ends when the client is silent
// for a round trip, which means that it had to wait for the server.
type Relay struct {
	listener net.Listener
	server   string
	delay    atomic.Int64 // of each direction
	rate     atomic.Int64 // bits per second in each direction; 0: no limit
	upward   pacer
	downward pacer
	tap      *Wiretap // may be nil
	conns    sync.WaitGroup

	mu    sync.Mutex
	total Traffic
}

// Traffic is the traffic of a Relay.
type Traffic struct {
	Up, Down    int64 // bytes
	Lines       int64 // lines from clients: commands and messages
	Connections int
	// Bursts is the maximum number of bursts of a connection, because connections wait in
	// parallel.
	Bursts int
}

// StartRelay starts a relay to server that ends with the test.
func StartRelay(tb testing.TB, server string, rtt time.Duration) *Relay {
	tb.Helper()
	return StartTappedRelay(tb, server, rtt, nil)
}

// StartTappedRelay is StartRelay with a Wiretap.
func StartTappedRelay(tb testing.TB, server string, rtt time.Duration, tap *Wiretap) *Relay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &Relay{listener: l, server: server, tap: tap}
	r.SetRTT(rtt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve()
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-done
		r.conns.Wait()
	})
	return r
}

// Port returns the port of the relay on 127.0.0.1.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Addr returns the address of the relay.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Take returns the traffic since the last call. All connections must be closed.
func (r *Relay) Take() Traffic {
	r.conns.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.total
	r.total = Traffic{}
	return t
}

func (r *Relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.conns.Go(func() { r.connect(client) })
	}
}

// connect serves one connection.
func (r *Relay) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	delay := time.Duration(r.delay.Load())
	c := &counter{rtt: 2 * delay, ear: r.tap.listen()}
	var wg sync.WaitGroup
	rate := r.rate.Load()
	if rate > 0 {
		// Large kernel buffers would look like transferred data.
		for _, conn := range []net.Conn{client, server} {
			_ = conn.(*net.TCPConn).SetReadBuffer(pacedBuffer)
		}
	}
	wg.Go(func() {
		pass(server, client, delay, r.upward.at(rate), c.up)
		c.ear.over()
	})
	wg.Go(func() { pass(client, server, delay, r.downward.at(rate), c.down) })
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.Up += c.sent
	r.total.Lines += c.lines
	r.total.Down += c.received.Load()
	r.total.Connections++
	r.total.Bursts = max(r.total.Bursts, c.bursts)
}

// counter counts the traffic of a connection.
type counter struct {
	rtt      time.Duration
	sent     int64
	lines    int64
	bursts   int
	last     time.Time   // when the client last sent data
	answered atomic.Bool // the server has sent data since then
	received atomic.Int64
	ear      *ear
}

// up counts data of the client. Without a delay, every response ends a burst. With a delay, only
// a silence of about a round trip ends it: a client that continues while responses arrive does
// not wait.
func (c *counter) up(p []byte) {
	c.ear.up(p)
	now := time.Now()
	if c.sent == 0 || c.answered.Load() && now.Sub(c.last) >= c.rtt*8/10 {
		c.bursts++
	}
	c.answered.Store(false)
	c.last = now
	c.sent += int64(len(p))
	c.lines += int64(bytes.Count(p, []byte{'\n'}))
}

func (c *counter) down(p []byte) {
	c.ear.down(p)
	c.answered.Store(true)
	c.received.Add(int64(len(p)))
}

// chunk is a piece of data in flight.
type chunk struct {
	due  time.Time
	data []byte
}

// inFlight is the maximum number of chunks in flight in one direction. It exceeds the
// bandwidth-delay product.
const inFlight = 4096

// pacer limits the throughput of one direction, for all connections together.
type pacer struct {
	mu   sync.Mutex
	free time.Time // when the line has transferred all data so far
}

// pacedBuffer is the maximum amount of data that a connection holds back on a limited line.
// pacedChunk is the maximum that it transfers at once while others wait.
const (
	pacedBuffer = 64 << 10
	pacedChunk  = 8 << 10
)

// at returns a function that waits while n bytes are transferred; nil: there is no limit.
func (p *pacer) at(rate int64) func(n int) {
	if rate == 0 {
		return nil
	}
	return func(n int) {
		p.mu.Lock()
		if now := time.Now(); p.free.Before(now) {
			p.free = now
		}
		p.free = p.free.Add(time.Duration(int64(n) * 8 * int64(time.Second) / rate))
		until := p.free
		p.mu.Unlock()
		time.Sleep(time.Until(until))
	}
}

// pass copies one direction of a connection, including its end.
func pass(to, from net.Conn, delay time.Duration, pace func(n int), count func([]byte)) {
	defer func() { _ = to.(*net.TCPConn).CloseWrite() }()
	if delay == 0 && pace == nil {
		buf := make([]byte, 256<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				count(buf[:n])
				if _, werr := to.Write(buf[:n]); werr != nil {
					drain(from)
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	line := make(chan chunk, inFlight)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(line)
		for {
			buf := buffers.Get().(*[]byte)
			room := *buf
			if pace != nil {
				room = room[:pacedChunk]
			}
			n, err := from.Read(room)
			if n > 0 {
				count((*buf)[:n])
				if pace != nil {
					pace(n)
				}
				line <- chunk{time.Now().Add(delay), (*buf)[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	broken := false
	for c := range line {
		time.Sleep(time.Until(c.due))
		if !broken {
			_, err := to.Write(c.data)
			broken = err != nil
		}
		full := c.data[:cap(c.data)]
		buffers.Put(&full)
	}
	wg.Wait()
}

// buffers are buffers of chunks.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 32<<10)
	return &b
}}

// drain discards data, so that the sender is not blocked.
func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// SetRTT sets the round trip time of new connections.
func (r *Relay) SetRTT(rtt time.Duration) { r.delay.Store(int64(rtt / 2)) }

// SetRate sets the limit of each direction, in bits per second, for all new connections together;
// 0: no limit.
func (r *Relay) SetRate(bits int64) { r.rate.Store(bits) }
