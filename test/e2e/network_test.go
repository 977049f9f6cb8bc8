//go:build linux

package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"isync/internal/testkit"
)

// line is a bad line to a server.
type line struct {
	// Each connection is cut after so many bytes from the client or to it; 0:
	// never.
	up, down int64
	// pause is how long each piece takes, of the given size.
	pause time.Duration
	piece int
	// narrow: not much more than a piece is on its way.
	narrow bool

	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	accepted atomic.Int64 // how many there were
}

// connect lets the world's next runs go by the line, which ends with the test.
// If they are those of a variant, it is as long as that says, and the world's tap
// listens in.
func (w *homeWorld) connect(l *line) {
	w.tb.Helper()
	var err error
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		w.tb.Fatal(err)
	}
	l.conns = map[net.Conn]bool{}
	l.target = w.server.Addr()
	if v := w.s.variant; v.Name != "" {
		w.tap = new(testkit.Wiretap)
		l.target = testkit.StartTappedRelay(w.tb, l.target, v.RTT, w.tap).Addr()
	}
	l.wg.Go(l.serve)
	w.tb.Cleanup(func() {
		l.listener.Close()
		l.wg.Wait()
	})
	w.configure(l.by(w))
}

// by returns the world's configuration with the line in the place of the server.
func (l *line) by(w *homeWorld) string {
	port := l.listener.Addr().(*net.TCPAddr).Port
	return strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", port), 1)
}

// startConnected starts a run and waits until it connects by the line: only then
// it is known to hear signals.
func (l *line) startConnected(w *homeWorld) *process {
	w.tb.Helper()
	before := l.accepted.Load()
	run := w.start(ours(), "-a")
	for l.accepted.Load() == before && !run.ended() {
		time.Sleep(time.Millisecond)
	}
	return run
}

// cut cuts all connections that there are.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

func (l *line) serve() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		l.accepted.Add(1)
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			client.Close()
			continue
		}
		if tcp, ok := server.(*net.TCPConn); ok && l.narrow {
			_ = tcp.SetReadBuffer(l.piece)
		}
		l.mu.Lock()
		l.conns[client] = true
		l.mu.Unlock()
		l.wg.Go(func() { l.transport(server, client, l.up) })
		l.wg.Go(func() { l.transport(client, server, l.down) })
	}
}

func (l *line) transport(to, from net.Conn, most int64) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, l.piece)
	for n := int64(0); most == 0 || n < most; {
		got, err := from.Read(buf)
		if most > 0 {
			got = min(got, int(most-n))
		}
		n += int64(got)
		if _, werr := to.Write(buf[:got]); err != nil || werr != nil {
			return
		}
		time.Sleep(l.pause)
	}
}

// TestConnectionLost cuts the connection, again and again. Each time that is
// one error with a hint; the runs in between get further, until one is left
// alone.
func TestConnectionLost(t *testing.T) {
	for _, direction := range []string{"pull", "push"} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			loseConnection(t, direction, testkit.Variant{})
		})
	}
}

func loseConnection(t *testing.T, direction string, v testkit.Variant) {
	t.Helper()
	w, op, letters := crashWorld(t, several, direction, "yes", v)
	// A third of all that there is to transmit.
	bytes := int64(350_000)
	if v.Compresses() {
		bytes = 8_000
		if v.RTT > 0 && direction == "pull" {
			bytes = 38_000 // the listing comes before there is enough to compress
		}
	}
	account := w.s.account
	w.s.account += "\nRetries 0" // so that each run fails at once
	l := &line{piece: 32 << 10}
	if direction == "pull" {
		l.down = bytes
	} else {
		// Perhaps several connections share the work.
		l.up = bytes / int64(max(v.Connections, 1))
	}
	w.connect(l)
	before := 0
	for range 2 {
		w.suffer(t, nil, calamity{
			says: `^mbsync: error: channel 'c': .*store 'far'`,
			hint: `^no message is lost: run mbsync again to continue$`,
		})
		w.server.ForgetCommands(t) // the server has noticed
		copies := w.noneDoubled("the loss", op, letters)
		if copies <= before {
			t.Errorf("%d copies after one more run, %d before", copies, before)
		}
		before = copies
	}
	w.s.account = account // which the other program can read
	w.configure(w.config())
	w.resume(ours())
	w.compare("INBOX", letters, w.far("INBOX"), w.near("INBOX"))
	w.sync(ours())
	w.settled(t, letters)
}

// TestSlowLine: on a line that is slower than the server, copies come in the
// order of the originals, as they always do. Dovecot goes on to the next command
// while one waits for the line.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	s := setup{global: "FSync no", channel: "Create Near"}
	s.server.Storage = fileStorage
	w := newWorld(t, s)
	letters := make([]letter, 3200)
	for i := range letters {
		letters[i] = note(i, 6000)
	}
	w.fill(len(letters), func(i int) letter { return letters[i] })
	w.connect(&line{pause: 2 * time.Millisecond, piece: 32 << 10, narrow: true})
	w.sync(ours())
	w.agree("INBOX", letters)
	for i, r := range w.readState("INBOX").records {
		if r.far != uint32(i+1) || r.near != uint32(i+1) {
			t.Fatalf("record %d pairs far message %d with near message %d", i+1, r.far, r.near)
		}
	}
}
