package imap_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap"
)

// watchServer is a server in memory, for tests of the watch inside of a synctest bubble.
type watchServer struct {
	t *testing.T
	// The fields up to refuses are changed by change only.
	caps string
	// list are the responses to NOTIFY, and examine those to EXAMINE.
	list, examine []string
	// answer, if not nil, is asked for the answer to a command: lines, in which TAG stands
	// for the tag. ok is false for the usual one. "HANG" is none, "CLOSE", also as the last
	// line, ends the connection.
	answer func(conn int, command string) (lines string, ok bool)

	refuses error // why no connection can be made

	mu    sync.Mutex
	start time.Time
	log   []string
	conns []*watchConn // those that were made, by number
	open  int
}

type watchConn struct {
	net.Conn
	idle string // the tag of an IDLE
}

func newWatchServer(t *testing.T, caps string) *watchServer {
	return &watchServer{
		t: t, caps: caps, start: time.Now(),
		list:    []string{"* STATUS INBOX (MESSAGES 3 UIDNEXT 10 UIDVALIDITY 7 HIGHESTMODSEQ 12)", "* STATUS work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 HIGHESTMODSEQ 1)"},
		examine: []string{"* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 10] x", "* OK [HIGHESTMODSEQ 12] x"},
	}
}

// dial makes a connection.
func (s *watchServer) dial(context.Context) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses != nil {
		s.note(len(s.conns), "refused")
		return nil, s.refuses
	}
	client, server := net.Pipe()
	c := &watchConn{Conn: server}
	n := len(s.conns)
	s.conns = append(s.conns, c)
	s.open++
	s.note(n, "connected")
	go s.serve(n, c)
	return client, nil
}

// note logs something; s.mu must be held.
func (s *watchServer) note(conn int, what string) {
	s.log = append(s.log, fmt.Sprintf("#%d %s", conn, what))
}

func (s *watchServer) serve(n int, c *watchConn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		s.note(n, "closed")
	}()
	r := bufio.NewReader(c)
	s.mu.Lock()
	caps := s.caps
	s.mu.Unlock()
	if !s.write(c, "* OK [CAPABILITY IMAP4rev1 "+caps+"] hi") {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		tag, command, _ := strings.Cut(line, " ")
		if line == "DONE" {
			tag, command = c.idle, "DONE"
		}
		s.mu.Lock()
		s.note(n, command)
		lines, ok := "", false
		if s.answer != nil {
			lines, ok = s.answer(n, command)
		}
		if !ok {
			lines = s.usual(command)
		}
		s.mu.Unlock()
		if command == "IDLE" {
			c.idle = tag
		}
		switch lines {
		case "HANG":
			continue
		case "CLOSE":
			return
		}
		lines, closes := strings.CutSuffix(lines, "\nCLOSE")
		if !s.write(c, strings.Split(strings.ReplaceAll(lines, "TAG", tag), "\n")...) || closes {
			return
		}
	}
}

// usual returns the usual answer to a command.
func (s *watchServer) usual(command string) string {
	verb, _, _ := strings.Cut(command, " ")
	switch verb {
	case "LOGIN":
		return "TAG OK [CAPABILITY IMAP4rev1 " + s.caps + "] in"
	case "LIST":
		return "* LIST () \"/\" \"\"\nTAG OK"
	case "NAMESPACE":
		return "* NAMESPACE ((\"\" \"/\")) NIL NIL\nTAG OK"
	case "ENABLE":
		return "* ENABLED " + strings.TrimPrefix(command, "ENABLE ") + "\nTAG OK"
	case "NOTIFY":
		if command == "NOTIFY NONE" {
			break
		}
		return strings.Join(append(slices.Clone(s.list), "TAG OK"), "\n")
	case "EXAMINE":
		return strings.Join(append(slices.Clone(s.examine), "TAG OK [READ-ONLY]"), "\n")
	case "IDLE":
		return "+ idling"
	case "LOGOUT":
		return "* BYE bye\nTAG OK"
	}
	return "TAG OK done"
}

func (s *watchServer) write(c net.Conn, lines ...string) bool {
	_, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n")
	return err == nil
}

// say sends lines on a connection, -1 for the last one, and waits until they have had
// their effect.
func (s *watchServer) say(conn int, lines ...string) {
	s.mu.Lock()
	if conn < 0 {
		conn = len(s.conns) - 1
	}
	c := s.conns[conn]
	s.mu.Unlock()
	if !s.write(c, lines...) {
		s.t.Errorf("connection %d is closed", conn)
	}
	synctest.Wait()
}

// cut ends a connection.
func (s *watchServer) cut(conn int) {
	s.mu.Lock()
	if conn < 0 {
		conn = len(s.conns) - 1
	}
	c := s.conns[conn]
	s.mu.Unlock()
	c.Close()
	synctest.Wait()
}

