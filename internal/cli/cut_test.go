package cli

import (
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// startCutter passes connections on to a server, and cuts each off after so many bytes
// from the server. It returns its port.
func startCutter(tb testing.TB, server string, most *atomic.Int64) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				conn, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer conn.Close()
				go func() { _, _ = io.Copy(conn, client) }()
				_, _ = io.CopyN(client, conn, most.Load())
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// cutWorld is a world whose server is reached only over connections that are cut off.
type cutWorld struct {
	*world
	srv *testkit.Dovecot
	// most is after how many bytes from the server a connection is cut off.
	most *atomic.Int64
}

// newCutWorld returns one whose inbox has n messages, with so many words each. What is
// in disable the program does not use. account are further lines of the account.
func newCutWorld(t *testing.T, n, words int, most int64, disable string, account ...string) *cutWorld {
	t.Helper()
	limit := new(atomic.Int64)
	limit.Store(most)
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	port := startCutter(t, fmt.Sprintf("%s:%d", srv.Host, srv.Port), limit)
	if disable != "" {
		account = append(account, "DisableExtensions "+disable)
	}
	lines := strings.Join(account, "\n")
	w := newWorld(t, fmt.Sprintf("FSync no\n\nIMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n%s", srv.Host, port, strings.TrimSuffix(lines, "\n"))+"\n\n"+
		"MaildirStore near2\nInbox near2\n\nChannel d\nFar :far:INBOX\nNear :near2:INBOX\nCreate Near\nExpunge Both\nSyncState *\n")
	w.write("secret", testkit.Password+"\n")
	cache := filepath.Join(w.dir, "cache")
	w.env.Config.Getenv = func(name string) string {
		if name == "XDG_CACHE_HOME" {
			return cache
		}
		return ""
	}
	srv.Seed(t, "user", "INBOX", numberedMails(0, n, words)...)
	return &cutWorld{w, srv, limit}
}

// numberedMails returns messages with the subjects s[first] to s[end-1].
func numberedMails(first, end, words int) (mails []testkit.Mail) {
	for i := first; i < end; i++ {
		mails = append(mails, testkit.Mail{Body: fmt.Sprintf("Subject: s%d\r\nMessage-Id: <m%d@x>\r\n\r\n%s\r\n", i, i, strings.Repeat("text ", words))})
	}
	return mails
}

// once runs the program and tells whether it succeeded.
func (w *cutWorld) once() bool {
	w.out.Reset()
	w.err.Reset()
	return Main(w.env, []string{"mbsync", "-c", "rc", "d"}) == 0
}

// until runs the program until it succeeds, most times at the most. It returns how often
// it did.
func (w *cutWorld) until(most int) int {
	for runs := 1; ; runs++ {
		if w.once() || runs == most {
			return runs
		}
	}
}

// near returns how often each message is there, by its subject.
func (w *cutWorld) near() map[string]int {
	got := map[string]int{}
	for _, d := range []string{"new", "cur"} {
		files, _ := os.ReadDir(filepath.Join(w.dir, "near2", d))
		for _, f := range files {
			data, _ := os.ReadFile(filepath.Join(w.dir, "near2", d, f.Name()))
			_, s, _ := strings.Cut(string(data), "Subject: ")
			s, _, _ = strings.Cut(s, "\n")
			got[strings.TrimSpace(s)]++
		}
	}
	return got
}

// far returns how many messages the server has that match.
func (w *cutWorld) far(t *testing.T, query ...string) int {
	t.Helper()
	args := append([]string{"fetch", "-u", "user", "uid", "mailbox", "INBOX"}, query...)
	return strings.Count(w.srv.Doveadm(t, "", args...), "uid:")
}

// TestCutOff: over connections that are cut off again and again, each run brings
// messages. Where the server has mod-sequences, what was listed is kept from one run to
// the next, also if the listing itself was cut off: it takes most of what comes before a
// connection is cut off, or all of it.
func TestCutOff(t *testing.T) {
	const n = 5000
	for _, tt := range []struct {
		name    string
		most    int64
		disable string
		runs    int
		words   int // in a message
	}{
		{"QRESYNC", 200_000, "", 25, 120},
		{"CONDSTORE", 200_000, "QRESYNC", 25, 120},
		{"neither", 200_000, "QRESYNC CONDSTORE", 60, 10}, // lists everything anew
		{"the listing, CONDSTORE", 100_000, "QRESYNC", 30, 60},
		{"the listing, no ESEARCH", 100_000, "QRESYNC ESEARCH", 30, 60},
		{"the listing, again and again", 30_000, "", 120, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newCutWorld(t, n, tt.words, tt.most, tt.disable)
			runs := w.until(2*tt.runs + 10)
			got := w.near()
			for s, k := range got {
				if k != 1 {
					t.Errorf("%s is there %d times", s, k)
				}
			}
			t.Logf("%d runs for %d messages", runs, len(got))
			if len(got) != n || runs > tt.runs {
				t.Errorf("%d messages after %d runs\n%s", len(got), runs, &w.err)
			}
			if far := w.far(t, "all"); far != n {
				t.Errorf("%d messages on the server", far)
			}
		})
	}
}

