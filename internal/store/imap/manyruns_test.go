package imap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/vfs"
)

// moody is a server in memory that may misbehave during a run.
type moody struct {
	mu    sync.Mutex
	mood  string
	conns map[net.Conn]bool
	drop  bool // the connection of the next SELECT
	log   []string
}

// The ways to misbehave; "": none.
var moods = []string{"", "", "down", "wrong password", "crowded", "drops", "other capabilities", "other names"}

// begin sets the behavior of the next run. All connections are lost, unless the server
// behaves well both before and after.
func (s *moody) begin(mood string) (lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
	if lost = mood != "" || s.mood != ""; lost {
		for c := range s.conns {
			c.Close()
		}
	}
	s.mood, s.drop = mood, mood == "drops"
	return lost
}

// commands returns the commands of the run so far, without their tags.
func (s *moody) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *moody) dial(context.Context) (net.Conn, error) {
	time.Sleep(time.Millisecond) // by then connections that the client has closed are gone
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mood == "down" {
		return nil, errors.New("connection refused")
	}
	client, conn := net.Pipe()
	if s.conns == nil {
		s.conns = make(map[net.Conn]bool)
	}
	s.conns[conn] = true
	go s.serve(conn, s.mood, len(s.conns))
	return client, nil
}

func (s *moody) serve(conn net.Conn, mood string, n int) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
		conn.Close()
	}()
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	if mood == "crowded" && n > 1 {
		say("* BYE [UNAVAILABLE] too many connections")
		return
	}
	caps, delim := "IMAP4rev1 UIDPLUS NAMESPACE ENABLE CONDSTORE", "/"
	switch mood {
	case "other capabilities":
		caps = "IMAP4rev1 NAMESPACE"
	case "other names":
		delim = "."
	}
	say("* OK [CAPABILITY IMAP4rev1 SASL-IR] hello")
	lines := make(chan string, 100)
	go s.receive(conn, lines)
	for line := range lines {
		tag, rest, _ := strings.Cut(line, " ")
		verb, args, _ := strings.Cut(rest, " ")
		switch verb {
		case "LOGIN":
			time.Sleep(time.Millisecond) // what is sent without waiting has been received by then
			if mood == "wrong password" {
				say("%s NO [AUTHENTICATIONFAILED] no", tag)
				continue
			}
			say("%s OK [CAPABILITY %s] in", tag, caps)
			continue
		case "NAMESPACE":
			say(`* NAMESPACE (("" "%s")) NIL NIL`, delim)
		case "LIST":
			say(`* LIST () "%s" INBOX`, delim)
			say(`* LIST () "%s" a%sb`, delim, delim)
			say(`* LIST () "%s" a%s%sb`, delim, delim, delim)
		case "SELECT":
			s.mu.Lock()
			drop := s.drop
			s.drop = false
			s.mu.Unlock()
			if drop {
				return
			}
			validity := "* OK [UIDVALIDITY 7] ok"
			if strings.Contains(args, "b") {
				validity = "* OK still here"
			}
			say("* FLAGS (\\Seen)\r\n* 2 EXISTS\r\n%s\r\n* OK [UIDNEXT 10] ok\r\n* OK [HIGHESTMODSEQ 5] ok", validity)
		case "UID":
			say("* 1 FETCH (UID 3 FLAGS () MODSEQ (4))\r\n* 2 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (5))")
		case "LOGOUT":
			say("* BYE\r\n%s OK", tag)
			return
		}
		say("%s OK", tag)
	}
}

// receive passes lines on.
func (s *moody) receive(conn net.Conn, to chan<- string) {
	defer close(to)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		_, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		s.log = append(s.log, command)
		s.mu.Unlock()
		to <- lines.Text()
	}
}

// outcome makes the calls of a run, and returns their results.
func outcome(ctx context.Context, s *imap.Store) (out []string) {
	caps, err := s.Caps(ctx)
	out = append(out, fmt.Sprintf("%+v, %v", caps, err))
	boxes, err := s.List(ctx, store.ListRequest{Inbox: true, Others: true})
	out = append(out, fmt.Sprintf("%v, %v", boxes, err))
	for _, box := range []string{"INBOX", "a/b"} {
		m, err := s.Open(ctx, box, store.OpenRequest{})
		if err != nil {
			out = append(out, fmt.Sprint(box, ": ", err, ", crowded ", errors.Is(err, store.ErrCrowded)))
			continue
		}
		defer m.Close(ctx)
		l, err := m.Scan(ctx, everything)
		out = append(out, fmt.Sprintf("%s: %+v, %+v, %v", box, m.Info(), l, err))
	}
	return out
}

// TestManyRuns: 50 runs with one store have the same results as runs with a new store
// each, whatever the server does, and leak nothing.
func TestManyRuns(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var files, most int
		synctest.Test(t, func(t *testing.T) {
			now := time.Now() // the same for both sides
			newSide := func() (srv *moody, opts imap.Options, warnings *[]string) {
				srv, warnings = new(moody), new([]string)
				return srv, imap.Options{
					Name: "far", Login: loginWith("me", "pw"), UseNamespace: true,
					Client:   imapclient.Options{Dial: srv.dial, ID: []string{"name", "isync"}},
					Listings: memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "memo")), Server: "the server",
					Account: func(context.Context) (string, error) { return "me", nil },
					Now:     func() time.Time { return now },
					Warn:    func(f event.Fact) { *warnings = append(*warnings, textOf(f)) },
				}, warnings
			}
			keptServer, keptOpts, keptWarnings := newSide()
			newServer, newOpts, newWarnings := newSide()
			kept := imap.New(keptOpts)
			for run := range 50 {
				mood := moods[rnd.IntN(len(moods))]
				lost := newServer.begin(mood)
				keptServer.begin(mood)
				synctest.Wait()
				kept.BeginRun(uint64(run + 1))
				fresh := imap.New(newOpts)
				got, want := outcome(t.Context(), kept), outcome(t.Context(), fresh)
				if lost {
					// Then the commands are the same, too.
					got, want = append(got, keptServer.commands()...), append(want, newServer.commands()...)
				}
				if err := fresh.Close(); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(append(want, *newWarnings...), append(got, *keptWarnings...)); diff != "" {
					t.Fatalf("seed %d, run %d, %q: a new store leads to -, one that is kept to +:\n%s", seed, run+1, mood, diff)
				}
				*newWarnings, *keptWarnings = nil, nil
				now = now.Add(time.Duration(rnd.IntN(48)) * time.Hour)
				synctest.Wait()
				if run == 10 {
					files, most = openFiles(), runtime.NumGoroutine()
				}
			}
			if f, n := openFiles(), runtime.NumGoroutine(); f > files || n > most+20 {
				t.Errorf("%d files and %d goroutines after 10 runs, %d and %d after 50", files, most, f, n)
			}
			if err := kept.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// openFiles returns how many files the process has open, 0 if that is not known.
func openFiles() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}
