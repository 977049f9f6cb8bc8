//go:build linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// errorsSaid are the lines about errors in what a watcher has said, without hints.
func errorsSaid(r result) (out []string) {
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "error: ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// TestWatchServerGone: the server is stopped, while something changes on the near side, and
// started again. No error is shown, since it does not last.
func TestWatchServerGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, account: "Timeout 5", channel: "Patterns * INBOX\nCreate Both\nExpunge Both"})
	l := notes(1, 4)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	x := w.startWatch()
	for i := range 2 {
		if err := w.at.Stop(); err != nil {
			t.Fatal(err)
		}
		x.deliver("INBOX", l[1+i])
		time.Sleep(2 * time.Second)
		w.at.Restart(t)
		x.equal("INBOX", l[:2+i]...)
	}
	// It learns of changes again.
	x.send("INBOX", l[3])
	x.equal("INBOX", l...)
	if r := x.p.signal(syscall.SIGTERM); len(errorsSaid(r)) != 0 || r.code != 0 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestWatchLineDead: all connections become silent, without an end. Changes on the near side,
// and those on the far side after SafetyInterval, get across all the same.
func TestWatchLineDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, slow: true, account: "Timeout 2\nSafetyInterval 4s\nPollInterval 4s", channel: "Patterns * INBOX\nCreate Both\nExpunge Both"})
	l := notes(1, 3)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	rough := startRoughLine(t, w.server.Addr())
	w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", rough.port), 1))
	var plan []fault
	for i := range 4 {
		plan = append(plan, fault{kind: dead, after: 4000 + 3000*i})
	}
	rough.begin(plan)
	x := w.startWatch()
	x.deliver("INBOX", l[1])
	x.equal("INBOX", l[:2]...)
	x.send("INBOX", l[2])
	x.equal("INBOX", l...)
	x.p.signal(syscall.SIGTERM)
}

