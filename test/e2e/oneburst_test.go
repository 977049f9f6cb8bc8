//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// oneBurst is a configuration of which nothing changes.
type oneBurst struct {
	name    string
	server  testkit.DovecotConfig
	other   func(testing.TB) testkit.Server
	account string // lines of the account
	store   string // lines of the store
	rest    string // further stores, and the channels; %s is the near Maildir
	boxes   []string
	args    []string // "-a" if empty
	bursts  int      // with the greeting; 0: 2
	selects int
	rare    bool // only in a sweep
}

// oneBurstConfigs are such configurations.
func oneBurstConfigs() []oneBurst {
	channel := func(name, lines string) string {
		return fmt.Sprintf("\nChannel %s\nFar :far:\nNear :near:\nCreate Near\nExpunge Both\n%s\n", name, lines)
	}
	literal := func(name, box string) string {
		return fmt.Sprintf("\nChannel %s\nFar :far:%s\nNear :near:%s\nCreate Near\nExpunge Both\n", name, box, box)
	}
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf("box%02d", i))
	}
	three := []string{"INBOX", "Sent", "Work"}
	return []oneBurst{
		{name: "patterns, the inbox alone", rest: channel("c", "Patterns *"), boxes: []string{"INBOX"}},
		{name: "patterns", rest: channel("c", "Patterns *"), boxes: many},
		{name: "patterns without LIST-STATUS", account: "DisableExtensions LIST-STATUS", rest: channel("c", "Patterns *"), boxes: many},
		{name: "patterns without LIST-STATUS, the inbox alone", rare: true, account: "DisableExtensions LIST-STATUS", rest: channel("c", "Patterns *"), boxes: []string{"INBOX"}},
		{name: "patterns without NAMESPACE", account: "DisableExtensions NAMESPACE", rest: channel("c", "Patterns *"), boxes: many},
		{name: "one literal mailbox", rare: true, rest: literal("c", "INBOX"), boxes: three, selects: 1},
		{name: "a literal mailbox that is not the inbox", rare: true, rest: literal("c", "Sent"), boxes: three, selects: 1},
		{name: "literal mailboxes", rest: literal("a", "INBOX") + literal("b", "Sent") + literal("c", "Work"), boxes: three},
		{name: "a group of literal mailboxes", rare: true, rest: literal("a", "INBOX") + literal("b", "Sent") + literal("c", "Work") + "\nGroup g a b\n", boxes: three, args: []string{"g"}},
		{name: "a group with mailboxes", rest: channel("c", "Patterns *") + literal("i", "INBOX") + "\nGroup g c:Sent,Work i\n", boxes: three, args: []string{"g"}},
		{name: "a mailbox named on the command line", rare: true, rest: channel("c", "Patterns *"), boxes: three, args: []string{"c:Work"}, selects: 1},
		{name: "two channels with different patterns", rest: channel("a", "Patterns box*") + channel("b", "Patterns * !box*"), boxes: slices.Concat(many, three)},
		{name: "patterns and a literal mailbox", rare: true, rest: channel("a", "Patterns box*") + literal("b", "INBOX"), boxes: slices.Concat(many, three)},
		{name: "subscribed", rare: true, store: "SubscribedOnly yes", rest: channel("c", "Patterns *"), boxes: many},
		{name: "Path", rare: true, store: "Path work/", rest: channel("c", "Patterns *"), boxes: []string{"work/a", "work/b", "other"}},
		{name: "Path and PathDelimiter", store: "Path work.\nPathDelimiter .", server: testkit.DovecotConfig{Separator: "."}, rest: channel("c", "Patterns *"), boxes: []string{"work.a", "work.b", "other"}},
		{name: "below INBOX", server: testkit.DovecotConfig{Prefix: "INBOX.", Separator: "."}, rest: channel("c", "Patterns *"), boxes: []string{"INBOX", "INBOX.a", "INBOX.b"}},
		{name: "below INBOX, literal", rare: true, server: testkit.DovecotConfig{Prefix: "INBOX.", Separator: "."}, rest: literal("a", "INBOX") + literal("b", "a"), boxes: []string{"INBOX", "INBOX.a", "INBOX.b"}},
		{name: "names that are not ASCII", rest: channel("c", "Patterns *"), account: "DisableExtensions LIST-STATUS", boxes: []string{"INBOX", "Entw&APw-rfe", "R&-D"}},
		{
			name: "special use", rare: true, server: testkit.DovecotConfig{Extra: "namespace inbox {\n  mailbox Sent {\n    special_use = \\Sent\n  }\n}\n"},
			rest: channel("c", "Patterns INBOX Special:Sent"), boxes: three,
		},
		{name: "cyrus", other: kindOf("cyrus"), rest: channel("c", "Patterns *"), boxes: three},
		{name: "cyrus 3.10, literal", rare: true, other: kindOf("cyrus-3.10"), rest: literal("a", "INBOX") + literal("b", "Sent"), boxes: three},
		{name: "dovecot 2.4", other: kindOf("dovecot-2.4"), rest: channel("a", "Patterns *"), boxes: three},
		// Nothing can be sent behind the login there.
		{name: "courier", rare: true, other: kindOf("courier"), rest: literal("a", "INBOX"), boxes: three[:1], bursts: 8},
	}
}

