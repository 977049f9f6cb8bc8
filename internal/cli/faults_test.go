package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/testkit"
)

// faultyLine passes connections on to a server, except for what a fault does to them.
type faultyLine struct {
	tb     testing.TB
	server string
	addr   string
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	live     map[net.Conn]bool
	count    int // of connections so far
	fault    *fault
	stalled  chan struct{} // nil: nothing stalls; closed when that is over
}

// fault is what goes wrong. Its functions are called for each connection, which have
// numbers from 1. A nil function does nothing.
type fault struct {
	name string
	// before is called before the run.
	before func(l *faultyLine)
	// meet is called with a new connection. It reports whether it has handled it.
	meet func(l *faultyLine, n int, client net.Conn) bool
	// most is the number of bytes from the server after which end is called; 0: no end.
	most func(n int) int64
	end  func(l *faultyLine, n int)
	// boxes is the number of mailboxes; 0: one.
	boxes int
	// account is a further line of the account.
	account string
	// says is a text that is shown, besides nothing.
	says string
}

func startFaultyLine(tb testing.TB, server string, f *fault) *faultyLine {
	tb.Helper()
	l := &faultyLine{tb: tb, server: server, addr: "127.0.0.1:0", live: map[net.Conn]bool{}, fault: f}
	l.open()
	tb.Cleanup(func() {
		l.close()
		l.wg.Wait()
	})
	return l
}

// port is the port of the line at 127.0.0.1.
func (l *faultyLine) port() string { return l.addr[strings.LastIndexByte(l.addr, ':')+1:] }

// open accepts connections, at the same port as before.
func (l *faultyLine) open() {
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.tb.Error(err)
		return
	}
	l.mu.Lock()
	l.addr, l.listener = listener.Addr().String(), listener
	l.mu.Unlock()
	l.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.count++
			n := l.count
			l.mu.Unlock()
			l.wg.Go(func() { l.serve(n, client) })
		}
	})
}

// close refuses further connections, and ends those that are there.
func (l *faultyLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener.Close()
	for c := range l.live {
		c.Close()
	}
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}

// down refuses connections for some time, as a server does that is restarted.
func (l *faultyLine) down(d time.Duration) {
	l.close()
	l.wg.Go(func() {
		time.Sleep(d)
		l.open()
	})
}

// stall passes nothing on for some time, as a server does that is stopped.
func (l *faultyLine) stall(d time.Duration) {
	over := make(chan struct{})
	l.mu.Lock()
	l.stalled = over
	l.mu.Unlock()
	l.wg.Go(func() {
		select {
		case <-time.After(d):
			l.mu.Lock()
			if l.stalled == over {
				close(over)
				l.stalled = nil
			}
			l.mu.Unlock()
		case <-over:
		}
	})
}

// flow waits until data may pass.
func (l *faultyLine) flow() {
	l.mu.Lock()
	over := l.stalled
	l.mu.Unlock()
	if over != nil {
		<-over
	}
}

// track notes a connection that is there, or, with on unset, that it has ended.
func (l *faultyLine) track(c net.Conn, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on {
		l.live[c] = true
	} else {
		delete(l.live, c)
	}
}

// connections returns the number of connections that are there.
func (l *faultyLine) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

func (l *faultyLine) serve(n int, client net.Conn) {
	defer client.Close()
	if l.fault.meet != nil && l.fault.meet(l, n, client) {
		return
	}
	l.track(client, true)
	defer l.track(client, false)
	l.flow()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	l.wg.Go(func() {
		defer server.Close()
		buf := make([]byte, 4096)
		for {
			k, err := client.Read(buf)
			l.flow()
			if _, werr := server.Write(buf[:k]); err != nil || werr != nil {
				return
			}
		}
	})
	var most int64
	if l.fault.most != nil {
		most = l.fault.most(n)
	}
	if most == 0 {
		l.pass(client, server)
		return
	}
	_, _ = io.CopyN(client, server, most)
	if l.fault.end != nil {
		l.fault.end(l, n)
		l.pass(client, server)
	}
}

