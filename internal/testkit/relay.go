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

// Relay passes connections on to a server, late: it delays each direction by half
// a round trip. It does not limit throughput unless SetRate is called. It counts bytes and bursts: how
// often a client fell silent for a round trip and then went on, that is, how often
// it had to wait for the server before it could go on.
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

// Traffic is what went over a Relay.
type Traffic struct {
	Up, Down    int64 // bytes
	Lines       int64 // that clients have sent: commands, and messages
	Connections int
	// Bursts are those of the connection that has most: connections wait at the
	// same time.
	Bursts int
}

// StartRelay starts a relay that ends with the test.
func StartRelay(tb testing.TB, server string, rtt time.Duration) *Relay {
	tb.Helper()
	return StartTappedRelay(tb, server, rtt, nil)
}

// StartTappedRelay starts a relay that somebody listens in on.
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

// Port is the port that the relay listens on, at 127.0.0.1.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Addr is where the relay listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Take returns what went over the relay since the last call. All connections
// have to be closed.
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
		// What the kernel buffers must not look like data that has been transferred.
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

// counter counts what goes over a connection.
type counter struct {
	rtt      time.Duration
	sent     int64
	lines    int64
	bursts   int
	last     time.Time   // when the client sent something
	answered atomic.Bool // the server has sent something since then
	received atomic.Int64
	ear      *ear
}

// up counts what the client has sent. Without a delay every answer ends a
// burst; with one, only a silence that is about as long as a round trip does:
// a client that goes on while answers come in does not wait.
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

// chunk is something on its way.
type chunk struct {
	due  time.Time
	data []byte
}

// inFlight bounds what is on its way in one direction, in chunks: the product
// of delay and bandwidth, generously.
const inFlight = 4096

// pacer limits one direction of a line, which all connections share.
type pacer struct {
	mu   sync.Mutex
	free time.Time // when the line has transferred everything so far
}

// pacedBuffer bounds what a connection over a limited line holds back, and pacedChunk
// what it transfers in one piece while others wait.
const (
	pacedBuffer = 64 << 10
	pacedChunk  = 8 << 10
)

// at returns the function that waits while n bytes cross the line; nil if there is no limit.
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

// pass passes one direction on and, when it ends, its end.
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

// buffers are for chunks on their way.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 32<<10)
	return &b
}}

// drain reads what nobody wants any more, so that the sender sees the end.
func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// SetRTT sets the round trip time of connections to come.
func (r *Relay) SetRTT(rtt time.Duration) { r.delay.Store(int64(rtt / 2)) }

// SetRate limits each direction, for connections to come, to so many bits per second in all;
// 0: no limit.
func (r *Relay) SetRate(bits int64) { r.rate.Store(bits) }
