//go:build linux

package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buffer passes connections on to a server. What clients send can be kept back, as it is
// in the buffers of a network, or of a server that is busy; it arrives even if the client
// is gone by then.
type buffer struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu   sync.Mutex
	keep bool
	cond sync.Cond
}

func startBuffer(tb testing.TB, server string) *buffer {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &buffer{listener: l, server: server}
	b.cond.L = &b.mu
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.connect(c) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		b.keepBack(false)
		b.wg.Wait()
	})
	return b
}

// keepBack makes what clients send wait, or go on.
func (b *buffer) keepBack(keep bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep = keep
	b.cond.Broadcast()
}

func (b *buffer) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", b.server)
	if err != nil {
		return
	}
	defer server.Close()
	var queue [][]byte
	ended := false
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			buf := make([]byte, 32<<10)
			n, err := client.Read(buf)
			b.mu.Lock()
			if n > 0 {
				queue = append(queue, buf[:n])
			}
			ended = ended || err != nil
			b.cond.Broadcast()
			b.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	wg.Go(func() {
		defer server.(*net.TCPConn).CloseWrite()
		for {
			b.mu.Lock()
			for b.keep || len(queue) == 0 && !ended {
				b.cond.Wait()
			}
			data := queue
			queue = nil
			over := ended
			b.mu.Unlock()
			for _, d := range data {
				if _, err := server.Write(d); err != nil {
					return
				}
			}
			if over && len(data) == 0 {
				return
			}
		}
	})
	wg.Go(func() {
		_, _ = io.Copy(client, server)
		_, _ = io.Copy(io.Discard, server)
	})
	wg.Wait()
}

// TestKilledAndStartedAtOnce kills runs that push messages, while a part of what they
// have sent is still on its way, and starts the next run at once, by another way. In the
// end, everything is there once on both sides.
func TestKilledAndStartedAtOnce(t *testing.T) {
	t.Parallel()
	const n, kills = 600, 8
	w := newWorld(t, setup{modern: true, channel: "Patterns *\nCreate Both\nExpunge Both"})
	w.makeMaildir("INBOX")
	var letters []letter
	for i := range n {
		letters = append(letters, note(i+1, 3000))
	}
	w.deliver("INBOX", letters...)
	at := fmt.Sprintf("Port %d", w.at.At().Port)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	cut := 0
	for range kills {
		b := startBuffer(t, fmt.Sprintf("127.0.0.1:%d", w.at.At().Port))
		w.configure(strings.Replace(w.config(), at, fmt.Sprintf("Port %d", b.listener.Addr().(*net.TCPAddr).Port), 1))
		run := w.start(ours(), "-a")
		time.Sleep(time.Duration(40+rnd.IntN(120)) * time.Millisecond)
		b.keepBack(true)
		time.Sleep(100 * time.Millisecond)
		if !run.ended() {
			cut++
		}
		run.signal(syscall.SIGKILL)
		w.configure(w.config())
		next := w.start(ours(), "-a")
		time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
		b.keepBack(false)
		next.wait()
		if rnd.IntN(3) == 0 {
			w.run(ours(), "-a")
		}
		// Something to push by the next one.
		for range 150 {
			more := note(len(letters)+1, 3000)
			letters = append(letters, more)
			w.deliver("INBOX", more)
		}
	}
	for range 4 {
		w.run(ours(), "-a")
	}
	far, near := len(w.far("INBOX")), len(w.near("INBOX"))
	t.Logf("%d runs cut off; %d messages on the server, %d at home, %d are right", cut, far, near, len(letters))
	w.compare("INBOX", letters, w.far("INBOX"), w.near("INBOX"))
}
