package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/testkit"
)

// memServer is an IMAP server in this process that can be stopped and started again,
// with another password.
type memServer struct {
	tb    testing.TB
	user  *imapmemserver.User
	inner *imapmemserver.Server
	addr  string

	mu       sync.Mutex
	password string
	logins   int // attempts

	imap   *imapserver.Server // nil: stopped
	served chan error
}

// startMemServer starts a server with two mailboxes.
func startMemServer(tb testing.TB) *memServer {
	tb.Helper()
	s := &memServer{tb: tb, user: imapmemserver.NewUser("me", "inner"), inner: imapmemserver.New(), addr: "127.0.0.1:0", password: "right"}
	s.inner.AddUser(s.user)
	for _, box := range []string{"INBOX", "work"} {
		if err := s.user.Create(box, nil); err != nil {
			tb.Fatal(err)
		}
	}
	s.start()
	tb.Cleanup(s.stop)
	return s
}

func (s *memServer) start() {
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memSession{s.inner.NewSession(), s}, nil, nil
		},
		Caps:   imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapLiteralPlus: {}},
		Logger: log.New(io.Discard, "", 0), InsecureAuth: true,
	})
	s.served = make(chan error, 1)
	go func() { s.served <- s.imap.Serve(ln) }()
}

func (s *memServer) stop() {
	if s.imap != nil {
		_ = s.imap.Close()
		<-s.served
		s.imap = nil
	}
}

func (s *memServer) restart() {
	s.stop()
	s.start()
}

func (s *memServer) setPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

func (s *memServer) put(box, subject string) {
	text := "Subject: " + subject + "\r\n\r\nbody\r\n"
	if _, err := s.user.Append(box, memLiteral{strings.NewReader(text)}, &imap.AppendOptions{Time: time.Unix(1e9, 0)}); err != nil {
		s.tb.Fatal(err)
	}
}

// count returns how many messages a mailbox has.
func (s *memServer) count(box string) int {
	st, err := s.user.Status(box, &imap.StatusOptions{NumMessages: true})
	if err != nil {
		s.tb.Fatal(err)
	}
	return int(*st.NumMessages)
}

type memLiteral struct{ *strings.Reader }

func (l memLiteral) Size() int64 { return l.Reader.Size() }

// memSession checks the password.
type memSession struct {
	imapserver.Session
	s *memServer
}

func (m memSession) Login(user, password string) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.logins++
	if password != m.s.password {
		return imapserver.ErrAuthFailed
	}
	return m.Session.Login(user, "inner")
}

// serviceWorld has a channel between a server and Maildirs, and one between stores in
// memory.
type serviceWorld struct {
	*world
	srv   *memServer // nil: another server
	put   func(box, subject string)
	count func(box string) int // of messages on the server
	disk  map[string]*mem.Disk
	sick  error // of the stores in memory
	sel   []channel.Selection
	// parallel is that of channel.Options.
	parallel int
}

// newServiceWorld makes it, with a section for the server.
func newServiceWorld(t *testing.T, far string) *serviceWorld {
	w := newWorld(t, far+"PassCmd \"cat '$DIR/pass' 2>/dev/null\"\nTLSType None\n\n"+
		"MaildirStore disk\nPath disk/\nInbox disk/INBOX\n\nChannel mail\nFar :far:\nNear :disk:\nPatterns *\nCreate Both\nSyncState state2/\n\n"+
		"MaildirStore mem1\nPath x/\nInbox x/in\n\nMaildirStore mem2\nPath y/\nInbox y/in\n\nChannel memory\nFar :mem1:\nNear :mem2:\nPatterns *\nCreate Both\nSyncState state3/\n\n")
	w.write("disk/.keep", "")
	return &serviceWorld{world: w, parallel: 1, disk: map[string]*mem.Disk{"mem1": mem.NewDisk(), "mem2": mem.NewDisk()}}
}

// withMemServer makes one with a server in this process.
func withMemServer(t *testing.T) *serviceWorld {
	srv := startMemServer(t)
	host, port, _ := net.SplitHostPort(srv.addr)
	w := newServiceWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %s\nUser me\nAuthMechs LOGIN\n", host, port))
	w.write("pass", "right\n")
	w.srv, w.put, w.count = srv, srv.put, srv.count
	return w
}

// runner returns a new Runner, as one process has.
func (s *serviceWorld) runner() *channel.Runner {
	cfg, shop := s.workshop()
	s.sel = nil
	for _, name := range []string{"mail", "memory"} {
		c := cfg.Channel(name)
		s.sel = append(s.sel, channel.Selection{Channel: c, Ops: c.Ops})
	}
	return channel.NewRunner(channel.Options{
		Global: cfg.Global, FS: s.env.FS, TUIDs: s.env.Random, Events: shop.events, BeginRun: shop.beginRun,
		Memory: filepath.Join(s.dir, "memory"), MemoryKey: "rc", Parallel: s.parallel,
		Open: func(c *config.Store) (store.Store, error) {
			if d := s.disk[c.Name]; d != nil {
				return mem.New(d, mem.Options{Name: c.Name, Caps: mem.MaildirCaps, Marks: true, Hook: func(mem.Op) error { return s.sick }}), nil
			}
			return shop.open(c)
		},
	})
}

