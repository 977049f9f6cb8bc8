package imap_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/auth"
	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestOptimisticOnServers: with every server, a second run sends all commands at once
// after the greeting, and has the same results as the first.
func TestOptimisticOnServers(t *testing.T) {
	type variant struct {
		name  string
		start func(testing.TB) testkit.Server
	}
	variants := []variant{{"dovecot", func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{})
	}}}
	for _, k := range testkit.Kinds() {
		variants = append(variants, variant{k.Name, k.Start})
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			srv := v.start(t)
			user := "ahead"
			srv.AddUser(t, user)
			cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
			var mu sync.Mutex
			var lines []string
			var debug []string
			opts := options(t, srv, user)
			opts.Listings, opts.Server = cache, "the server"
			opts.Client.ID = []string{"name", "isync"}
			opts.Client.Hooks.Trace = func(dir imapclient.Direction, line string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, []string{"> ", "< "}[dir]+line)
			}
			opts.Debug = func(text string) {
				mu.Lock()
				defer mu.Unlock()
				debug = append(debug, text)
			}
			run := func() (boxes []store.Box) {
				t.Helper()
				mu.Lock()
				lines = nil
				mu.Unlock()
				s := imap.New(opts)
				defer s.Close()
				boxes, err := s.List(t.Context(), store.ListRequest{Inbox: true, Others: true})
				if err != nil {
					t.Fatal(err)
				}
				m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
				return boxes
			}
			want := run()
			if i := slices.IndexFunc(lines, sent("LIST")); i < 0 || !slices.ContainsFunc(lines[:i], received("OK")) {
				t.Errorf("the first run has not waited:\n%s", strings.Join(lines, "\n"))
			}
			got := run()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("listed: %s", diff)
			}
			login, list := slices.IndexFunc(lines, sent("LOGIN")), slices.IndexFunc(lines, sent("LIST"))
			deaf := v.name == "courier" // it throws away what comes before it has let one in
			if login < 0 || list < login || slices.ContainsFunc(lines[login:list], received("OK")) != deaf {
				t.Errorf("the second run, waits %v:\n%s", !deaf, strings.Join(lines, "\n"))
			}
			if len(debug) > 0 {
				t.Errorf("%q", debug)
			}
		})
	}
}

// sent recognizes commands in a trace, and received tagged responses.
func sent(verb string) func(string) bool {
	return func(line string) bool {
		f := strings.Fields(line)
		return f[0] == ">" && len(f) > 2 && f[2] == verb
	}
}

func received(status string) func(string) bool {
	return func(line string) bool {
		f := strings.Fields(line)
		return f[0] == "<" && len(f) > 2 && f[1] != "*" && f[2] == status
	}
}

