package imap_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	ours "isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/storetest"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// remembering lets a store remember listings in a directory.
func remembering(o *imap.Options, dir, account string) {
	o.Listings = memo.NewDir(vfs.OS{}, dir)
	o.Account = func(context.Context) (string, error) { return account, nil }
}

// eagerStore has mailboxes that remember whatever they have seen when they are
// closed.
type eagerStore struct{ *imap.Store }

func (s eagerStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := s.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return eagerBox{m, m.(store.Trasher)}, nil
}

type eagerBox struct {
	store.Mailbox
	store.Trasher
}

func (b eagerBox) Close(ctx context.Context) error {
	b.Mailbox.(store.Rememberer).Remember(ctx)
	return b.Mailbox.Close(ctx)
}

// rungs are the ways to find out what has changed.
var rungs = []struct {
	name    string
	dovecot testkit.DovecotConfig
	change  func(*imap.Options)
}{
	{name: "QRESYNC"},
	{name: "QRESYNC on Maildir", dovecot: testkit.DovecotConfig{Storage: "maildir"}},
	{name: "CONDSTORE", change: func(o *imap.Options) { o.Client.DisableExtensions = []string{"QRESYNC"} }},
	{name: "CONDSTORE, no ESEARCH, one command at a time", change: func(o *imap.Options) {
		o.Client.DisableExtensions = []string{"QRESYNC", "ESEARCH"}
		o.Client.PipelineDepth = 1
	}},
}

// TestRememberingSuite: a store that remembers is a store like any other.
func TestRememberingSuite(t *testing.T) {
	for i, c := range rungs {
		if c.dovecot.Storage != "" {
			continue // the protocol is the same
		}
		t.Run(c.name, func(t *testing.T) {
			d := testkit.StartDovecot(t, c.dovecot)
			var users atomic.Int32
			storetest.Run(t, storetest.Config{
				Stored:   d.Traits().Stored,
				Unmarked: c.name == "neither",
				Bare:     i > 0,
				New: func(t testing.TB) storetest.Backend {
					user := fmt.Sprintf("user%d", users.Add(1))
					d.AddUser(t, user)
					opts := options(t, d, user)
					if c.change != nil {
						c.change(&opts)
					}
					remembering(&opts, t.TempDir(), user)
					return storetest.Backend{Open: func(testing.TB) store.Store { return eagerStore{imap.New(opts)} }}
				},
			})
		})
	}
}

// wire records what goes over the connections of a store.
type wire struct {
	mu             sync.Mutex
	sent, received []string
	bytes          int // received
}

func (w *wire) trace(dir ours.Direction, line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if dir == ours.Sent {
		_, cmd, _ := strings.Cut(line, " ")
		w.sent = append(w.sent, cmd)
	} else {
		w.received = append(w.received, line)
		w.bytes += len(line) + 2
	}
}

// since returns the commands from the first selection until the goodbye, with
// mod-sequences and UIDVALIDITY replaced.
func (w *wire) since() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.sent, func(s string) bool { return strings.HasPrefix(s, "ENABLE") || strings.HasPrefix(s, "SELECT") })
	out := slices.Clone(w.sent[i:])
	number := regexp.MustCompile(`(QRESYNC|CHANGEDSINCE) (\(\d+ )?\d+`)
	for i, s := range out {
		out[i] = number.ReplaceAllString(s, "$1 #")
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "LOGOUT" })
}