// place is what differs between two worlds in a message: ports and directories.
var place = regexp.MustCompile(`127\.0\.0\.1:[0-9]+|/[^ ']*/[0-9]{3}/`)

// outcome is the result of a run.
type outcome struct {
	Summary  channel.Summary
	Errors   []string // and warnings
	Server   []int
	Maildirs []string
	Memory   []string
}

// run makes a run and returns its result.
func (s *serviceWorld) run(r *channel.Runner) (o outcome) {
	s.err.Reset()
	s.out.Reset()
	o.Summary = r.Run(context.Background(), s.sel)
	for line := range strings.Lines(s.err.String()) {
		// With a connection that is still logged in, the password is not sent.
		if !strings.Contains(line, "in clear text") {
			o.Errors = append(o.Errors, place.ReplaceAllString(line, "X"))
		}
	}
	slices.Sort(o.Errors)
	for _, box := range []string{"INBOX", "work"} {
		o.Server = append(o.Server, s.count(box))
	}
	check := func(err error) {
		if err != nil {
			s.tb.Fatal(err)
		}
	}
	check(filepath.WalkDir(filepath.Join(s.dir, "disk"), func(path string, _ fs.DirEntry, err error) error {
		_, rest, message := strings.Cut(filepath.Base(path), ",U=")
		if err != nil || !message {
			return err
		}
		data, err := os.ReadFile(path)
		subject, _, _ := strings.Cut(string(data), "\n")
		o.Maildirs = append(o.Maildirs, filepath.Base(filepath.Dir(filepath.Dir(path)))+" "+rest+" "+subject)
		return err
	}))
	slices.Sort(o.Maildirs)
	for _, name := range []string{"mem1", "mem2"} {
		for _, box := range s.disk[name].Names() {
			b, _ := s.disk[name].Box(box)
			o.Memory = append(o.Memory, fmt.Sprintf("%s %s %d", name, box, len(b.Messages)))
		}
	}
	return o
}

// step is an event before a run. The run then fails with a certain text, or succeeds.
// If the event affects the login, connections must not survive it.
type step struct {
	what string
	do   func(*serviceWorld)
	says string // "": the run succeeds
}

// manyRuns executes the steps repeatedly in two worlds: one with a single Runner, and
// one with a new Runner for each run.
func manyRuns(t *testing.T, runs int, worlds [2]*serviceWorld, steps []step) {
	one, fresh := worlds[0], worlds[1]
	runner := one.runner()
	defer runner.Close()
	both := func(f func(*serviceWorld)) {
		for _, w := range worlds {
			f(w)
		}
	}
	var files, goroutines, heap int // between runs, after the first time around
	for i := range runs {
		step := steps[i%len(steps)]
		both(func(w *serviceWorld) {
			step.do(w)
			w.put([]string{"INBOX", "work"}[i%2], fmt.Sprint("far ", i))
			w.disk["mem1"].Deliver("box", mem.Message{Body: fmt.Sprintf("Subject: %d\n\nx\n", i)})
		})
		got := one.run(runner)
		process := fresh.runner()
		want := fresh.run(process)
		process.Close()
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("run %d, %s: differs from a new process (-want +got):\n%s", i, step.what, d)
		}
		errs := strings.Join(got.Errors, "")
		if got.Summary.Failed != (step.says != "") || !strings.Contains(errs, step.says) {
			t.Fatalf("run %d, %s: %+v\n%s", i, step.what, got.Summary, errs)
		}
		if i%len(steps) != 0 {
			continue
		}
		if i == 0 {
			continue // some resources were not needed yet
		}
		if heap == 0 {
			files, goroutines, heap = least(openFiles), least(runtime.NumGoroutine), least(inUse)
			continue
		}
		// It depends on chance how many sessions were needed at the same time, each with a
		// reader and a writer. The messages need some memory themselves.
		const grows = 256 << 10
		sessions := one.parallel - 1
		if n := least(openFiles); n > files+sessions {
			t.Errorf("run %d: %d files are open; before %d", i, n, files)
		}
		if n := least(runtime.NumGoroutine); n > goroutines+2*sessions {
			t.Errorf("run %d: %d goroutines; before %d", i, n, goroutines)
		}
		if n := least(inUse); n > heap+grows+sessions<<18 {
			t.Errorf("run %d: %d bytes in use; before %d", i, n, heap)
		}
	}
}