// pass passes on what the server sends.
func (l *faultyLine) pass(client, server net.Conn) {
	buf := make([]byte, 4096)
	for {
		k, err := server.Read(buf)
		l.flow()
		if _, werr := client.Write(buf[:k]); err != nil || werr != nil {
			return
		}
	}
}

// answer answers each command of a client in the same way, after a greeting.
func answer(client net.Conn, greeting, status string) {
	fmt.Fprintf(client, "%s\r\n", greeting)
	for s := bufio.NewScanner(client); s.Scan(); {
		tag, _, _ := strings.Cut(s.Text(), " ")
		fmt.Fprintf(client, "%s %s\r\n", tag, status)
	}
}

// first returns a function that is done to the first connections.
func first(n int, do func(client net.Conn)) func(*faultyLine, int, net.Conn) bool {
	return func(_ *faultyLine, i int, client net.Conn) bool {
		if i > n {
			return false
		}
		do(client)
		return true
	}
}

const plainGreeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready"

// faultsOf returns what goes wrong. short is how long it lasts if it does not matter, and
// timeout is longer than the Timeout. cut is after how many bytes connections are cut off.
func faultsOf(short, timeout time.Duration, cut int64) []fault {
	once := func(most int64) func(int) int64 {
		return func(n int) int64 {
			if n == 1 {
				return most
			}
			return 0
		}
	}
	return []fault{
		{name: "cut again and again", most: func(int) int64 { return cut }},
		{name: "server stopped and started again", most: once(15_000), end: func(l *faultyLine, _ int) { l.down(short) }},
		{name: "first connection refused", before: func(l *faultyLine) { l.down(short) }},
		{name: "first connection closed at once", meet: first(1, func(net.Conn) {})},
		{name: "stall in a FETCH", most: once(15_000), end: func(l *faultyLine, _ int) { l.stall(timeout) }},
		{name: "server frozen", before: func(l *faultyLine) { l.stall(timeout + short) }},
		{name: "second connection refused", boxes: 4, says: "mbsync continues with 1", meet: func(l *faultyLine, _ int, client net.Conn) bool {
			return l.connections() > 0
		}},
		{name: "BYE in the greeting", meet: first(1, func(c net.Conn) { answer(c, "* BYE [UNAVAILABLE] Try again later", "NO no") })},
		{name: "login unavailable", meet: first(2, func(c net.Conn) { answer(c, plainGreeting, "NO [UNAVAILABLE] Temporary authentication failure.") })},
		{name: "throttled", meet: first(1, func(c net.Conn) {
			answer(c, plainGreeting, "NO [THROTTLED] Suggested Backoff Time: 300 milliseconds")
		})},
	}
}

// faultWorld is a mailbox or several to be synchronized over a faulty line.
type faultWorld struct {
	*world
	srv   *testkit.Dovecot
	boxes []string
	n     int
}

func newFaultWorld(t *testing.T, f *fault, n int, server, lines string) *faultWorld {
	t.Helper()
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	l := startFaultyLine(t, fmt.Sprintf("%s:%d", srv.Host, srv.Port), f)
	w := &faultWorld{world: &world{tb: t, dir: t.TempDir()}, srv: srv, n: n}
	w.env = testEnv(w.dir)
	w.env.Stdout, w.env.Stderr = &w.out, &w.err
	w.write("rc", fmt.Sprintf("FSync no\n\nIMAPStore far\nHost 127.0.0.1\nPort %s\nUser user\nPassCmd \"cat '%s/secret'\"\n%s\nAuthMechs LOGIN\n%s\n", l.port(), w.dir, server, lines)+
		"\nMaildirStore near\nPath "+w.dir+"/near/\nInbox "+w.dir+"/inbox\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns \"box*\"\nCreate Both\nSyncState *\n")
	w.write("secret", testkit.Password+"\n")
	w.boxes = []string{"box"}
	for i := 1; i < f.boxes; i++ {
		w.boxes = append(w.boxes, fmt.Sprint("box", i))
	}
	for _, box := range w.boxes {
		srv.Doveadm(t, "", "mailbox", "create", "-u", "user", box)
		srv.Seed(t, "user", box, numberedMails(0, n, 50)...)
		for i := n; i < 2*n; i++ {
			w.write(fmt.Sprintf("near/%s/new/%d.host", box, i), fmt.Sprintf("Subject: s%d\nMessage-Id: <m%d@x>\n\n%s\n", i, i, strings.Repeat("text ", 50)))
		}
		for _, d := range []string{"cur", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.dir, "near", box, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.before != nil {
		f.before(l)
	}
	return w
}

// check checks that each message is on both sides, once.
func (w *faultWorld) check(t *testing.T) {
	t.Helper()
	var want []string
	for i := range 2 * w.n {
		want = append(want, fmt.Sprint("s", i))
	}
	slices.Sort(want)
	for _, box := range w.boxes {
		var near []string
		files, _ := filepath.Glob(filepath.Join(w.dir, "near", box, "[cn][ue][rw]", "*"))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			near = append(near, subjectOf(string(data)))
		}
		var far []string
		for line := range strings.Lines(w.srv.Doveadm(t, "", "fetch", "-u", "user", "hdr.subject", "mailbox", box, "all")) {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), "hdr.subject: "); ok {
				far = append(far, s)
			}
		}
		for side, got := range map[string][]string{"near": near, "far": far} {
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s side of %s has %d messages, want %d: %q", side, box, len(got), len(want), got)
			}
		}
	}
}

