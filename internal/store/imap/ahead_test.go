package imap_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// lateConn delays what the server sends, so that commands that need not wait for an answer
// are sent before it.
type lateConn struct{ net.Conn }

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	time.Sleep(30 * time.Millisecond)
	return n, err
}

// bursts notes the commands of the connections, and counts bursts: commands that are sent
// while no answer is expected.
type bursts struct {
	mu       sync.Mutex
	commands []string
	n        int
}

func (b *bursts) dial(ctx context.Context, s testkit.Server) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.At().Addr())
	if err != nil {
		return nil, err
	}
	beside := false
	return &watched{
		Conn: lateConn{conn}, tags: map[string]string{},
		beside: func(_, _ string) { beside = true },
		command: func(line string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if !beside {
				b.n++
			}
			beside = false
			_, command, _ := strings.Cut(line, " ")
			b.commands = append(b.commands, numbers.ReplaceAllString(strings.ReplaceAll(command, `"`, ""), "N"))
		},
	}, nil
}

// numbers are replaced by N.
var numbers = regexp.MustCompile(`[0-9]+`)

// take returns what was sent since the last call.
func (b *bursts) take() (n int, commands []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, commands = b.n, b.commands
	b.n, b.commands = 0, nil
	return n, commands
}

// watchedRun is what a run of a watcher does with a mailbox: it lists the messages, and
// fetches those from UID next on. It returns the listing, and the texts.
func watchedRun(t *testing.T, s *imap.Store, box string, next mail.UID, limit int64) (list []mail.Meta, texts []string) {
	t.Helper()
	m, err := s.Open(t.Context(), box, store.OpenRequest{Prefetch: limit})
	if err != nil {
		t.Fatal(err)
	}
	list = scan(t, m, everything)
	var items []store.FetchItem
	for _, msg := range list {
		if msg.UID >= next {
			items = append(items, store.FetchItem{UID: msg.UID, Flags: msg.Flags})
		}
	}
	if len(items) > 0 {
		err = m.Fetch(t.Context(), items, func(in *store.Incoming) error {
			if _, ok := in.Body.(io.Seeker); ok {
				t.Error("a body with CRLF is an io.Seeker")
			}
			body, err := io.ReadAll(in.Body)
			if int64(len(body)) != in.Size || in.Date.IsZero() {
				t.Errorf("message %d has %d bytes, not %d, and the date %v", in.UID, len(body), in.Size, in.Date)
			}
			texts = append(texts, string(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list, texts
}

// TestAhead: a run for new messages that a watch has reported waits for the server once if
// the server numbers its changes, whether the mailbox is still selected or not. It sends
// what is needed and nothing else, and finds everything.
func TestAhead(t *testing.T) {
	type variant struct {
		name  string
		start func(testing.TB) testkit.Server
		want  []string // the commands for a new message
		n     int      // the bursts
	}
	const prefetch = "UID FETCH N:N (UID FLAGS INTERNALDATE RFCN.SIZE BODY.PEEK[]<N.N>)"
	resync := []string{"SELECT ? (QRESYNC (N N N:N))", strings.Replace(prefetch, "N:N", "N", 1)}
	condstore := []string{"SELECT ? (CONDSTORE)", "UID FETCH N:* (UID FLAGS) (CHANGEDSINCE N)", resync[1]}
	poor := []string{"SELECT ?", resync[1], "UID FETCH N:N (UID FLAGS)"}
	dovecot := func(cfg testkit.DovecotConfig) func(testing.TB) testkit.Server {
		return func(tb testing.TB) testkit.Server { tb.Helper(); return testkit.StartDovecot(tb, cfg) }
	}
	variants := []variant{
		{"dovecot-2.3", dovecot(testkit.DovecotConfig{}), resync, 1},
		{"as-gmail", dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1 " + asGmail}), condstore, 1},
		{"as-exchange", dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1 " + asExchange}), poor, 2},
	}
	for _, k := range testkit.Kinds() {
		if k.Name == "dovecot-2.4" || k.Name == "cyrus-3.10" {
			variants = append(variants, variant{k.Name, k.Start, resync, 1})
		}
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			server := v.start(t)
			server.AddUser(t, "alice")
			opts := options(t, server, "alice")
			opts.Listings = memo.NewDir(vfs.OS{}, t.TempDir())
			opts.Account = func(context.Context) (string, error) { return "alice", nil }
			sent := new(bursts)
			var watching atomic.Bool // the connections of the watch, which are not counted, are made
			opts.Client.Dial = func(ctx context.Context) (net.Conn, error) {
				if watching.Load() {
					return sent.dial(ctx, server)
				}
				return new(net.Dialer).DialContext(ctx, "tcp", server.At().Addr())
			}
			s := imap.New(opts)
			defer s.Close()
			other := &otherClient{t: t, c: server.Client(t, "alice"), traits: server.Traits()}
			other.append("INBOX")
			other.append("INBOX")
			other.create("box")
			other.append("box")
			w := watchReal(t, s, "INBOX", "box")
			watching.Store(true)
			w.settle()
			for _, box := range []string{"INBOX", "box", "INBOX"} {
				watchedRun(t, s, box, 1, 1<<20)
			}
			run := uint64(1)
			check := func(what, box string, messages, texts, n int, want []string, do func()) {
				t.Helper()
				want = slices.Clone(want)
				w.after(what, box, do)
				sent.take()
				s.BeginRun(run)
				run++
				list, got := watchedRun(t, s, box, mail.UID(messages-texts+1), 1<<20)
				if len(list) != messages || len(got) != texts || slices.Contains(got, "") {
					t.Errorf("%s: listed %v, fetched %q", what, list, got)
				}
				bursts, commands := sent.take()
				for i := range want {
					want[i] = strings.ReplaceAll(want[i], "?", other.name(box))
				}
				if diff := gocmp.Diff(want, commands); diff != "" || bursts != n {
					t.Errorf("%s: %d bursts, want %d; commands (-want +got):\n%s", what, bursts, n, diff)
				}
			}
			check("a new message", "INBOX", 3, 1, v.n, v.want, func() { other.append("INBOX") })
			if w.mode() == store.WatchNotify {
				check("one in another mailbox", "box", 2, 1, v.n, v.want, func() { other.append("box") })
				check("and back", "INBOX", 4, 1, v.n, v.want, func() { other.append("INBOX") })
				check("flags", "INBOX", 4, 0, 1, resync[:1], func() { other.flag("INBOX", goimap.FlagFlagged) })
			}
		})
	}
}

// TestAheadDoubts: whatever a server answers to commands behind a SELECT, the run lists and
// fetches what is in the mailbox. What is not certain is requested again.
func TestAheadDoubts(t *testing.T) {
	const (
		meta  = `UID 10 FLAGS (\Seen) INTERNALDATE "01-Jan-2024 00:00:00 +0000"`
		right = "* 3 FETCH (" + meta + " RFC822.SIZE 5 BODY[]<0> {5}\nright)\nTAG OK"
		wrong = "* 3 FETCH (" + meta + " RFC822.SIZE 5 BODY[]<0> {5}\nwrong)\n"
	)
	selected := func(validity string) string {
		return "* FLAGS (\\Seen)\n* 3 EXISTS\n* OK [UIDVALIDITY " + validity + "] x\n* OK [UIDNEXT 11] x\nTAG OK"
	}
	for name, c := range map[string]struct {
		sel, ahead string // the answers; "": the usual ones
		again      bool   // the message is requested again
		refused    int    // SELECTs
	}{
		"usual":                       {},
		"in pieces":                   {ahead: "* 3 FETCH (UID 10 BODY[]<0> {5}\nright)\n* 3 FETCH (" + meta + ")\n* 3 FETCH (UID 10 RFC822.SIZE 5)\nTAG OK"},
		"not as a part":               {ahead: strings.Replace(right, "<0>", "", 1)},
		"more than requested":         {ahead: strings.Replace(right, "TAG OK", "* 1 FETCH (UID 5 FLAGS (\\Seen))\nTAG OK", 1)},
		"refused":                     {ahead: "TAG NO not now", again: true},
		"unknown":                     {ahead: "TAG BAD what?", again: true},
		"nothing":                     {ahead: "TAG OK", again: true},
		"another UIDVALIDITY":         {sel: selected("8"), ahead: wrong + "TAG OK", again: true},
		"before the SELECT":           {sel: wrong + selected("7"), ahead: "TAG OK", again: true},
		"longer than RFC822.SIZE":     {ahead: strings.Replace(wrong, "SIZE 5", "SIZE 4", 1) + "TAG OK", again: true},
		"shorter than RFC822.SIZE":    {ahead: strings.Replace(wrong, "SIZE 5", "SIZE 6", 1) + "TAG OK", again: true},
		"without RFC822.SIZE":         {ahead: strings.Replace(wrong, " RFC822.SIZE 5", "", 1) + "TAG OK", again: true},
		"without flags":               {ahead: strings.Replace(wrong, `FLAGS (\Seen) `, "", 1) + "TAG OK", again: true},
		"from the middle":             {ahead: strings.Replace(wrong, "<0>", "<3>", 1) + "TAG OK", again: true},
		"empty":                       {ahead: "* 3 FETCH (" + meta + " RFC822.SIZE 0 BODY[]<0> \"\")\nTAG OK", again: true},
		"without a body":              {ahead: "* 3 FETCH (" + meta + " RFC822.SIZE 5 BODY[]<0> NIL)\nTAG OK", again: true},
		"too long":                    {ahead: "* 3 FETCH (" + meta + " RFC822.SIZE 101 BODY[]<0> {101}\n" + strings.Repeat("x", 101) + ")\nTAG OK", again: true},
		"invalid":                     {ahead: "* 3 FETCH (" + meta + " RFC822.SIZE 5 BODY[]<0> {5}\nright))\nTAG OK"}, // accepted as when it is fetched
		"the connection is lost":      {ahead: "CLOSE", again: true},
		"lost in the message":         {ahead: "* 3 FETCH (" + meta + " RFC822.SIZE 5 BODY[]<0> {5}\nwr\nCLOSE", again: true},
		"the mailbox is not selected": {sel: "TAG NO not now", ahead: wrong + "TAG OK", again: true, refused: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, notifying)
				sels, bodies, first := 0, 0, false
				srv.answer = func(_ int, command string) (string, bool) {
					switch {
					case strings.HasPrefix(command, "SELECT"):
						sels++
						first = sels == 2
						time.Sleep(time.Millisecond) // the command behind it is sent
						switch {
						case sels == 1:
							return "* FLAGS (\\Seen)\n* 2 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 10] x\nTAG OK", true
						case first && c.sel != "":
							return c.sel, true
						case strings.Contains(c.sel, "VALIDITY 8"):
							return selected("8"), true
						}
						return selected("7"), true
					case strings.Contains(command, "BODY.PEEK[]<0.101>"):
						if !first || command != "UID FETCH 10 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.101>)" {
							t.Error(command)
						}
						return cmp.Or(c.ahead, right), true
					case strings.Contains(command, "BODY.PEEK[]"):
						bodies++
						return strings.Replace(right, "<0>", "", 1), true
					case sels > 1:
						return "* 1 FETCH (UID 5 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\n* 3 FETCH (UID 10 FLAGS (\\Seen))\nTAG OK", true
					case strings.HasPrefix(command, "UID FETCH"):
						return "* 1 FETCH (UID 5 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\nTAG OK", true
					}
					return "", false
				}
				s := imap.New(srv.options())
				w := watchStore(t, s, []string{"*"}, "INBOX")
				watchedRun(t, s, "INBOX", 10, 100)
				srv.say(0, "* STATUS INBOX (MESSAGES 3 UIDNEXT 11 UIDVALIDITY 7 HIGHESTMODSEQ 13)")
				s.BeginRun(1)
				for range c.refused {
					if _, err := s.Open(t.Context(), "INBOX", store.OpenRequest{Prefetch: 100}); !isBoxError(err) {
						t.Error(err)
					}
				}
				list, texts := watchedRun(t, s, "INBOX", 10, 100)
				want := []mail.Meta{{UID: 5}, {UID: 9}, {UID: 10, Flags: mail.FlagSeen}}
				if diff := gocmp.Diff(want, list); diff != "" || !slices.Equal(texts, []string{"right"}) || bodies > 0 != c.again {
					t.Errorf("fetched %q, requested again: %v; listing:\n%s", texts, bodies > 0, diff)
				}
				w.close()
			})
		})
	}
}

// TestAheadChanges: the changes that are requested behind a SELECT are used only if they
// agree with what the SELECT tells.
func TestAheadChanges(t *testing.T) {
	const (
		change = "* 1 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (13))\n"
		fresh  = "* 3 FETCH (UID 10 FLAGS () MODSEQ (14))\n"
	)
	for name, c := range map[string]struct {
		answer string
		more   bool // more is requested than that
	}{
		"usual":               {answer: change + fresh + "TAG OK"},
		"in another order":    {answer: fresh + change + "TAG OK"},
		"twice":               {answer: "* 1 FETCH (UID 5 FLAGS () MODSEQ (13))\n" + change + fresh + "TAG OK"},
		"without new ones":    {answer: change + "TAG OK", more: true},
		"at another place":    {answer: change + "* 2 FETCH (UID 10 FLAGS () MODSEQ (14))\nTAG OK", more: true},
		"of unknown messages": {answer: change + fresh + "* 1 FETCH (UID 4 FLAGS () MODSEQ (14))\nTAG OK", more: true},
		"without flags":       {answer: "* 1 FETCH (UID 5 MODSEQ (13))\n" + fresh + "TAG OK", more: true},
		"invalid":             {answer: change + "* 3 FETCH (UID 10 FLAGS MODSEQ\nTAG OK", more: true},
		"refused":             {answer: change + fresh + "TAG NO", more: true},
		"unknown":             {answer: "TAG BAD", more: true},
		"overtaken":           {answer: change + fresh + "* 4 EXISTS\nTAG OK", more: true},
		"the connection ends": {answer: change + fresh + "CLOSE", more: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newWatchServer(t, asGmail)
				sels, changes, requests, exists := 0, 0, 0, "3"
				srv.answer = func(_ int, command string) (string, bool) {
					switch {
					case strings.HasPrefix(command, "SELECT"):
						sels++
						if sels == 1 {
							return "* FLAGS (\\Seen \\Flagged)\n* 2 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 10] x\n* OK [HIGHESTMODSEQ 12] x\nTAG OK", true
						}
						time.Sleep(time.Millisecond)
						return "* FLAGS (\\Seen \\Flagged)\n* " + exists + " EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 11] x\n* OK [HIGHESTMODSEQ 14] x\nTAG OK", true
					case strings.Contains(command, "CHANGEDSINCE 12"):
						if changes++; changes > 1 {
							requests++
							fourth := ""
							if exists == "4" {
								fourth = "* 4 FETCH (UID 11 FLAGS () MODSEQ (15))\n"
							}
							return change + fresh + fourth + "TAG OK", true
						}
						if strings.Contains(c.answer, "* 4 EXISTS") {
							exists = "4"
						}
						return c.answer, true
					case strings.Contains(command, "BODY.PEEK[]<"):
						return "TAG OK", true
					case strings.HasPrefix(command, "UID SEARCH"):
						requests++
						return "* SEARCH 5 9 10\nTAG OK", true
					case sels > 1 && strings.HasPrefix(command, "UID FETCH"):
						requests++
						return "* 1 FETCH (UID 5 FLAGS (\\Flagged))\n* 2 FETCH (UID 9 FLAGS ())\n* 3 FETCH (UID 10 FLAGS ())\nTAG OK", true
					case strings.HasPrefix(command, "UID FETCH"):
						return "* 1 FETCH (UID 5 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\nTAG OK", true
					}
					return "", false
				}
				opts := srv.options()
				remembering(&opts, t.TempDir(), "me")
				s := imap.New(opts)
				w := watchStore(t, s, []string{"*"}, "INBOX")
				watchedRun(t, s, "INBOX", 100, 100)
				srv.say(0, "* 4 EXISTS")
				s.BeginRun(1)
				list, _ := watchedRun(t, s, "INBOX", 100, 100)
				want := []mail.Meta{{UID: 5, Flags: mail.FlagFlagged}, {UID: 9}, {UID: 10}}
				if exists == "4" {
					want = append(want, mail.Meta{UID: 11})
				}
				if diff := gocmp.Diff(want, list); diff != "" || changes == 0 || requests > 0 != c.more {
					t.Errorf("CHANGEDSINCE %d times, %d other requests; listing:\n%s", changes, requests, diff)
				}
				w.close()
			})
		})
	}
}
