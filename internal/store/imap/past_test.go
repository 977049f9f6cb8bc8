package imap_test

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapclient"
	"isync/internal/listcache"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestAheadOnServers: a second run sends everything behind the greeting at once,
// whatever the server, and finds the same as the first.
func TestAheadOnServers(t *testing.T) {
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
			cache := listcache.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
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

// TestPast tells a script how a server is got to know, and forgotten.
func TestPast(t *testing.T) {
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
			{30, false, []string{slow}},
			{32, false, []string{fast}},
		}},
		{"gone meanwhile", []visit{
			{0, false, []string{slow}},
			{1, false, []string{burst + "close\n", "close\n"}},
			{1, false, []string{fast}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache := listcache.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
			var scripts []string
			for _, v := range tt.visits {
				scripts = append(scripts, v.conn...)
			}
			srv := testkit.NewScriptServer(t, nil, scripts...)
			for i, v := range tt.visits {
				s := imap.New(imap.Options{
					Name: "far", Client: imapclient.Options{Host: srv.Host, Port: srv.Port, Timeout: 5 * time.Second, ID: []string{"name", "isync"}},
					Login: loginWith("me", "pw"), Listings: cache, Server: "the server", ReadOnly: v.dry,
					Now: func() time.Time { return start.Add(time.Duration(v.day * 24 * float64(time.Hour))) },
				})
				boxes, err := s.List(t.Context(), store.ListRequest{Others: true})
				_ = s.Close()
				if lost := v.conn[len(v.conn)-1] == "close\n"; (err != nil) != lost || !lost && len(boxes) != 1 {
					t.Errorf("visit %d: %v %v", i+1, boxes, err)
				}
			}
		})
	}
}

// TestPastOfWrongPassword: a login that was sent ahead and refused is not tried
// again, and the server remains known.
func TestPastOfWrongPassword(t *testing.T) {
	const (
		hello = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR] hello\n"
		slow  = hello + "C: $a LOGIN \"me\" \"pw\"\nS: $a OK [CAPABILITY IMAP4rev1 ID] in\nC~ (?P<b>\\S+) ID .*\nS: $b OK\nC: $d LIST \"\" \"\"\nS: * LIST () \"/\" \"\"\nS: $d OK\nC~ .* LOGOUT\n"
		wrong = hello + "C: $a LOGIN \"me\" \"pw\"\nC~ (?P<b>\\S+) ID .*\nC: $d LIST \"\" \"\"\nS: $a NO [AUTHENTICATIONFAILED] no\nS: $b BAD\nS: $d BAD\n"
	)
	srv := testkit.NewScriptServer(t, nil, slow, wrong, wrong)
	cache := listcache.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
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