// kindOf returns how to start a server.
func kindOf(name string) func(testing.TB) testkit.Server {
	for _, k := range testkit.Kinds() {
		if k.Name == name {
			return k.Start
		}
	}
	panic(name)
}

// TestOneBurst: whatever the configuration, a run that finds nothing to do waits for the
// greeting of the server, and for one answer, on one connection.
func TestOneBurst(t *testing.T) {
	for _, c := range oneBurstConfigs() {
		t.Run(c.name, func(t *testing.T) {
			if c.rare && os.Getenv("ISYNC_SWEEP") == "" {
				t.Skip("set ISYNC_SWEEP")
			}
			t.Parallel()
			w := c.world(t)
			relay := testkit.StartRelay(t, w.at.At().Addr(), 0)
			w.configure(c.config(w, relay.Port()))
			args := c.args
			if len(args) == 0 {
				args = []string{"-a"}
			}
			for range 4 {
				w.run(ours(), args...)
				// What has changed just now is looked at once more.
				time.Sleep(150 * time.Millisecond)
			}
			relay.Take()
			tap := w.server
			relay.SetRTT(100 * time.Millisecond)
			var got testkit.Traffic
			var cmds []string
			var took time.Duration
			for range 3 { // on a busy machine, what has changed may still be recent
				if tap != nil {
					tap.ForgetCommands(t)
				}
				start := time.Now()
				w.run(ours(), args...)
				took = time.Since(start)
				got = relay.Take()
				if tap != nil {
					cmds = tap.Commands(t, w.user)
				}
				if got.Bursts <= max(c.bursts, 2) && got.Connections == 1 {
					break
				}
			}
			t.Logf("%d bursts, %d connections, %d lines, %v: %q", got.Bursts, got.Connections, got.Lines, took.Round(time.Millisecond), cmds)
			if want := max(c.bursts, 2); got.Bursts > want {
				t.Errorf("%d bursts, want %d", got.Bursts, want)
			}
			if got.Connections != 1 {
				t.Errorf("%d connections, want 1", got.Connections)
			}
			selects := 0
			for _, cmd := range cmds {
				if strings.HasPrefix(cmd, "SELECT") {
					selects++
				}
			}
			if tap != nil && selects != c.selects {
				t.Errorf("%d SELECTs, want %d", selects, c.selects)
			}
		})
	}
}

