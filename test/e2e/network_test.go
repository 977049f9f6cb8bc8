package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// scissors are a way to a server that cuts each connection after so many bytes
// from the client (up) or to it (down).
type scissors struct {
	listener net.Listener
	target   string
	up, down int64
	wg       sync.WaitGroup
}

// newScissors opens the way. It ends with the test.
func newScissors(tb testing.TB, target string, up, down int64) *scissors {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &scissors{listener: l, target: target, up: up, down: down}
	s.wg.Go(s.serve)
	tb.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return s
}

func (s *scissors) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *scissors) serve() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		server, err := net.Dial("tcp", s.target)
		if err != nil {
			client.Close()
			continue
		}
		cut := func() {
			client.Close()
			server.Close()
		}
		s.wg.Go(func() {
			defer cut()
			_, _ = io.CopyN(server, client, s.up)
		})
		s.wg.Go(func() {
			defer cut()
			_, _ = io.CopyN(client, server, s.down)
		})
	}
}

// TestConnectionLost cuts the connection, again and again. Each time that is
// one error with a hint; the runs in between get further, until one is left
// alone.
func TestConnectionLost(t *testing.T) {
	for _, c := range []struct {
		direction string
		up, down  int64
	}{
		{"pull", 1 << 40, 700_000},
		{"push", 800_000, 1 << 40},
	} {
		t.Run(c.direction, func(t *testing.T) {
			t.Parallel()
			w, op, letters := crashWorld(t, c.direction, "yes")
			s := newScissors(t, w.server.Addr(), c.up, c.down)
			good := w.config()
			w.configure(strings.Replace(good, fmt.Sprintf("Port %d", w.server.Port), fmt.Sprintf("Port %d", s.port()), 1))
			before := 0
			for range 2 {
				w.suffer(t, nil, calamity{
					says: `^mbsync: error: channel 'c': .*store 'far'`,
					hint: `^nothing is lost: run mbsync again, and it goes on from here$`,
				})
				w.server.ForgetCommands(t) // the server has noticed
				copies := w.noneDoubled("the loss", op, letters)
				if copies <= before {
					t.Errorf("%d copies after one more run, %d before", copies, before)
				}
				before = copies
			}
			w.configure(good)
			w.resume(ours())
			w.compare("INBOX", letters, w.far("INBOX"), w.near("INBOX"))
			w.sync(ours())
			w.agree("INBOX", letters)
			w.idle(theirs(t), "INBOX")
			w.idle(ours(), "INBOX")
		})
	}
}
