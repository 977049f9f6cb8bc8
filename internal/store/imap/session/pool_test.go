package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// server is a server in memory that answers every command with OK, and accepts a
// limited number of connections.
type server struct {
	connections, most int
	// forgets: the server does not answer on the connections that exist now.
	forgets int
}

func (s *server) dial(context.Context) (net.Conn, error) {
	client, conn := net.Pipe()
	s.connections++
	number := s.connections
	go func() {
		defer conn.Close()
		if s.connections > s.most {
			fmt.Fprint(conn, "* BYE too many connections\r\n")
			return
		}
		fmt.Fprint(conn, "* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n")
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			tag, verb, _ := strings.Cut(lines.Text(), " ")
			if number <= s.forgets {
				continue
			}
			fmt.Fprintf(conn, "%s OK done\r\n", tag)
			if verb == "LOGOUT" {
				return
			}
		}
	}()
	return client, nil
}

func newTestPool(t *testing.T, s *server, o Options) *Pool {
	o.Client.Dial = s.dial
	p := NewPool(o)
	p.Join()
	t.Cleanup(p.Leave)
	return p
}

func nothing(*Session) error { return nil }

// TestSpareOfEarlierRun: commands on a spare session are not repeated. So Spare returns
// no session whose connection was lost unnoticed since the last run.
func TestSpareOfEarlierRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{most: 10}
		p := newTestPool(t, srv, Options{Client: imapclient.Options{Timeout: time.Second}})
		gate, want := new(LoginGate), Want{Changes: true}
		p.BeginRun(1)
		first := p.Spare(t.Context(), gate, Want{})
		p.Put(first, want)
		if again := p.Spare(t.Context(), gate, Want{}); again != first {
			t.Error("the session is not used twice in a run")
		}
		p.Put(first, want)
		p.BeginRun(2)
		if again := p.Spare(t.Context(), gate, Want{}); again != first {
			t.Error("the session is not kept")
		}
		p.Put(first, want)
		p.BeginRun(3)
		srv.forgets = srv.connections
		s := p.Spare(t.Context(), gate, Want{})
		if s == nil || s == first || s.Lost() {
			t.Fatal("the session does not work")
		}
		p.Put(s, want)
	})
}

// TestStuck: a call that waits for a session fails when nothing has happened in any
// session for DefaultStuckAfter, and continues when one is given back.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, &server{most: 1}, Options{MaxSessions: 1})
		gate, want := new(LoginGate), Want{Exclusive: true}
		s, _, err := p.Take(t.Context(), gate, want, nothing)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(DefaultStuckAfter/2, s.Use)
		if _, _, err := p.Take(t.Context(), gate, want, nothing); !errors.Is(err, store.ErrCrowded) {
			t.Errorf("Take = %v", err)
		}
		if d := time.Since(start); d < DefaultStuckAfter*3/2 || d > DefaultStuckAfter*7/4 {
			t.Errorf("gave up after %v", d)
		}
		if shared, _, err := p.Take(t.Context(), gate, Want{}, nothing); err == nil {
			p.Put(shared, Want{})
		} else {
			t.Errorf("what needs no mailbox: %v", err)
		}
		start = time.Now()
		time.AfterFunc(time.Second, func() { p.Put(s, want) })
		s, _, err = p.Take(t.Context(), gate, want, nothing)
		if err != nil || time.Since(start) != time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		p.Put(s, want)
	})
}

// TestLimitEndsWithRun: after the server has refused a further session, none is tried
// until the run ends, however long that takes.
func TestLimitEndsWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{most: 1}
		var limited []int
		p := newTestPool(t, srv, Options{Limited: func(n int, _ error) { limited = append(limited, n) }})
		gate, want := new(LoginGate), Want{Exclusive: true}
		first, _, err := p.Take(t.Context(), gate, want, nothing)
		if err != nil {
			t.Fatal(err)
		}
		for run := range 3 {
			p.BeginRun(uint64(run + 1))
			for range 2 {
				if _, _, err := p.Take(t.Context(), gate, want, nothing); !errors.Is(err, store.ErrCrowded) {
					t.Errorf("run %d: %v", run+1, err)
				}
				if !p.Crowded() || p.Spare(t.Context(), gate, Want{}) != nil {
					t.Errorf("run %d: there is a session to spare", run+1)
				}
				time.Sleep(1000 * time.Hour)
			}
			if srv.connections != run+2 || len(limited) != run+1 {
				t.Errorf("after run %d: %d connections, told %v", run+1, srv.connections, limited)
			}
		}
		p.Put(first, want)
	})
}

// TestGateEndsWithRun: after a failed login, its store does not log in until the run
// ends. Other stores may.
func TestGateEndsWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{most: 100}
		logins, failure := 0, errors.New("wrong password")
		p := newTestPool(t, srv, Options{Login: func(context.Context, *imapclient.Client) error {
			logins++
			return failure
		}})
		p.opts.Client.Dial = func(ctx context.Context) (net.Conn, error) { return srv.dialWithLogin(ctx) }
		one, two := new(LoginGate), new(LoginGate)
		for run := range 3 {
			p.BeginRun(uint64(run + 1))
			for range 2 {
				for _, gate := range []*LoginGate{one, two} {
					if _, _, err := p.Take(t.Context(), gate, Want{}, nothing); !errors.Is(err, failure) {
						t.Errorf("run %d: %v", run+1, err)
					}
				}
				time.Sleep(1000 * time.Hour)
			}
			if logins != 2*(run+1) {
				t.Errorf("after run %d: %d logins", run+1, logins)
			}
		}
	})
}

