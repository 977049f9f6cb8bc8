//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// trouble is a kind of fault of a connection.
type trouble int

const (
	none     trouble = iota
	refused          // the port is closed for a while; drawn by life, not for a connection
	dropped          // accepted and closed at once
	busy             // BYE, as if there were too many connections
	cut              // closed after some bytes
	reset            // the same, with RST
	stalled          // silent for a while after some bytes
	dead             // silent for ever after some bytes
	bytewise         // some bytes arrive one by one
	slowed           // each piece takes its time
	troubles
)

var troubleNames = [troubles]string{"none", "refused", "dropped", "busy", "cut", "reset", "stalled", "dead", "bytewise", "slowed"}

func (k trouble) String() string { return troubleNames[k] }

// fault is what happens to a connection.
type fault struct {
	kind trouble
	// up: it concerns what the client sends, not what it receives.
	up bool
	// after is the number of bytes that pass in that direction before.
	after int
	// wait is how long it stalls, or how long each piece takes.
	wait time.Duration
}

func (f fault) String() string {
	side := "down"
	if f.up {
		side = "up"
	}
	switch f.kind {
	case none, dropped, busy, refused:
		return f.kind.String()
	case stalled:
		return fmt.Sprintf("%s for %v after %d bytes %s", f.kind, f.wait, f.after, side)
	case slowed:
		return fmt.Sprintf("%s by %v a piece", f.kind, f.wait)
	}
	return fmt.Sprintf("%s after %d bytes %s", f.kind, f.after, side)
}

// drawFault draws a fault. Small numbers of bytes are as likely as large ones: each
// phase of a session has its share.
func drawFault(rnd *rand.Rand) fault {
	kinds := []trouble{none, none, none, dropped, busy, cut, cut, cut, reset, reset, stalled, dead, bytewise, bytewise, slowed, slowed}
	f := fault{
		kind: kinds[rnd.IntN(len(kinds))], up: rnd.IntN(2) == 0,
		after: 1 + int(float64(int(1)<<rnd.IntN(18))*(1+rnd.Float64())),
		wait:  time.Duration(50+rnd.IntN(1200)) * time.Millisecond,
	}
	if f.kind == slowed {
		f.wait = time.Duration(1+rnd.IntN(12)) * time.Millisecond
	}
	return f
}

// roughLine is a line to a server on which things go wrong as planned.
type roughLine struct {
	tb     testing.TB
	target string
	port   int
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	plan     []fault // of the connections to come; none when it is used up
	conns    map[net.Conn]bool
	happened [troubles]int
	accepted int
}

func startRoughLine(tb testing.TB, target string) *roughLine {
	tb.Helper()
	l := &roughLine{tb: tb, target: target, conns: map[net.Conn]bool{}}
	l.open()
	tb.Cleanup(func() {
		l.shut()
		l.cutAll()
		l.wg.Wait()
	})
	return l
}

// open listens, always on the same port.
func (l *roughLine) open() {
	l.tb.Helper()
	var listener net.Listener
	var err error
	for range 100 {
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", l.port)); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		l.tb.Fatal(err)
	}
	l.port = listener.Addr().(*net.TCPAddr).Port
	l.mu.Lock()
	l.listener = listener
	l.mu.Unlock()
	l.wg.Go(func() { l.serve(listener) })
}

// shut refuses connections from now on.
func (l *roughLine) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
}

// begin replaces the plan.
func (l *roughLine) begin(plan []fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan = plan
}

// cutAll cuts all connections.
func (l *roughLine) cutAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}

// quiet waits until all connections have ended. The server has received by then what
// it ever will.
func (l *roughLine) quiet() {
	l.tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		l.mu.Lock()
		n := len(l.conns)
		l.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			l.tb.Fatalf("%d connections do not end", n)
		}
	}
}

// connections returns how many connections were accepted so far.
func (l *roughLine) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// count counts a fault that has happened.
func (l *roughLine) count(k trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.happened[k]++
}

func (l *roughLine) serve(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.accepted++
		f := fault{}
		if len(l.plan) > 0 {
			f, l.plan = l.plan[0], l.plan[1:]
		}
		l.conns[c] = true
		l.mu.Unlock()
		l.wg.Go(func() {
			l.connect(c.(*net.TCPConn), f)
			c.Close()
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

// connect serves a connection to its end.
func (l *roughLine) connect(client *net.TCPConn, f fault) {
	switch f.kind {
	case dropped:
		l.count(f.kind)
		return
	case busy:
		l.count(f.kind)
		_, _ = client.Write([]byte("* BYE too many connections, try again later\r\n"))
		return
	}
	dialled, err := net.Dial("tcp", l.target)
	if err != nil {
		return // the server is down: the client sees the end
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	hangUp := func() {
		if f.kind == reset {
			_ = client.SetLinger(0)
		}
		client.Close()
		// What the server has received, it keeps.
		_ = server.CloseWrite()
		_ = server.CloseRead()
	}
	var wg sync.WaitGroup
	for _, up := range []bool{true, false} {
		d := &wayThrough{line: l, from: client, to: server, fault: f, hangUp: hangUp}
		if !up {
			d.from, d.to = server, client
		}
		if f.up != up && f.kind != slowed {
			d.fault = fault{}
		}
		wg.Go(d.pass)
	}
	wg.Wait()
}

// wayThrough is one direction of a connection.
type wayThrough struct {
	line     *roughLine
	from, to *net.TCPConn
	fault    fault // in this direction
	hangUp   func()
	passed   int
	counted  bool
	// silent: nothing is passed on any more. What comes is read, so that the sender
	// sees the end.
	silent bool
}

// count counts the fault, once for the direction.
func (d *wayThrough) count() {
	if !d.counted {
		d.counted = true
		d.line.count(d.fault.kind)
	}
}

// pass passes on all that comes, and its end.
func (d *wayThrough) pass() {
	defer func() { _ = d.to.CloseWrite() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := d.from.Read(buf)
		data := buf[:n]
		switch at := d.fault.after - d.passed; {
		case n == 0 || d.fault.kind == none:
		case d.fault.kind == slowed:
			d.count()
			time.Sleep(d.fault.wait)
		case d.fault.kind == bytewise:
			if at < n && at > -bytewiseFor {
				d.count()
				d.write(data[:max(at, 0)])
				data = data[max(at, 0):]
				k := min(len(data), bytewiseFor)
				for i := range k {
					d.write(data[i : i+1])
					time.Sleep(20 * time.Microsecond)
				}
				data = data[k:]
			}
		case at < n && !d.counted:
			d.count()
			d.write(data[:at])
			data = data[at:]
			switch d.fault.kind {
			case stalled:
				time.Sleep(d.fault.wait)
			case dead:
				d.silent = true
			default:
				d.hangUp()
				return
			}
		}
		d.write(data)
		if err != nil {
			return
		}
	}
}

// bytewiseFor is about how many bytes arrive one by one.
const bytewiseFor = 1500

func (d *wayThrough) write(data []byte) {
	d.passed += len(data)
	if d.silent || len(data) == 0 {
		return
	}
	if _, err := d.to.Write(data); err != nil {
		d.silent = true
	}
}