// TestWhatIsAsked: an unchanged mailbox costs no more than its selection,
// however large it is, and what has changed costs what it must.
func TestWhatIsAsked(t *testing.T) {
	const (
		enable  = "ENABLE QRESYNC"
		full    = "UID FETCH 1:300 (UID FLAGS)"
		resync  = `SELECT "INBOX" (QRESYNC # 1:4294967295))`
		plain   = `SELECT "INBOX"`
		cond    = `SELECT "INBOX" (CONDSTORE)`
		changes = "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE #)"
		uids    = "UID SEARCH RETURN (ALL) ALL"
	)
	for _, c := range []struct {
		name    string
		disable []string
		// The commands for a first scan, and when nothing has changed, flags have,
		// messages have arrived, and some of both have gone.
		want [5][]string
	}{
		{"QRESYNC", nil, [5][]string{{enable, cond, full}, {enable, resync}, {enable, resync}, {enable, resync}, {enable, resync}}},
		{
			"CONDSTORE",
			[]string{"QRESYNC"},
			[5][]string{{cond, full}, {cond}, {cond, changes}, {cond, changes}, {cond, changes, uids}},
		},
		{"no ENABLE", []string{"ENABLE"}, [5][]string{{cond, full}, {cond}, {cond, changes}, {cond, changes}, {cond, changes, uids}}},
		{
			"neither",
			[]string{"QRESYNC", "CONDSTORE"},
			[5][]string{{plain, full}, {plain, full}, {plain, full}, {plain, "UID FETCH 1:302 (UID FLAGS)"}, {plain, "UID FETCH 1:302 (UID FLAGS)"}},
		},
		{
			"QRESYNC without CONDSTORE",
			[]string{"CONDSTORE"},
			[5][]string{{plain, full}, {plain, full}, {plain, full}, {plain, "UID FETCH 1:302 (UID FLAGS)"}, {plain, "UID FETCH 1:302 (UID FLAGS)"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := testkit.StartDovecot(t, testkit.DovecotConfig{})
			msgs := make([]testkit.Mail, 300)
			for i := range msgs {
				msgs[i].Body = "Subject: x\r\n\r\n"
			}
			d.Seed(t, "user", "INBOX", msgs...)
			other := d.Client(t, "user")
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := other.Select("INBOX", nil).Wait()
			check(err)
			changes := []func(){
				func() {},
				func() {},
				func() {
					check(other.Store(goimap.UIDSetNum(7, 9), &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{"\\Flagged"}}, nil).Close())
				},
				func() { d.Seed(t, "user", "INBOX", msgs[:2]...) },
				func() {
					gone := goimap.UIDSetNum(3, 7, 301)
					check(other.Store(gone, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{"\\Deleted"}}, nil).Close())
					check(other.UIDExpunge(gone).Close())
				},
			}
			opts := options(t, d, "user")
			opts.Client.DisableExtensions = c.disable
			remembering(&opts, t.TempDir(), "user")
			for i, change := range changes {
				change()
				var w wire
				opts.Client.Hooks.Trace = w.trace
				var got []mail.Meta
				visit(t, opts, "INBOX", store.OpenRequest{}, func(m store.Mailbox) {
					got = scan(t, m, everything)
					m.(store.Rememberer).Remember(t.Context())
				})
				if diff := cmp.Diff(c.want[i], w.since()); diff != "" {
					t.Errorf("scan %d: %s", i, diff)
				}
				if diff := cmp.Diff(truth(t, d, "user"), got); diff != "" {
					t.Errorf("scan %d: %s", i, diff)
				}
				if i == 1 && slices.Contains(c.want[0], cond) && w.bytes > 3000 {
					t.Errorf("%d bytes for nothing:\n%s", w.bytes, strings.Join(w.received, "\n"))
				}
			}
		})
	}
}

// truth lists the inbox in a simple way.
func truth(t testing.TB, d *testkit.Dovecot, user string) []mail.Meta {
	t.Helper()
	opts := options(t, d, user)
	s := imap.New(opts)
	defer s.Close()
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	l, err := m.Scan(t.Context(), everything)
	if err != nil {
		t.Fatal(err)
	}
	return l.Messages
}

// TestRandomHistory: whatever other clients do, between scans and during them,
// who remembers sees the same as who does not.
func TestRandomHistory(t *testing.T) {
	const rounds = 20
	for _, c := range rungs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			d := testkit.StartDovecot(t, c.dovecot)
			opts := options(t, d, "user")
			if c.change != nil {
				c.change(&opts)
			}
			remembering(&opts, t.TempDir(), "user")
			var forgot atomic.Int32
			opts.Debug = func(text string) {
				t.Log(text)
				if strings.Contains(text, "forgetting") {
					forgot.Add(1)
				}
			}
			w := newWriter(t, d)
			for range 40 {
				w.change(rng)
			}
			for round := range rounds {
				for range rng.IntN(4) {
					w.change(rng)
				}
				visit(t, opts, "INBOX", store.OpenRequest{}, func(m store.Mailbox) {
					for range 1 + rng.IntN(3) {
						busy := rng.IntN(2) == 0
						need := everything
						if rng.IntN(3) == 0 {
							need.UIDs = mail.UIDsFrom(mail.UID(rng.IntN(60)))
						}
						if rng.IntN(3) == 0 {
							need.SizesFrom = mail.UID(1 + rng.IntN(60))
						}
						if rng.IntN(3) == 0 {
							w.own(rng, m)
						}
						var wg sync.WaitGroup
						if busy {
							more := rand.New(rand.NewPCG(rng.Uint64(), 1))
							wg.Go(func() { w.change(more) })
						}
						got := scan(t, m, need)
						wg.Wait()
						w.sane(round, need, got)
						if busy {
							// Now that it is quiet again.
							got = scan(t, m, need)
						}
						w.equal(round, need, got)
					}
					if rng.IntN(4) > 0 {
						m.(store.Rememberer).Remember(t.Context())
					}
				})
				visit(t, opts, "INBOX", store.OpenRequest{ReadOnly: rng.IntN(2) == 0}, func(m store.Mailbox) {
					w.equal(round, everything, scan(t, m, everything))
				})
				if t.Failed() {
					return
				}
			}
			if n := forgot.Load(); n > 0 {
				t.Errorf("a good server was distrusted %d times", n)
			}
		})
	}
}

// writer is somebody who changes the inbox.
type writer struct {
	t *testing.T
	d *testkit.Dovecot
	c *imapclient.Client

	mu   sync.Mutex
	ever map[mail.UID]int64 // sizes of all messages there ever were
}