// dialWithLogin is dial to a server that requires a login.
func (s *server) dialWithLogin(ctx context.Context) (net.Conn, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &notPreauth{Conn: conn}, nil
}

// notPreauth changes the greeting.
type notPreauth struct {
	net.Conn
	greeted bool
}

func (c *notPreauth) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.greeted && n > 0 {
		c.greeted = true
		n = copy(b, strings.Replace(string(b[:n]), "PREAUTH", "OK", 1))
	}
	return n, err
}

// recorder is a Listener.
type recorder []string

func (r *recorder) Exists(n uint32)           { *r = append(*r, fmt.Sprint("exists ", n)) }
func (r *recorder) Expunged(seq uint32)       { *r = append(*r, fmt.Sprint("expunged ", seq)) }
func (r *recorder) Vanished(uids mail.UIDSet) { *r = append(*r, "vanished "+uids.String()) }
func (r *recorder) Mentioned(u mail.UID, seq uint32) {
	*r = append(*r, fmt.Sprint("mentioned ", u, " at ", seq))
}
func (r *recorder) Unreadable() { *r = append(*r, "unreadable") }

// TestChangeCounter: each reported change makes the snapshot a different one, and is
// passed to the listener and to the hooks that were set before.
func TestChangeCounter(t *testing.T) {
	hooked := 0
	for _, tt := range []struct {
		name   string
		report func(h *imapclient.Hooks)
		// changes: the snapshot differs in more than the number of messages. arrives:
		// the response counts as an arrival.
		changes, arrives bool
		heard            string
	}{
		{"EXISTS", func(h *imapclient.Hooks) { h.Exists(5) }, false, true, "exists 5"},
		{"EXPUNGE", func(h *imapclient.Hooks) { h.Expunge(2) }, true, false, "expunged 2"},
		{"VANISHED", func(h *imapclient.Hooks) { h.Vanished(mail.NewUIDSet(7)) }, true, false, "vanished 7"},
		{"FETCH of flags", func(h *imapclient.Hooks) {
			h.Fetch(&imapwire.Fetch{Has: imapwire.ItemFlags | imapwire.ItemUID, UID: 7, Seq: 3})
		}, true, false, "mentioned 7 at 3"},
		{"FETCH of flags without a UID", func(h *imapclient.Hooks) { h.Fetch(&imapwire.Fetch{Has: imapwire.ItemFlags, Seq: 3}) }, true, false, ""},
		{"FETCH of a UID", func(h *imapclient.Hooks) {
			h.Fetch(&imapwire.Fetch{Has: imapwire.ItemUID, UID: 7, Seq: 3})
		}, false, false, "mentioned 7 at 3"},
		{"an invalid FETCH", func(h *imapclient.Hooks) { h.Unreadable(imapwire.KindFetch) }, true, false, ""},
		{"an invalid EXPUNGE", func(h *imapclient.Hooks) { h.Unreadable(imapwire.KindExpunge) }, true, false, "unreadable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hooked = 0
			hooks := imapclient.Hooks{
				Exists:     func(uint32) { hooked++ },
				Expunge:    func(uint32) { hooked++ },
				Vanished:   func(mail.UIDSet) { hooked++ },
				Fetch:      func(*imapwire.Fetch) { hooked++ },
				Unreadable: func(imapwire.Kind) { hooked++ },
			}
			var c changeCounter
			c.hook(&hooks)
			var heard recorder
			c.Listen(&heard)
			before, arrivals := c.snapshot(4), c.Arrivals()
			tt.report(&hooks)
			if changed := c.snapshot(4) != before; changed != tt.changes {
				t.Errorf("another snapshot: %v", changed)
			}
			if arrived := c.Arrivals() != arrivals; arrived != tt.arrives {
				t.Errorf("an arrival: %v", arrived)
			}
			if got := strings.Join(heard, ", "); got != tt.heard || hooked != 1 {
				t.Errorf("heard %q, hooks called %d times", got, hooked)
			}
			c.Listen(nil)
			tt.report(&hooks)
			if got := strings.Join(heard, ", "); got != tt.heard || hooked != 2 {
				t.Errorf("heard %q after listening, hooks called %d times", got, hooked)
			}
		})
	}
	if c := new(changeCounter); c.snapshot(4) == c.snapshot(5) || c.snapshot(4).With(5) != c.snapshot(5) {
		t.Error("the number of messages is not part of a snapshot")
	}
}

// TestHidesAppended: an appended message is hidden until the server has reported as
// many arrivals as messages were appended, or has answered a NOOP.
func TestHidesAppended(t *testing.T) {
	var c changeCounter
	check := func(want bool, when string) {
		t.Helper()
		if got := c.hidesAppended(); got != want {
			t.Errorf("%s: hidden %v", when, got)
		}
	}
	check(false, "in the beginning")
	c.noteExists(1)
	c.NoteAppend()
	check(true, "after an APPEND")
	c.NoteAppend()
	c.noteExists(2)
	check(true, "one of two reported")
	c.noteExists(3)
	check(false, "both reported")
	c.NoteAppend()
	check(true, "after another APPEND")
	c.NoteUpToDate()
	check(false, "after asking")
}
