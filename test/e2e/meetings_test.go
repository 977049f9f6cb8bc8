//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// Two runs over the same mailboxes meet: the answers to one are held back on
// their way at a certain point, another run works as a whole, and the first one
// goes on. The answers that it gets then were true when they were sent.

// turnstile passes connections on to a server. It stops the connections that
// were made first before the n-th piece of what the server says.
type turnstile struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu   sync.Mutex
	left int           // pieces to pass; negative: all
	held chan struct{} // closed when they are stopped
	open chan struct{} // closed when they may go on
}

func startTurnstile(tb testing.TB, server string) *turnstile {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &turnstile{listener: l, server: server, left: -1}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.connect(c) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		s.wg.Wait()
	})
	return s
}

// stopBefore makes connections to come stop before piece n, counted from 1.
func (s *turnstile) stopBefore(n int) (held <-chan struct{}, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = n - 1
	s.held, s.open = make(chan struct{}), make(chan struct{})
	open := s.open
	return s.held, sync.OnceFunc(func() {
		s.mu.Lock()
		s.left = -1
		s.mu.Unlock()
		close(open)
	})
}

func (s *turnstile) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", s.server)
	if err != nil {
		return
	}
	defer server.Close()
	s.mu.Lock()
	counts := s.left >= 0
	s.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	})
	wg.Go(func() {
		defer func() { _ = client.(*net.TCPConn).CloseWrite() }()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if counts && n > 0 {
				s.pass()
			}
			if _, werr := client.Write(buf[:n]); werr != nil || err != nil {
				_, _ = io.Copy(io.Discard, server)
				return
			}
		}
	})
	wg.Wait()
}

// pass waits until a piece may pass.
func (s *turnstile) pass() {
	s.mu.Lock()
	if s.left > 0 {
		s.left--
		s.mu.Unlock()
		return
	}
	if s.left < 0 {
		s.mu.Unlock()
		return
	}
	open := s.open
	select {
	case <-s.held:
	default:
		close(s.held)
		// Whoever connects from now on is another run.
		s.left = -1
	}
	s.mu.Unlock()
	<-open
}

// meeting is a way for two runs to meet.
type meeting struct {
	name string
	// capability of the server, if not its own.
	capability string
	// changed: there is something to do already when the first run begins.
	changed bool
	// first: nothing was synchronized before.
	first  bool
	second func(testing.TB) program
}

func oursToo(testing.TB) program { return ours() }

const (
	noQResync   = "IMAP4rev1 ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CONDSTORE ESEARCH MULTIAPPEND MOVE LITERAL+ LIST-EXTENDED LIST-STATUS"
	noCondStore = "IMAP4rev1 ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT ESEARCH MULTIAPPEND MOVE LITERAL+"
)

func meetings() []meeting {
	return []meeting{
		{name: "quiet, QRESYNC", second: oursToo},
		{name: "changed, QRESYNC", changed: true, second: oursToo},
		{name: "first, QRESYNC", first: true, second: oursToo},
		{name: "quiet, CONDSTORE", capability: noQResync, second: oursToo},
		{name: "changed, neither", capability: noCondStore, changed: true, second: oursToo},
		{name: "quiet, QRESYNC, with 1.4.4", second: theirs},
		{name: "changed, QRESYNC, with 1.4.4", changed: true, second: theirs},
		{name: "quiet, QRESYNC, with 1.5.1", second: theirs15},
		{name: "changed, QRESYNC, with 1.5.1", changed: true, second: theirs15},
		{name: "changed, CONDSTORE, with 1.5.1", capability: noQResync, changed: true, second: theirs15},
	}
}

// TestMeetings tries some points of each meeting, TestSweepMeetings all of them.
func TestMeetings(t *testing.T) {
	for _, m := range meetings() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.try(t, 2)
		})
	}
}

func TestSweepMeetings(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	for _, m := range meetings() {
		t.Run(m.name, func(t *testing.T) { m.try(t, 1) })
	}
}

// try lets the runs meet at each step-th point.
func (m meeting) try(t *testing.T, step int) {
	guard(t, testLimit)
	w := newWorld(t, setup{server: testkit.DovecotConfig{Capability: m.capability}, channel: "Patterns *\nCreate Both\nExpunge Both"})
	s := startTurnstile(t, fmt.Sprintf("127.0.0.1:%d", w.at.At().Port))
	points := 0
	for n := 1; ; n += step {
		user := fmt.Sprintf("meet%d", n)
		w.server.AddUser(t, user)
		if !m.meetAt(w.as(user), s, n) || t.Failed() {
			break
		}
		points++
	}
	if points == 0 {
		t.Error("the runs did not meet")
	}
	t.Logf("the runs met at %d points: nothing lost, nothing doubled", points)
}

// meetAt lets two runs meet at one point. It returns false if the first run
// ended before it came to it.
func (m meeting) meetAt(w *homeWorld, s *turnstile, n int) bool {
	w.home()
	rc := strings.Replace(w.config(), fmt.Sprintf("Port %d", w.at.At().Port), fmt.Sprintf("Port %d", s.listener.Addr().(*net.TCPAddr).Port), 1)
	w.configure(rc)
	var all []letter
	next := 0
	more := func(k int) (list []letter) {
		for range k {
			next++
			list = append(list, note(next, 200))
		}
		all = append(all, list...)
		return list
	}
	w.send("INBOX", more(8)...)
	w.makeMaildir("INBOX")
	if !m.first {
		for range 3 {
			w.sync(ours())
		}
	}
	change := func() {
		w.send("INBOX", more(4)...)
		w.deliver("INBOX", more(4)...)
	}
	if m.changed {
		change()
	}
	held, release := s.stopBefore(n)
	defer release()
	a := w.start(ours(), "-a")
	select {
	case <-a.done:
		a.wait()
		return false
	case <-held:
	}
	change()
	b := w.run(m.second(w.tb), "-a")
	release()
	ra := a.wait()
	for range 2 {
		w.sync(ours())
	}
	want := lettersAsContents(all)
	for side, list := range map[string][]found{"on the server": w.far("INBOX"), "at home": readMaildir(w.tb, w.boxDir("INBOX"))} {
		got := contentsOf(list)
		for _, flags := range got {
			for i := range flags {
				flags[i] = ""
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			w.tb.Errorf("stopped before piece %d; %s (-want +got):\n%s\nfirst run: %d %s%s\nsecond run: %d %s%s",
				n, side, d, ra.code, ra.stdout, ra.stderr, b.code, b.stdout, b.stderr)
		}
	}
	if left, _ := filepath.Glob(w.path("state", "*.lock")); len(left) > 0 {
		w.tb.Errorf("left: %v", left)
	}
	return true
}