// world starts the server, with its mailboxes.
func (c *oneBurst) world(t *testing.T) *homeWorld {
	t.Helper()
	w := newWorld(t, setup{server: c.server, other: c.other})
	if w.server == nil {
		w.user = "one" // not the name of any part of a mailbox name
		w.at.AddUser(t, w.user)
	}
	cl := w.at.Client(t, w.user)
	defer func() { _ = cl.Logout().Wait() }()
	for i, b := range c.boxes {
		if b != "INBOX" && w.server == nil {
			b = w.at.Traits().Prefix + b
		}
		if b != "INBOX" {
			if err := cl.Create(b, nil).Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(c.store, "SubscribedOnly") {
			if err := cl.Subscribe(b).Wait(); err != nil {
				t.Fatal(err)
			}
		}
		body := note(i, 300).crlf()
		app := cl.Append(b, int64(len(body)), nil)
		if _, err := app.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := app.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := app.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// config returns the configuration.
func (c *oneBurst) config(w *homeWorld, port int) string {
	return fmt.Sprintf(`SyncState %s/

IMAPAccount acc
Host localhost
Port %d
User %s
Pass "test \"pass\\word"
TLSType None
AuthMechs LOGIN
%s

IMAPStore far
Account acc
%s

MaildirStore near
Path %s/
Inbox %s
SubFolders Verbatim
%s`, w.path("state"), port, w.user, c.account, c.store, w.path("near"), w.path("inbox"), c.rest)
}

// TestAnswersAheadAreCurrent: what was requested ahead does not hide what has changed, on
// the server before the run, or by another channel during the run.
func TestAnswersAheadAreCurrent(t *testing.T) {
	c := oneBurst{
		boxes: []string{"INBOX", "Sent", "Work"},
		rest: `
MaildirStore other
Path %[1]s/
Inbox %[1]s/inbox
SubFolders Verbatim

Channel a
Far :far:INBOX
Near :near:INBOX
Create Near

Channel b
Far :far:Work
Near :near:Work
Create Near

Channel c
Far :far:Work
Near :other:Work
Create Near
`,
	}
	w := c.world(t)
	c.rest = fmt.Sprintf(c.rest, w.path("other"))
	relay := testkit.StartRelay(t, w.server.Addr(), 0)
	w.configure(c.config(w, relay.Port()))
	settle := func() {
		t.Helper()
		var got []string
		for range 12 {
			w.server.ForgetCommands(t)
			w.run(ours(), "-a")
			got = w.server.Commands(t, w.user)
			if !slices.ContainsFunc(got, func(c string) bool { return strings.HasPrefix(c, "SELECT") }) {
				return
			}
			time.Sleep(150 * time.Millisecond)
		}
		t.Errorf("mailboxes are selected though nothing has changed: %q", got)
	}
	count := func(dir string) int {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "[cn]*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	settle()
	w.server.Seed(t, w.user, "INBOX", testkit.Mail{Body: note(50, 300).crlf()})
	w.run(ours(), "-a")
	if got := count(w.path("inbox")); got != 2 {
		t.Errorf("%d messages in the inbox after one has arrived", got)
	}
	settle()
	// The first channel pushes a message, and the next one pulls it in the same run.
	w.deliver("Work", note(51, 300))
	w.run(ours(), "-a")
	if got := count(w.path("other", "Work")); got != 2 {
		t.Errorf("%d messages in the other Maildir after one was pushed", got)
	}
	settle()
	// What is remembered may be damaged, or about something else.
	records, err := filepath.Glob(w.path(".cache", "isync", "*.server"))
	if err != nil || len(records) == 0 {
		t.Fatal(records, err)
	}
	for _, r := range records {
		if err := os.WriteFile(r, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.server.Seed(t, w.user, "Work", testkit.Mail{Body: note(52, 300).crlf()})
	w.run(ours(), "-a")
	if got := [2]int{count(w.path("near", "Work")), count(w.path("other", "Work"))}; got != [2]int{3, 3} {
		t.Errorf("%d messages after one has arrived", got)
	}
	settle()
	cl := w.at.Client(t, w.user)
	defer func() { _ = cl.Logout().Wait() }()
	if err := cl.Rename("Work", "Elsewhere", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if res := w.start(ours(), "-a").wait(); res.code == 0 || !strings.Contains(res.stderr, "Work") {
		t.Errorf("exit code %d after a mailbox is gone: %s", res.code, res.stderr)
	}
	if got := [2]int{count(w.path("near", "Work")), count(w.path("other", "Work"))}; got != [2]int{3, 3} {
		t.Errorf("%d messages after the mailbox is gone", got)
	}
}