// TestCutOffChanges: the listing of a mailbox that was synchronized is cut off again and
// again, and in between others remove messages from what was listed and from what was
// not, change flags, and store new messages. What is gone on the server goes on the near
// side, and nothing else does, on either.
func TestCutOffChanges(t *testing.T) {
	const n, batch = 3000, 5
	for _, disable := range []string{"", "QRESYNC", "QRESYNC ESEARCH"} {
		t.Run("without "+disable, func(t *testing.T) {
			t.Parallel()
			w := newCutWorld(t, n, 1, 1<<40, disable)
			if !w.once() {
				t.Fatalf("%s", &w.err)
			}
			if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
				t.Fatal(err)
			}
			w.most.Store(30_000)
			last, cuts := n, 0
			gone := map[string]bool{}
			flagged := map[string]bool{}
			uid := func(i int) string { return fmt.Sprint(i + 1) } // of s[i]
			remove := func(i int) {
				w.srv.Doveadm(t, "", "expunge", "-u", "user", "mailbox", "INBOX", "uid", uid(i))
				gone[fmt.Sprint("s", i)] = true
			}
			for !w.once() {
				if cuts++; cuts > 60 {
					t.Fatalf("%d runs are not enough\n%s", cuts, &w.err)
				}
				if cuts > 5 {
					continue
				}
				remove(cuts)          // listed already
				remove(10*cuts + 400) // before the end of what is listed, or after it
				remove(n - cuts)      // not listed yet
				w.srv.Doveadm(t, "", "flags", "add", "-u", "user", `\Flagged`, "mailbox", "INBOX", "uid", uid(20+cuts)+","+uid(n-20-cuts))
				flagged[fmt.Sprint("s", 20+cuts)], flagged[fmt.Sprint("s", n-20-cuts)] = true, true
				w.srv.Seed(t, "user", "INBOX", numberedMails(last, last+batch, 1)...)
				last += batch
			}
			t.Logf("cut off %d times", cuts)
			if cuts < 3 {
				t.Errorf("the listing was hardly cut off")
			}
			want := map[string]int{}
			for i := range last {
				if s := fmt.Sprint("s", i); !gone[s] {
					want[s] = 1
				}
			}
			if diff := cmp.Diff(want, w.near()); diff != "" {
				t.Errorf("near side: %s", diff)
			}
			if far := w.far(t, "all"); far != len(want) {
				t.Errorf("%d messages on the server, want %d", far, len(want))
			}
			if far := w.far(t, "flagged"); far != len(flagged) {
				t.Errorf("%d flagged messages on the server, want %d", far, len(flagged))
			}
			files, err := filepath.Glob(filepath.Join(w.dir, "near2", "cur", "*:2,*F*"))
			if err != nil || len(files) != len(flagged) {
				t.Errorf("%d flagged messages on the near side, want %d (%v)", len(files), len(flagged), err)
			}
			// Nothing is left to do.
			w.most.Store(1 << 40)
			before := slices.Sorted(maps.Keys(w.near()))
			if !w.once() || !slices.Equal(before, slices.Sorted(maps.Keys(w.near()))) {
				t.Errorf("another run changes something: %s", &w.err)
			}
		})
	}
}

// TestCutOffManyFlags: the flags of all messages are changed, so that the changes since
// the last listing do not arrive before the connection is cut off.
func TestCutOffManyFlags(t *testing.T) {
	const n = 3000
	for _, disable := range []string{"", "QRESYNC"} {
		t.Run("without "+disable, func(t *testing.T) {
			t.Parallel()
			w := newCutWorld(t, n, 1, 1<<40, disable)
			if !w.once() {
				t.Fatalf("%s", &w.err)
			}
			w.srv.Doveadm(t, "", "flags", "add", "-u", "user", `\Flagged`, "mailbox", "INBOX", "all")
			w.most.Store(60_000)
			runs := w.until(20)
			files, err := filepath.Glob(filepath.Join(w.dir, "near2", "cur", "*:2,*F*"))
			t.Logf("%d runs", runs)
			if err != nil || len(files) != n || runs > 8 {
				t.Errorf("%d of %d messages are flagged after %d runs (%v)\n%s", len(files), n, runs, err, &w.err)
			}
		})
	}
}