// TestWatchFullDisk: the disk is full for a while. That is shown once, nothing is lost, and
// the message arrives when there is room.
func TestWatchFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, channel: "Patterns INBOX\nCreate Near"})
	w.mount(w.path("inbox"), "300k")
	l := notes(1, 1)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	x := w.startWatch()
	x.equal("INBOX", l[0])
	ballast := w.path("inbox", "ballast")
	if err := os.WriteFile(ballast, make([]byte, 220_000), 0o600); err != nil {
		t.Fatal(err)
	}
	big := note(2, 150_000)
	x.send("INBOX", big)
	time.Sleep(6 * time.Second) // some attempts
	if n := len(x.near("INBOX")); n != 1 {
		t.Errorf("%d messages", n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	x.equal("INBOX", l[0], big)
	r := x.p.signal(syscall.SIGTERM)
	if said := errorsSaid(r); len(said) != 1 || !strings.Contains(said[0], "no space left") {
		t.Errorf("errors: %q\n%s", said, r.stderr)
	}
}

// TestSweepWatchIdle measures what a watcher costs that has nothing to do: ten accounts with
// 100 mailboxes each, or as many as ISYNC_BOXES says, for as long as ISYNC_SWEEP says.
func TestSweepWatchIdle(t *testing.T) {
	d := sweep(t)
	boxes := 100
	if s := os.Getenv("ISYNC_BOXES"); s != "" {
		var err error
		if boxes, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const accounts = 10
	w := newWorld(t, setup{modern: true, endless: true})
	relay := testkit.StartRelay(t, w.server.Addr(), 0)
	rc := "SyncState state/\n"
	for i := range accounts {
		user := fmt.Sprintf("user%d", i)
		w.server.AddUser(t, user)
		c := w.at.Client(t, user)
		for b := range boxes {
			if err := c.Create(fmt.Sprintf("box%d", b), nil).Wait(); err != nil {
				t.Fatal(err)
			}
		}
		w.logout(c)
		rc += fmt.Sprintf("\nIMAPStore far%d\nHost 127.0.0.1\nPort %d\nUser %s\nPass %q\nTLSType None\nAuthMechs LOGIN\n\n"+
			"MaildirStore near%d\nPath near/%d/\nInbox near/%d/INBOX\nSubFolders Verbatim\n\n"+
			"Channel c%d\nFar :far%d:\nNear :near%d:\nPatterns *\nCreate Near\n", i, relay.Port(), user, testkit.Password, i, i, i, i, i, i)
		if err := os.MkdirAll(w.path("near", strconv.Itoa(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.configure(rc)
	p := w.start(ours(), "--watch")
	x := &watched{homeWorld: w, p: p}
	want := strconv.Itoa(accounts*(boxes+1)) + " mailbox(es)"
	for deadline := time.Now().Add(10 * time.Minute); !strings.Contains(x.status(), want) || strings.Contains(x.status(), "running now"); time.Sleep(time.Second) {
		if time.Now().After(deadline) || p.ended() {
			t.Fatal(x.status())
		}
	}
	time.Sleep(30 * time.Second)
	cpu := func() time.Duration {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		return time.Duration(user+system) * 10 * time.Millisecond
	}
	memory := func() string {
		data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "VmRSS:") {
				return strings.Join(strings.Fields(line)[1:], " ")
			}
		}
		return ""
	}
	first := memory()
	begin, before := time.Now(), cpu()
	time.Sleep(d)
	idle := cpu() - before
	took := time.Since(begin)
	before = cpu()
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Second)
	round := cpu() - before
	last := memory()
	connections := strings.Count(x.status(), "connected for")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	traffic := relay.Take()
	t.Logf("%d accounts with %d mailboxes: idle for %v: %v of processor time, that is %.3f %%; looking at everything once: %v; memory %s at first, %s at the end; %d stores connected; in all %d connections, %d bytes up, %d bytes down",
		accounts, boxes, took.Round(time.Second), idle, 100*idle.Seconds()/took.Seconds(), round, first, last, connections, traffic.Connections, traffic.Up, traffic.Down)
}

// TestWatchCommands: with a warm connection, a run for one message sends what is needed and
// nothing else. No mailbox is listed, and no other mailbox is looked at.
func TestWatchCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, channel: "Patterns * INBOX\nCreate Near\nExpunge Both"})
	boxes := map[string][]letter{"INBOX": notes(1, 2)}
	for i := range 10 {
		boxes[fmt.Sprintf("box%d", i)] = notes(10+i, 1)
	}
	w.sendAll(boxes)
	tap := new(testkit.Wiretap)
	relay := testkit.StartTappedRelay(t, w.server.Addr(), 0, tap)
	w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", relay.Port()), 1))
	x := w.startWatch()
	l := notes(100, 4)
	names := []string{"SELECT", "EXAMINE", "FETCH", "LIST", "STATUS", "LOGIN", "AUTHENTICATE", "NAMESPACE", "NOOP", "APPEND", "STORE", "EXPUNGE"}
	counts := func() map[string]int {
		m := map[string]int{}
		for _, n := range names {
			m[n] = tap.Count(n)
		}
		return m
	}
	check := func(what string, change func(), want map[string]int) {
		t.Helper()
		time.Sleep(2 * time.Second) // the runs before are over
		before := counts()
		change()
		time.Sleep(2 * time.Second)
		got := map[string]int{}
		for n, c := range counts() {
			if c != before[n] {
				got[n] = c - before[n]
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: commands (-want +got):\n%s", what, d)
		}
	}
	x.send("INBOX", l[0]) // the first run on the connection turns on QRESYNC
	x.equal("INBOX", append(notes(1, 2), l[0])...)
	check("a new message in the selected mailbox", func() { x.send("INBOX", l[1]) }, map[string]int{"SELECT": 1, "FETCH": 1})
	check("a new message in another mailbox", func() { x.send("box3", l[2]) }, map[string]int{"SELECT": 1, "FETCH": 1})
	check("a flag", func() { x.farMark("box3", "S", w.pick(w.far("box3"), l[2]).uid) }, map[string]int{"SELECT": 1})
	// The server reports what was stored. That causes no further run.
	check("a message of ours", func() { x.deliver("box3", l[3]) }, map[string]int{"SELECT": 1, "APPEND": 1})
	check("a flag of ours", func() { x.mark(x.pick(x.near("box3"), l[3]), "F") }, map[string]int{"SELECT": 1, "STORE": 1})
	if r := x.p.signal(syscall.SIGTERM); r.code != 0 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestWatchCertificate: the certificate of the server expires while a watcher runs, and is
// renewed later. That is an error, shown once, and then everything goes on.
func TestWatchCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, slow: true, security: "IMAPS", channel: "Patterns INBOX\nCreate Near"})
	ca := w.at.At().CA
	good, expired := ca.Issue(t, testkit.CertConfig{}).TLS(), ca.Expired(t).TLS()
	var current atomic.Pointer[tls.Certificate]
	current.Store(&good)
	front := startTLSFront(t, w.server.Addr(), func() *tls.Certificate { return current.Load() })
	w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.TLSPort), "Port "+front.port()+"\n", 1))
	l := notes(1, 4)
	w.sendAll(map[string][]letter{"INBOX": l[:1]})
	x := w.startWatch()
	x.send("INBOX", l[1])
	x.equal("INBOX", l[:2]...)
	current.Store(&expired)
	front.cut()
	x.send("INBOX", l[2])
	x.until("the expired certificate is shown", func() bool { return strings.Contains(x.status(), "expired") })
	time.Sleep(3 * time.Second)
	current.Store(&good)
	if err := x.p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	x.equal("INBOX", l[:3]...)
	x.send("INBOX", l[3])
	x.equal("INBOX", l...)
	r := x.p.signal(syscall.SIGTERM)
	if said := errorsSaid(r); len(said) == 0 || len(said) > 2 || !strings.Contains(said[0], "expired") {
		t.Errorf("errors: %q\n%s", said, r.stderr)
	}
}

// tlsFront is a server that takes TLS off connections, and passes them on.
type tlsFront struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func startTLSFront(t *testing.T, target string, cert func() *tls.Certificate) *tlsFront {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		// A resumed session has the certificate of the first one.
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &tlsFront{listener: listener, conns: map[net.Conn]bool{}}
	f.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[client] = true
			f.mu.Unlock()
			f.wg.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer server.Close()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = io.Copy(server, client)
					server.Close()
				}()
				_, _ = io.Copy(client, server)
				client.Close()
				<-done
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.cut()
		f.wg.Wait()
	})
	return f
}

func (f *tlsFront) port() string {
	_, port, _ := net.SplitHostPort(f.listener.Addr().String())
	return port
}

// cut cuts all connections.
func (f *tlsFront) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
	clear(f.conns)
}