func subjectOf(text string) string {
	_, s, _ := strings.Cut(text, "Subject: ")
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSpace(s)
}

// TestFaults: whatever happens to the connections, one run completes, and copies each
// message once. Nothing of that is an error.
func TestFaults(t *testing.T) {
	for _, f := range faultsOf(600*time.Millisecond, 1200*time.Millisecond, 10_000) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			testFault(t, &f, 25, "TLSType None\nTimeout 1\nRetryMax 1")
		})
	}
}

// testFault returns how long the run took.
func testFault(t *testing.T, f *fault, n int, lines string) time.Duration {
	t.Helper()
	w := newFaultWorld(t, f, n, lines, f.account)
	begun := time.Now()
	w.run(0, "-a")
	took := time.Since(begun)
	text := w.err.String()
	if strings.Contains(text, "error") || !strings.Contains(text, f.says) {
		t.Errorf("it says: %s", text)
	}
	if want := fmt.Sprintf("pulled %d new message(s)", n*len(w.boxes)); !strings.Contains(w.out.String(), want) {
		t.Errorf("not %q: %s", want, &w.out)
	}
	w.check(t)
	w.run(0, "-a")
	w.check(t)
	return took
}

// TestSweepFaults prints what happens, and how many runs are needed; also by mbsync 1.5.1.
func TestSweepFaults(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	c := testkit.FindMbsync15(t)
	for _, f := range faultsOf(3*time.Second, 60*time.Second, 40_000) {
		t.Run(f.name, func(t *testing.T) {
			took := testFault(t, &f, 200, "TLSType None\nTimeout 5")
			w := newFaultWorld(t, &f, 200, "TLSType None\nTimeout 5", "")
			var runs int
			begun := time.Now()
			for runs = 1; runs < 30; runs++ {
				cmd := exec.Command(c.Path, "-Tz", "-c", filepath.Join(w.dir, "rc"), "-a")
				cmd.Env = append(os.Environ(), "HOME="+w.dir)
				if out, err := cmd.CombinedOutput(); err == nil {
					break
				} else if runs == 1 {
					t.Logf("mbsync 1.5.1: %s", out)
				}
				time.Sleep(time.Second)
			}
			fmt.Printf("| %s | 1 run, %.1f s | %d runs of %s, %.1f s |\n", f.name, took.Seconds(), runs, c.Version, time.Since(begun).Seconds())
			w.check(t)
		})
	}
}

// TestRefusedPasswordOnce: a refused password is not sent again, however often something
// is tried again, and that takes no time.
func TestRefusedPasswordOnce(t *testing.T) {
	f := &fault{name: "refused", meet: first(1000, func(c net.Conn) {
		answer(c, plainGreeting, "NO [AUTHENTICATIONFAILED] Authentication failed.")
	})}
	w := newFaultWorld(t, f, 1, "TLSType None", "")
	begun := time.Now()
	w.run(1, "-a")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	w.says(&w.err, "AUTHENTICATIONFAILED")
}