// TestServerRecord: when a server becomes known, and when it is forgotten.
func TestServerRecord(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\n"
		in    = "S: $a OK [CAPABILITY IMAP4rev1 ID NAMESPACE] in\n"
		names = "S: * NAMESPACE ((\"\" \"/\")) NIL NIL\nS: $c OK\n"
		bye   = "C~ .* LOGOUT\n"
		slow  = hello + "C: $a LOGIN \"me\" \"pw\"\n" + in + "C~ (?P<b>\\S+) ID .*\nC: $c NAMESPACE\nS: $b OK\n" + names +
			"C: $d LIST \"\" \"*\"\nS: * LIST () \"/\" box\nS: $d OK\n" + bye
		burst = hello + "C: $a LOGIN \"me\" \"pw\"\nC~ (?P<b>\\S+) ID .*\nC: $c NAMESPACE\nC: $d LIST \"\" \"*\"\n"
		rest  = "S: $b OK\n" + names + "S: * LIST () \"/\" box\nS: $d OK\n" + bye
		fast  = burst + in + rest
	)
	changed := strings.Replace(slow, "ID NAMESPACE]", "ID NAMESPACE MOVE]", 1)
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	type visit struct {
		day  float64
		dry  bool
		conn []string // scripts
	}
	for _, tt := range []struct {
		name   string
		visits []visit
	}{
		{"remembered", []visit{{0, false, []string{slow}}, {100, false, []string{fast}}, {100, false, []string{fast}}}},
		{"not in a dry run", []visit{{0, true, []string{slow}}, {0, false, []string{slow}}, {0, true, []string{fast}}}},
		{"changed", []visit{
			{0, false, []string{slow}},
			{1, false, []string{burst + "S: $a OK [CAPABILITY IMAP4rev1 ID NAMESPACE MOVE] in\n", changed}},
			{1.9, false, []string{changed}},
			{2.1, false, []string{strings.Replace(fast, "ID NAMESPACE]", "ID NAMESPACE MOVE]", 1)}},
		}},
		{"cannot cope", []visit{
			{0, false, []string{slow}},
			{1, false, []string{burst + "S: * BYE one after the other, please\nclose\n", slow}},
			{1.9, false, []string{slow}},
			{2.1, false, []string{fast}},
		}},
		{"certainly cannot cope", []visit{
			{0, false, []string{slow}},
			{1, false, []string{burst + "S: $b BAD log in first\n", slow}},
			{30, false, []string{slow}},
			{32, false, []string{fast}},
		}},
		{"gone meanwhile", []visit{
			{0, false, []string{slow}},
			{1, false, []string{burst + "close\n", "close\n"}},
			{1, false, []string{fast}},
		}},
	} {
		// Each visit is a run: with a new store, as in a new process, or with the
		// sessions of the run before.
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", kept ", kept), func(t *testing.T) {
				cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
				var scripts []string
				for _, v := range tt.visits {
					if scripts = append(scripts, v.conn...); v.dry && kept {
						t.Skip("whether a run is a dry one is fixed with the sessions")
					}
				}
				srv := testkit.NewScriptServer(t, nil, scripts...)
				now := start
				opts := imap.Options{
					Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second, ID: []string{"name", "isync"}},
					Login: loginWith("me", "pw"), Listings: cache, Server: "the server",
					Now: func() time.Time { return now },
				}
				if kept {
					opts.Sessions = imap.NewSessions(opts)
				}
				for i, v := range tt.visits {
					now, opts.ReadOnly = start.Add(time.Duration(v.day*24*float64(time.Hour))), v.dry
					s := imap.New(opts)
					if kept {
						s.BeginRun(uint64(i + 1))
					}
					boxes, err := s.List(t.Context(), store.ListRequest{Others: true})
					_ = s.Close()
					if lost := v.conn[len(v.conn)-1] == "close\n"; (err != nil) != lost || !lost && len(boxes) != 1 {
						t.Errorf("visit %d: %v %v", i+1, boxes, err)
					}
				}
			})
		}
	}
}

// TestServerRecordOfWrongPassword: an optimistic login that was refused is not tried
// again, and the server remains known.
func TestServerRecordOfWrongPassword(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\n"
		slow  = hello + "C: $a LOGIN \"me\" \"pw\"\nS: $a OK [CAPABILITY IMAP4rev1 ID] in\nC~ (?P<b>\\S+) ID .*\nS: $b OK\nC: $d LIST \"\" \"\"\nS: * LIST () \"/\" \"\"\nS: $d OK\nC~ .* LOGOUT\n"
		wrong = hello + "C: $a LOGIN \"me\" \"pw\"\nC~ (?P<b>\\S+) ID .*\nC: $d LIST \"\" \"\"\nS= \"$a NO [AUTHENTICATIONFAILED] no\\r\\n$b BAD\\r\\n$d BAD\\r\\n\"\n"
	)
	srv := testkit.NewScriptServer(t, nil, slow, wrong, wrong)
	cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
	for i := range 3 {
		s := imap.New(imap.Options{
			Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second, ID: []string{"name", "isync"}},
			Login: loginWith("me", "pw"), Listings: cache, Server: "the server", HasPath: true, Path: "x/",
		})
		for range 2 {
			_, err := s.InboxAmongOthers(t.Context())
			if refused, ok := asType[*imapclient.ResponseError](err); i == 0 && err != nil || i > 0 && (!ok || refused.Code.Name != "AUTHENTICATIONFAILED") {
				t.Errorf("%d: %v", i+1, err)
			}
			if i > 0 && (!isStoreError(err) || !strings.Contains(err.Error(), "login failed")) {
				t.Errorf("%d: %v", i+1, err)
			}
		}
		_ = s.Close()
	}
}