func newWriter(t *testing.T, d *testkit.Dovecot) *writer {
	w := &writer{t: t, d: d, c: d.Client(t, "user"), ever: make(map[mail.UID]int64)}
	if _, err := w.c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	return w
}

// change does something to the mailbox.
func (w *writer) change(rng *rand.Rand) {
	check := func(err error) {
		if err != nil {
			w.t.Errorf("changing the mailbox: %v", err)
		}
	}
	w.mu.Lock()
	known := slices.Sorted(maps.Keys(w.ever))
	w.mu.Unlock()
	var some goimap.UIDSet
	for _, u := range known {
		if rng.IntN(10) == 0 {
			some.AddNum(goimap.UID(u))
		}
	}
	switch op := rng.IntN(6); {
	case op < 3 || len(some) == 0:
		for range 1 + rng.IntN(3) {
			body := "Subject: x\r\n\r\n" + strings.Repeat("a", rng.IntN(100)) + "\r\n"
			cmd := w.c.Append("INBOX", int64(len(body)), nil)
			_, err := cmd.Write([]byte(body))
			check(err)
			check(cmd.Close())
			data, err := cmd.Wait()
			check(err)
			if err == nil {
				w.mu.Lock()
				w.ever[mail.UID(data.UID)] = int64(len(body))
				w.mu.Unlock()
			}
		}
	case op == 3:
		flag := [...]goimap.Flag{goimap.FlagSeen, goimap.FlagFlagged, goimap.FlagAnswered, "$Forwarded", "other"}[rng.IntN(5)]
		how := [...]goimap.StoreFlagsOp{goimap.StoreFlagsAdd, goimap.StoreFlagsDel, goimap.StoreFlagsSet}[rng.IntN(3)]
		check(w.c.Store(some, &goimap.StoreFlags{Op: how, Flags: []goimap.Flag{flag}}, nil).Close())
	default:
		if rng.IntN(3) == 0 && len(known) > 0 {
			// The last ones are a special case.
			some.AddNum(goimap.UID(known[len(known)-1]))
		}
		check(w.c.Store(some, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagDeleted}, Silent: true}, nil).Close())
		check(w.c.UIDExpunge(some).Close())
	}
}

// own does something through the store itself.
func (w *writer) own(rng *rand.Rand, m store.Mailbox) {
	var some []mail.UID
	for _, msg := range scan(w.t, m, everything) {
		if rng.IntN(5) == 0 {
			some = append(some, msg.UID)
		}
	}
	flag := func(f mail.Flags) {
		var changes []store.FlagChange
		for _, u := range some {
			changes = append(changes, store.FlagChange{UID: u, Add: f})
		}
		if err := m.SetFlags(w.t.Context(), changes, func(int, error) {}); err != nil {
			w.t.Error(err)
		}
	}
	switch rng.IntN(3) {
	case 0:
		const body = "Subject: own\r\n\r\n"
		for _, u := range put(w.t, m, body, body) {
			w.mu.Lock()
			w.ever[u] = int64(len(body))
			w.mu.Unlock()
		}
	case 1:
		flag(mail.FlagAnswered)
	default:
		flag(mail.FlagDeleted)
		if err := m.Remove(w.t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(some...)}); err != nil {
			w.t.Error(err)
		}
	}
}

// sane checks a listing that was made while somebody changed things.
func (w *writer) sane(round int, need store.Need, got []mail.Meta) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := mail.UID(0)
	for _, m := range got {
		size, ever := w.ever[m.UID]
		if m.UID <= last || !ever || !need.UIDs.Contains(m.UID) || need.SizesFrom > 0 && m.UID >= need.SizesFrom && m.Size != size {
			w.t.Errorf("round %d: scan of %v lists %+v after %d (size %d)", round, need, m, last, size)
		}
		last = m.UID
	}
}

// equal compares a listing with the truth.
func (w *writer) equal(round int, need store.Need, got []mail.Meta) {
	w.sane(round, need, got)
	want := slices.DeleteFunc(truth(w.t, w.d, "user"), func(m mail.Meta) bool { return !need.UIDs.Contains(m.UID) })
	got = slices.Clone(got)
	for i := range got {
		got[i].Size = 0
	}
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		w.t.Errorf("round %d: %s", round, diff)
	}
}

// TestDryRunRemembersNothing: a mailbox that is only to be read leaves no trace.
func TestDryRunRemembersNothing(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{})
	d.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\n"})
	opts := options(t, d, "user")
	dir := filepath.Join(t.TempDir(), "a", "b")
	remembering(&opts, dir, "user")
	look := func(readOnly bool) {
		visit(t, opts, "INBOX", store.OpenRequest{ReadOnly: readOnly}, func(m store.Mailbox) {
			scan(t, m, everything)
			m.(store.Rememberer).Remember(t.Context())
		})
	}
	look(true)
	if files, _ := filepath.Glob(dir); len(files) > 0 {
		t.Errorf("a dry run has made %v", files)
	}
	look(false)
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}
