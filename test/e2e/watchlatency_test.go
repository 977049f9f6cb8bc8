//go:build linux

package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/testkit"
)

// latencies are how long changes took to get to the other side.
type latencies []time.Duration

func (l latencies) String() string {
	if len(l) == 0 {
		return "none"
	}
	s := slices.Sorted(slices.Values(l))
	at := func(p float64) time.Duration {
		return s[min(len(s)-1, int(p*float64(len(s))))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d events: median %v, p90 %v, p99 %v, max %v", len(s), at(0.5), at(0.9), at(0.99), at(1))
}

// latencyWorld is a watcher, and a client of the server that changes mailboxes.
type latencyWorld struct {
	*watched
	c         *imapclient.Client
	announcer *announcer
	rnd       *rand.Rand
	sent      int
}

// startLatency starts a watcher over a line with a round-trip time, with mailboxes besides
// INBOX.
func startLatency(t *testing.T, rtt time.Duration, lines string, boxes int) *latencyWorld {
	t.Helper()
	w := newWorld(t, setup{modern: true, endless: true, account: lines, channel: "Patterns * INBOX\nCreate Both\nExpunge Both"})
	all := map[string][]letter{"INBOX": notes(1, 1)}
	for i := range boxes {
		all[fmt.Sprintf("box%d", i)] = notes(i+10, 1)
	}
	w.sendAll(all)
	a := startAnnouncer(t, w.server.Addr())
	relay := testkit.StartRelay(t, a.listener.Addr().String(), rtt)
	_, port, _ := strings.Cut(relay.Addr(), ":")
	w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), "Port "+port+"\n", 1))
	l := &latencyWorld{watched: w.startWatch(), c: w.at.Client(t, w.user), rnd: rand.New(rand.NewPCG(1, 2)), sent: 1000, announcer: a}
	time.Sleep(2 * time.Second)
	return l
}

// announcer passes connections on to a server, and notes when the server announces a change of
// a mailbox on one of them: by STATUS, as with NOTIFY, or by EXISTS, as with IDLE.
type announcer struct {
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	first    time.Time // since reset
}

func startAnnouncer(t *testing.T, target string) *announcer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &announcer{listener: listener}
	a.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			a.mu.Lock()
			a.conns = append(a.conns, client, server)
			a.mu.Unlock()
			a.wg.Go(func() {
				_, _ = io.Copy(server, client)
				server.Close()
			})
			a.wg.Go(func() { a.pass(client, server) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		a.mu.Lock()
		for _, c := range a.conns {
			c.Close()
		}
		a.mu.Unlock()
		a.wg.Wait()
	})
	return a
}

// pass passes on what the server sends.
func (a *announcer) pass(client, server net.Conn) {
	defer client.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		text := string(buf[:n])
		if strings.HasPrefix(text, "* STATUS ") || strings.Contains(text, " EXISTS\r\n") {
			a.mu.Lock()
			if a.first.IsZero() {
				a.first = time.Now()
			}
			a.mu.Unlock()
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// reset forgets what was announced.
func (a *announcer) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.first = time.Time{}
}

// since returns the time since the first announcement.
func (a *announcer) since() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.first)
}

// rest waits for a moment, so that changes come at any time.
func (l *latencyWorld) rest() {
	time.Sleep(400*time.Millisecond + time.Duration(l.rnd.Int64N(int64(600*time.Millisecond))))
}

// files returns the number of messages in a Maildir.
func (l *latencyWorld) files(box string) int {
	n := 0
	for _, sub := range []string{"new", "cur"} {
		list, err := os.ReadDir(filepath.Join(l.boxDir(box), sub))
		if err != nil {
			l.tb.Fatal(err)
		}
		n += len(list)
	}
	return n
}

// arrives returns how long a message of the server takes to be a file, since it was stored
// and since the server has announced it.
func (l *latencyWorld) arrives(box string) (stored, announced time.Duration) {
	l.tb.Helper()
	before := l.files(box)
	l.announcer.reset()
	l.sent++
	text := note(l.sent, 300).crlf()
	cmd := l.c.Append(box, int64(len(text)), nil)
	if _, err := cmd.Write([]byte(text)); err != nil {
		l.tb.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		l.tb.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		l.tb.Fatal(err)
	}
	begin := time.Now()
	l.wait(begin, func() bool { return l.files(box) > before })
	return time.Since(begin), l.announcer.since()
}