// TestServerRecordOfTwoWays: if the server does not support the first way to log in, it
// is not tried optimistically in every run.
func TestServerRecordOfTwoWays(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\n"
		one   = "C: $a LOGIN \"me\" \"one\"\n"
		two   = "C: $e LOGIN \"me\" \"two\"\nS: $e OK [CAPABILITY IMAP4rev1 ID] in\nC~ (?P<b>\\S+) ID .*\nS: $b OK\n" +
			"C: $d LIST \"\" \"\"\nS: * LIST () \"/\" \"\"\nS: $d OK\nC~ .* LOGOUT\n"
		slow  = hello + one + "S: $a NO [CANNOT] no\n" + two
		ahead = hello + one + "C~ (?P<b>\\S+) ID .*\nC: $d LIST \"\" \"\"\nS: $a NO [CANNOT] no\n"
	)
	srv := testkit.NewScriptServer(t, nil, slow, ahead, hello+two, slow)
	cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
	for i := range 3 {
		useless := false
		s := imap.New(imap.Options{
			Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second, ID: []string{"name", "isync"}},
			Listings: cache, Server: "the server", HasPath: true, Path: "x/",
			Login: func(ctx context.Context, c *imapclient.Client) error {
				if !useless {
					if err := c.Login(ctx, "me", "one"); !imapclient.HasCode(err, "CANNOT") {
						return err
					}
					useless = true
				}
				if lost := c.Err(); lost != nil {
					return &auth.LateError{Err: lost}
				}
				return c.Login(ctx, "me", "two")
			},
		})
		if _, err := s.InboxAmongOthers(t.Context()); err != nil {
			t.Errorf("run %d: %v", i+1, err)
		}
		_ = s.Close()
	}
}

// TestServerRecordOfGoodbye: a password is not sent again if the server has refused it by
// a BYE.
func TestServerRecordOfGoodbye(t *testing.T) {
	const hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\nC: $a LOGIN \"me\" \"pw\"\n"
	srv := testkit.NewScriptServer(t, nil,
		hello+"S: $a OK [CAPABILITY IMAP4rev1] in\nC: $d LIST \"\" \"\"\nS: * LIST () \"/\" \"\"\nS: $d OK\nC~ .* LOGOUT\n",
		hello+"C: $d LIST \"\" \"\"\nS: * BYE Authentication failed\nclose\n")
	cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
	for i := range 2 {
		s := imap.New(imap.Options{
			Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second},
			Listings: cache, Server: "the server", HasPath: true, Path: "x/",
			Login: func(ctx context.Context, c *imapclient.Client) error {
				err := c.Login(ctx, "me", "pw")
				if _, bye := asType[*imapclient.ByeError](err); bye {
					return &auth.RefusedError{Err: err}
				}
				return err
			},
		})
		_, err := s.InboxAmongOthers(t.Context())
		if (err != nil) != (i > 0) || err != nil && !strings.Contains(err.Error(), "Authentication failed") {
			t.Errorf("run %d: %v", i+1, err)
		}
		_ = s.Close()
	}
}

// TestServerRecordOfNames: data of a host name that the server no longer has are not
// used for another one.
func TestServerRecordOfNames(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\nC: $a LOGIN \"me\" \"pw\"\n"
		in    = "S: $a OK [CAPABILITY IMAP4rev1 NAMESPACE CONDSTORE] in\n"
		is    = "S: * 1 EXISTS\nS: * FLAGS (\\Seen)\nS: * OK [UIDVALIDITY 7] ok\nS: * OK [UIDNEXT 10] ok\nS: * OK [HIGHESTMODSEQ 50]\nS: $s OK done\n" +
			"C: $f UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 9 FLAGS ())\nS: $f OK\nC~ .* LOGOUT\n"
	)
	ns := func(prefix string) string {
		return "S: * NAMESPACE ((\"" + prefix + "\" \"/\")) NIL NIL\nS: $c OK\n"
	}
	srv := testkit.NewScriptServer(t, nil,
		hello+in+"C: $c NAMESPACE\n"+ns("OLD/")+"C: $s SELECT \"OLD/box\" (CONDSTORE)\n"+is,
		hello+"C: $c NAMESPACE\nC: $s SELECT \"OLD/box\" (CONDSTORE)\n"+in+ns("NEW/"),
		hello+in+"C: $c NAMESPACE\n"+ns("NEW/")+"C: $s SELECT \"NEW/box\" (CONDSTORE)\n"+is)
	cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
	for range 2 {
		s := imap.New(imap.Options{
			Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second}, UseNamespace: true,
			Login: loginWith("me", "pw"), Listings: cache, Server: "the server",
			Account: func(context.Context) (string, error) { return "me", nil },
		})
		m, err := s.Open(t.Context(), "box", store.OpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		scan(t, m, everything)
		m.(store.Rememberer).Remember(t.Context())
		_ = m.Close(t.Context())
		_ = s.Close()
	}
	if l, _, err := cache.Load(memo.Key{Account: "me", Box: "NEW/box"}); l == nil || err != nil {
		t.Errorf("remembered of the new name: %v %v", l, err)
	}
}

