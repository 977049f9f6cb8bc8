package bench

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relay passes connections on to a server, late.
type relay struct {
	listener net.Listener
	server   string
	delay    atomic.Int64 // of each direction
	conns    sync.WaitGroup

	mu    sync.Mutex
	total traffic
}

// traffic is what went over a relay.
type traffic struct {
	Up, Down    int64 // bytes
	Connections int
	// Bursts are those of the connection that has most: connections wait at the
	// same time.
	Bursts int
}

// startRelay starts a relay that ends with the test.
func startRelay(tb testing.TB, server string, rtt time.Duration) *relay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{listener: l, server: server}
	r.setRTT(rtt)
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

func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// take returns what went over the relay since the last call. All connections
// have to be closed.
func (r *relay) take() traffic {
	r.conns.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.total
	r.total = traffic{}
	return t
}

func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.conns.Go(func() { r.connect(client) })
	}
}

// connect serves one connection.
func (r *relay) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	delay := time.Duration(r.delay.Load())
	c := &counter{rtt: 2 * delay}
	var wg sync.WaitGroup
	wg.Go(func() { pass(server, client, delay, c.up) })
	wg.Go(func() { pass(client, server, delay, c.down) })
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.Up += c.sent
	r.total.Down += c.received.Load()
	r.total.Connections++
	r.total.Bursts = max(r.total.Bursts, c.bursts)
}

// counter counts what goes over a connection.
type counter struct {
	rtt      time.Duration
	sent     int64
	bursts   int
	last     time.Time   // when the client sent something
	answered atomic.Bool // the server has sent something since then
	received atomic.Int64
}

// up counts what the client has sent. Without a delay every answer ends a
// burst; with one, only a silence that is about as long as a round trip does:
// a client that goes on while answers come in does not wait.
func (c *counter) up(n int) {
	now := time.Now()
	if c.sent == 0 || c.answered.Load() && now.Sub(c.last) >= c.rtt*8/10 {
		c.bursts++
	}
	c.answered.Store(false)
	c.last = now
	c.sent += int64(n)
}

func (c *counter) down(n int) {
	c.answered.Store(true)
	c.received.Add(int64(n))
}

// chunk is something on its way.
type chunk struct {
	due  time.Time
	data []byte
}

// inFlight bounds what is on its way in one direction, in chunks: the product
// of delay and bandwidth, generously.
const inFlight = 4096

// pass passes one direction on and, when it ends, its end.
func pass(to, from net.Conn, delay time.Duration, count func(int)) {
	defer func() { _ = to.(*net.TCPConn).CloseWrite() }()
	if delay == 0 {
		buf := make([]byte, 256<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				count(n)
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
			n, err := from.Read(*buf)
			if n > 0 {
				count(n)
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

func TestRelayCountsBursts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var echo sync.WaitGroup
	defer echo.Wait()
	echo.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})
	const rtt = 40 * time.Millisecond
	r := startRelay(t, l.Addr().String(), rtt)
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	buf := make([]byte, 2)
	for range 3 {
		// Two words at once are one burst.
		for range 2 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begin); d < 3*rtt {
		t.Errorf("three round trips took %v, want at least %v", d, 3*rtt)
	}
	_ = c.Close()
	got := r.take()
	if want := (traffic{Up: 6, Down: 6, Connections: 1, Bursts: 3}); got != want {
		t.Errorf("relay counted %+v, want %+v", got, want)
	}
}

// setRTT sets the round trip time of connections to come.
func (r *relay) setRTT(rtt time.Duration) { r.delay.Store(int64(rtt / 2)) }