// change changes what the server does.
func (s *watchServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// wantLog compares what was logged since the last call, without what the beginning of
// each connection consists of.
func (s *watchServer) wantLog(lines ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := withoutBeginnings(s.log)
	s.log = nil
	if d := cmp.Diff(lines, got, orEmpty); d != "" {
		s.t.Errorf("%v: %s", time.Since(s.start), d)
	}
}

func withoutBeginnings(log []string) []string {
	return slices.DeleteFunc(log, func(line string) bool {
		_, what, _ := strings.Cut(line, " ")
		return strings.HasPrefix(what, "LOGIN") || what == "NAMESPACE" || what == `LIST "" ""` || what == "LOGOUT" || strings.HasPrefix(what, "ENABLE")
	})
}

var orEmpty = cmp.Transformer("list", func(s []string) []string { return append([]string{}, s...) })

func (s *watchServer) options() imap.Options {
	return imap.Options{
		Name: "far", UseNamespace: true,
		Client: imapclient.Options{Host: "testhost", Dial: s.dial, Timeout: 20 * time.Second},
		Login:  loginWith("user", "secret"),
	}
}

// watchLog is a watch of a test.
type watchLog struct {
	t     *testing.T
	watch store.Watch
	close func()

	mu      sync.Mutex
	reports []string
	state   store.WatchState
	begun   time.Time
}

// watch begins to watch the mailboxes of a store. It is ended with the test, or by close,
// inside of the bubble.
func watchStore(t *testing.T, s *imap.Store, preferred []string, boxes ...string) *watchLog {
	t.Helper()
	w := &watchLog{t: t, begun: time.Now()}
	watcher, ok := store.As[store.Watcher](s)
	if !ok {
		t.Fatal("an IMAP store cannot be watchLog")
	}
	var err error
	w.watch, err = watcher.Watch(t.Context(), store.WatchOptions{Boxes: boxes, Preferred: preferred}, w.note)
	if err != nil {
		t.Fatal(err)
	}
	w.close = sync.OnceFunc(func() {
		w.watch.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.close)
	synctest.Wait()
	return w
}

func (w *watchLog) note(r store.WatchReport) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.State != nil:
		w.state = *r.State
		text := r.State.Mode.String()
		if r.State.Covered != nil {
			text += fmt.Sprint(r.State.Covered)
		}
		if !r.State.Connected {
			text = "down"
			if !r.State.Next.IsZero() {
				text += " for " + roundly(time.Until(r.State.Next))
			}
		}
		w.reports = append(w.reports, text)
	case r.All:
		w.reports = append(w.reports, "all")
	case r.Boxes:
		w.reports = append(w.reports, "boxes")
	default:
		w.reports = append(w.reports, r.Box)
	}
}

// roundly returns a delay without its random part.
func roundly(d time.Duration) string {
	for want := time.Second; want < 4*time.Minute; want *= 2 {
		if d >= want*3/4 && d <= want*5/4 {
			return want.String()
		}
	}
	if d >= 4*time.Minute*3/4 && d <= 5*time.Minute*5/4 {
		return "5m0s" // or a little less
	}
	return d.String()
}

// want compares what was reported since the last call.
func (w *watchLog) want(reports ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := cmp.Diff(reports, w.reports, orEmpty); d != "" {
		w.t.Errorf("%v: %s", time.Since(w.begun), d)
	}
	w.reports = nil
}

// wantLast compares the last state, and which mailboxes were reported, in any order, since
// the last call of this or want.
func (w *watchLog) wantLast(state string, boxes ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got, last := map[string]bool{}, ""
	for _, r := range w.reports {
		if strings.HasPrefix(r, "idle[") {
			last = r
		} else {
			got[r] = true
		}
	}
	w.reports = nil
	if d := cmp.Diff(boxes, slices.Sorted(maps.Keys(got)), orEmpty); d != "" || last != state {
		w.t.Errorf("%v: %s %s", time.Since(w.begun), last, d)
	}
}

// err returns the error of the state.
func (w *watchLog) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Err
}

func (w *watchLog) wantErr(kind store.Kind, part string) {
	w.t.Helper()
	err := w.err()
	if err == nil || !strings.Contains(err.Error(), part) {
		w.t.Errorf("state has the error %v", err)
	}
	if got, _ := store.KindOf(err); got != kind {
		w.t.Errorf("the kind of %v is %v", err, got)
	}
}

var errUnreachable = &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}

// commands returns what was logged since the last call.
func (s *watchServer) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.log
	s.log = nil
	return got
}

// wantBegun expects that something was logged, and forgets it.
func (s *watchServer) wantBegun() {
	s.t.Helper()
	synctest.Wait()
	if len(s.commands()) == 0 {
		s.t.Error("the watch has not begun")
	}
}

// wantSorted is wantLog for lines of several connections in any order.
func (s *watchServer) wantSorted(lines ...string) {
	s.t.Helper()
	synctest.Wait()
	got := withoutBeginnings(s.commands())
	slices.Sort(got)
	if d := cmp.Diff(lines, got, orEmpty); d != "" {
		s.t.Error(d)
	}
}

// wantOpen expects so many connections.
func (s *watchServer) wantOpen(n int) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != n {
		s.t.Errorf("%d connections are open, not %d", s.open, n)
	}
}