// changing are commands that change something.
var changing = regexp.MustCompile(`(?i)^\S+ (APPEND|CREATE|DELETE|SUBSCRIBE|EXPUNGE|CLOSE|UID (STORE|COPY|MOVE|EXPUNGE))\b`)

// TestOnlyQuestionsOptimistic: no command that changes anything is sent before the
// server has answered the login and all commands sent with it.
func TestOnlyQuestionsOptimistic(t *testing.T) {
	var asked, changes atomic.Int32
	ahead := regexp.MustCompile(`^\S+ (LOGIN|CAPABILITY|ID|ENABLE|NAMESPACE)\b`)
	caches := t.TempDir()
	suiteWatched(t, func(o *imap.Options) {
		o.Client.ID = []string{"name", "isync"}
		o.Listings, o.Server = memo.NewDir(vfs.OS{}, caches), "the server"
		// The first store of a backend gets to know the server, the others know it.
		first := imap.New(*o)
		if _, err := first.List(t.Context(), store.ListRequest{Inbox: true}); err != nil {
			t.Error(err)
		}
		_ = first.Close()
	}, func(line string) {
		if changing.MatchString(line) {
			changes.Add(1)
		}
	}, func(line, waiting string) {
		switch w := ahead.MatchString(waiting); {
		case w && changing.MatchString(line):
			t.Errorf("%q is sent while %q is not answered", line, waiting)
		case w && strings.Contains(waiting, " LOGIN "):
			asked.Add(1)
		}
	})
	if asked.Load() < 100 || changes.Load() < 100 {
		t.Errorf("%d questions were sent behind the login, and %d changes", asked.Load(), changes.Load())
	}
}

// TestChangesAreNotOptimistic: a connection that is made for a change is confirmed
// first.
func TestChangesAreNotOptimistic(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{})
	var mu sync.Mutex
	var conns []net.Conn
	var waited []string
	opts := options(t, d, "user")
	opts.Client.ID = []string{"name", "isync"}
	opts.Listings, opts.Server = memo.NewDir(vfs.OS{}, t.TempDir()), "the server"
	opts.Client.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.Addr())
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return &watched{Conn: conn, tags: map[string]string{}, command: func(string) {}, beside: func(line, waiting string) {
			mu.Lock()
			defer mu.Unlock()
			if changing.MatchString(line) {
				waited = append(waited, line+" beside "+waiting)
			}
		}}, err
	}
	list := func() *imap.Store {
		s := imap.New(opts)
		if _, err := s.List(t.Context(), store.ListRequest{Inbox: true}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	_ = list().Close()
	s := list()
	defer s.Close()
	m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if ok, optimistic := imap.Spare(t.Context(), s); !ok || optimistic {
		t.Errorf("spare session: %v, optimistic: %v", ok, optimistic)
	}
	_ = m.Close(t.Context())
	// The names are known, and all connections lost.
	mu.Lock()
	for _, c := range conns {
		_ = c.Close()
	}
	made := len(conns)
	mu.Unlock()
	if err := s.Create(t.Context(), "box"); err != nil {
		t.Fatal(err)
	}
	if len(conns) == made || len(waited) > 0 {
		t.Errorf("%d new connections; sent too early: %q", len(conns)-made, waited)
	}
}