// TestManyRuns: each of many runs of one Runner has the same result as in a new
// process, whatever happens between them, and leaks nothing.
func TestManyRuns(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	filesBefore := openFiles()
	one, fresh := withMemServer(t), withMemServer(t)
	defer one.srv.stop()
	defer fresh.srv.stop()
	manyRuns(t, 52, [2]*serviceWorld{one, fresh}, []step{
		{"nothing", func(*serviceWorld) {}, ""},
		{"a restart", func(w *serviceWorld) { w.srv.restart() }, ""},
		{"no server", func(w *serviceWorld) { w.srv.stop() }, "connection refused"},
		{"the server is back", func(w *serviceWorld) { w.srv.start() }, ""},
		{"a wrong password", func(w *serviceWorld) { w.srv.setPassword("other"); w.srv.restart() }, "login failed"},
		{"still wrong", func(*serviceWorld) {}, "login failed"},
		{"the new password", func(w *serviceWorld) { w.write("pass", "other\n") }, ""},
		{"no password", func(w *serviceWorld) { _ = os.Remove(filepath.Join(w.dir, "pass")); w.srv.restart() }, "cannot get the password"},
		{"the old password", func(w *serviceWorld) { w.srv.setPassword("right"); w.write("pass", "right\n") }, ""},
		{"a store in memory fails", func(w *serviceWorld) { w.sick = &store.StoreError{Store: "mem1", Err: errors.New("sick")} }, "sick"},
		{"it is well again", func(w *serviceWorld) { w.sick = nil }, ""},
		{"a Maildir is a file", func(w *serviceWorld) {
			_ = os.Rename(filepath.Join(w.dir, "disk"), filepath.Join(w.dir, "away"))
			w.write("disk", "")
		}, "error"},
		{"it is back", func(w *serviceWorld) {
			_ = os.Remove(filepath.Join(w.dir, "disk"))
			_ = os.Rename(filepath.Join(w.dir, "away"), filepath.Join(w.dir, "disk"))
		}, ""},
	})
	if one.srv.logins >= fresh.srv.logins {
		t.Errorf("%d logins, a new process for each run needs %d", one.srv.logins, fresh.srv.logins)
	}
	one.srv.stop()
	fresh.srv.stop()
	if n := least(openFiles); n > filesBefore {
		t.Errorf("%d files are open, %d before", n, filesBefore)
	}
}

// least returns the lowest count for a while: a server takes a moment to notice that a
// connection has ended.
func least(count func() int) int {
	n := count()
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		n = min(n, count())
	}
	return n
}

// inUse returns how much memory is in use, in bytes.
func inUse() int {
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return int(ms.HeapAlloc)
}

// openFiles counts the open files of this process; 0 where that is not known.
func openFiles() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, name := range names {
		// Files of the runtime that watch others come and go.
		if to, err := os.Readlink("/proc/self/fd/" + name.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

// TestManyRunsWithDovecot is the same test with a server that supports QRESYNC,
// optimistic commands, and several connections.
func TestManyRunsWithDovecot(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"one", "two"}})
	running := true
	var worlds [2]*serviceWorld
	for i, user := range []string{"one", "two"} {
		w := newServiceWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser %s\nConnections 2\nAuthMechs PLAIN\n", srv.Host, srv.Port, user))
		w.write("pass", testkit.Password+"\n")
		w.parallel = 2
		w.put = func(box, subject string) {
			if running {
				srv.Seed(t, user, box, testkit.Mail{Body: "Subject: " + subject + "\r\n\r\nbody\r\n"})
			}
		}
		w.count = func(string) int { return 0 } // counting the Maildirs is sufficient
		worlds[i] = w
	}
	first := func(f func()) func(*serviceWorld) {
		return func(w *serviceWorld) {
			if w == worlds[0] {
				f()
			}
		}
	}
	manyRuns(t, 24, worlds, []step{
		{"nothing", func(*serviceWorld) {}, ""},
		{"nothing again", func(*serviceWorld) {}, ""},
		{"a restart", first(func() { srv.Restart(t) }), ""},
		{"no server", first(func() {
			running = false
			if err := srv.Stop(); err != nil {
				t.Fatal(err)
			}
		}), "connection refused"},
		{"the server is back, with another password", func(w *serviceWorld) {
			if w == worlds[0] {
				srv.Restart(t)
				running = true
			}
			w.write("pass", "wrong\n")
		}, "AUTHENTICATIONFAILED"},
		{"still wrong", func(*serviceWorld) {}, "AUTHENTICATIONFAILED"},
		{"the right password", func(w *serviceWorld) { w.write("pass", testkit.Password+"\n") }, ""},
		{"sessions end", first(func() { srv.Kick(t, "one") }), ""},
	})
}