// leaves returns how long a message that is delivered to a Maildir takes to be on the server.
func (l *latencyWorld) leaves(box string) time.Duration {
	l.tb.Helper()
	before := l.messages(box)
	l.sent++
	begin := time.Now()
	l.deliver(box, note(l.sent, 300))
	l.wait(begin, func() bool { return l.messages(box) > before })
	return time.Since(begin)
}

// flag returns how long a flag that is set in the Maildir takes to be on the server.
func (l *latencyWorld) flag(box string) time.Duration {
	l.tb.Helper()
	unseen := func() int {
		st, err := l.c.Status(box, &imap.StatusOptions{NumUnseen: true}).Wait()
		if err != nil {
			l.tb.Fatal(err)
		}
		return int(*st.NumUnseen)
	}
	before := unseen()
	begin := time.Now()
	for _, f := range l.near(box) {
		if !strings.Contains(f.flags, "S") {
			l.mark(f, "S")
			break
		}
	}
	l.wait(begin, func() bool { return unseen() < before })
	return time.Since(begin)
}

func (l *latencyWorld) messages(box string) int {
	st, err := l.c.Status(box, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		l.tb.Fatal(err)
	}
	return int(*st.NumMessages)
}

func (l *latencyWorld) wait(begin time.Time, ok func() bool) {
	l.tb.Helper()
	for !ok() {
		if time.Since(begin) > time.Minute {
			if l.p == nil {
				l.tb.Fatal("not within a minute")
			}
			r := l.p.signal(syscall.SIGTERM)
			l.tb.Fatalf("not within a minute\n%s%s", r.stdout, r.stderr)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// TestSweepWatchLatency measures how long changes take to get to the other side, for as long
// as ISYNC_SWEEP says for each line of the table, with us and with other programs. With
// -parallel 10, all lines are measured at the same time.
func TestSweepWatchLatency(t *testing.T) {
	d := sweep(t)
	var mu sync.Mutex
	var table []string
	t.Cleanup(func() {
		slices.Sort(table)
		t.Logf("\n%s", strings.Join(table, "\n"))
	})
	note := func(rtt time.Duration, name string, lists map[string]latencies) {
		mu.Lock()
		defer mu.Unlock()
		for what, list := range lists {
			table = append(table, fmt.Sprintf("RTT %v, %s, %s: %s", rtt, name, what, list))
		}
	}
	for _, tt := range []struct {
		name, lines string
		rtt         time.Duration
		box         string
	}{
		{"NOTIFY, INBOX", "", 0, "INBOX"},
		{"NOTIFY, another mailbox", "", 0, "box7"},
		{"IDLE, INBOX", "DisableExtensions NOTIFY", 0, "INBOX"},
		{"NOTIFY, INBOX", "", 50 * time.Millisecond, "INBOX"},
		{"NOTIFY, another mailbox", "", 50 * time.Millisecond, "box7"},
		{"IDLE, INBOX", "DisableExtensions NOTIFY", 50 * time.Millisecond, "INBOX"},
	} {
		t.Run(fmt.Sprint(tt.name, tt.rtt), func(t *testing.T) {
			t.Parallel() // they wait most of the time
			l := startLatency(t, tt.rtt, tt.lines, 20)
			var arrives, announced, leaves, flag latencies
			for begin := time.Now(); len(arrives) < 200 && time.Since(begin) < d; {
				l.rest()
				a, b := l.arrives(tt.box)
				arrives, announced = append(arrives, a), append(announced, b)
				l.rest()
				leaves = append(leaves, l.leaves(tt.box))
				l.rest()
				flag = append(flag, l.flag(tt.box))
			}
			l.end(syscall.SIGTERM)
			note(tt.rtt, tt.name, map[string]latencies{"server to file": arrives, "announced to file": announced, "file to server": leaves, "flag to server": flag})
		})
	}
	for _, rtt := range []time.Duration{0, 50 * time.Millisecond} {
		for _, args := range [][]string{{"--notify"}, {"--notify", "--watch=1"}} {
			name := "interimap " + strings.Join(args, " ")
			t.Run(fmt.Sprint(name, rtt), func(t *testing.T) {
				t.Parallel()
				note(rtt, name, interimapLatency(t, rtt, d, args...))
			})
		}
		t.Run(fmt.Sprint("mbsync", rtt), func(t *testing.T) {
			t.Parallel()
			note(rtt, fmt.Sprintf("mbsync 1.5.1 every %v", timerInterval), timerLatency(t, rtt, d))
		})
	}
}
