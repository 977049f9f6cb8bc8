//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// mishap is something that happens to the files of mbsync, to Maildirs or to mailboxes on
// the server while a watcher runs.
type mishap struct {
	name string
	do   func(w *homeWorld)
	// undo, if not nil, is what the user does about it later.
	undo func(w *homeWorld)
	// onServer: it happens on the server. If not, no message is removed from there.
	onServer bool
}

func mishaps() []mishap {
	must := func(w *homeWorld, err error) {
		w.tb.Helper()
		if err != nil {
			w.tb.Fatal(err)
		}
	}
	move := func(from, to string) func(w *homeWorld) {
		return func(w *homeWorld) { must(w, os.Rename(w.path(from), w.path(to))) }
	}
	empty := func(dir string) func(w *homeWorld) {
		return func(w *homeWorld) {
			must(w, os.Rename(w.path(dir), w.path("aside")))
			must(w, os.Mkdir(w.path(dir), 0o700))
		}
	}
	back := func(dir string) func(w *homeWorld) {
		return func(w *homeWorld) {
			must(w, os.RemoveAll(w.path(dir)))
			must(w, os.Rename(w.path("aside"), w.path(dir)))
		}
	}
	return []mishap{
		{name: "the state is deleted", do: func(w *homeWorld) { w.loseState() }},
		{name: "all states are deleted", do: func(w *homeWorld) {
			must(w, os.RemoveAll(w.path("state")))
			must(w, os.Mkdir(w.path("state"), 0o700))
		}},
		{name: "the state is restored", do: func(w *homeWorld) {
			for _, suffix := range []string{"", ".isync"} {
				data, err := os.ReadFile(w.path("backup" + suffix))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				must(w, err)
				must(w, os.WriteFile(w.stateFile("INBOX")+suffix, data, 0o600))
			}
		}},
		{name: "a foreign journal", do: func(w *homeWorld) {
			must(w, os.WriteFile(w.stateFile("INBOX")+".journal", []byte("4\n"), 0o600))
		}, undo: func(w *homeWorld) { must(w, os.Remove(w.stateFile("INBOX")+".journal")) }},
		{name: "a damaged state", do: func(w *homeWorld) {
			data, err := os.ReadFile(w.stateFile("INBOX"))
			must(w, err)
			must(w, os.Rename(w.stateFile("INBOX"), w.path("aside")))
			must(w, os.WriteFile(w.stateFile("INBOX"), data[:len(data)/2], 0o600))
		}, undo: func(w *homeWorld) { must(w, os.Rename(w.path("aside"), w.stateFile("INBOX"))) }},
		{name: "no .uidvalidity", do: func(w *homeWorld) { must(w, os.Remove(w.path("inbox", ".uidvalidity"))) }},
		{name: "another UIDVALIDITY", do: func(w *homeWorld) {
			must(w, os.WriteFile(w.path("inbox", ".uidvalidity"), []byte("1700000000\n50\n"), 0o600))
		}},
		{name: "the mailbox of the server is made anew", onServer: true, do: func(w *homeWorld) {
			w.farDelete("a")
			w.sendAll(map[string][]letter{"a": letters(30)[5:25]})
		}},
		{name: "a mailbox of the server is renamed", onServer: true, do: func(w *homeWorld) {
			c := w.at.Client(w.tb, w.user)
			must(w, c.Rename("a", "aa", nil).Wait())
			w.logout(c)
		}},
		{name: "a Maildir is renamed", do: move("near/a", "near/aa"), undo: move("near/aa", "near/a")},
		{name: "a Maildir is moved away", do: move("near/a", "aside"), undo: move("aside", "near/a")},
		{name: "a Maildir is replaced by an empty directory", do: empty("near/a"), undo: back("near/a")},
		{name: "INBOX is replaced by an empty directory", do: empty("inbox"), undo: back("inbox")},
		{name: "INBOX is moved away", do: move("inbox", "aside"), undo: move("aside", "inbox")},
		{name: "cur is missing", do: move("near/a/cur", "aside"), undo: move("aside", "near/a/cur")},
		{name: "Path is replaced by an empty directory", do: empty("near"), undo: back("near")},
		{name: "Path is moved away", do: move("near", "aside"), undo: move("aside", "near")},
		{name: "a Maildir is emptied", do: func(w *homeWorld) { w.emptyNear("big", 150) }},
		{name: "a mailbox of the server is emptied", onServer: true, do: func(w *homeWorld) {
			all := make([]uint32, 150)
			for i := range all {
				all[i] = uint32(i + 1)
			}
			w.farRemove("big", all...)
		}},
	}
}

// mishapWorld returns a world in which much was synchronized, and an older state was kept.
func mishapWorld(t *testing.T) *homeWorld {
	t.Helper()
	w := newWorld(t, setup{modern: true, slow: true, account: "PollInterval 10m\nSafetyInterval 10m", channel: "Patterns * INBOX\nCreate Both\nRemove Both\nExpunge Both"})
	l := letters(200)
	w.sendAll(map[string][]letter{"INBOX": l[:10], "a": l[10:30], "b": l[30:33], "c": l[33:35], "big": l[50:]})
	w.sync(ours())
	for _, suffix := range []string{"", ".isync"} {
		if data, err := os.ReadFile(w.stateFile("INBOX") + suffix); err == nil {
			w.write("backup"+suffix, string(data))
		}
	}
	w.deliver("INBOX", l[40:43]...)
	w.send("INBOX", l[43:45]...)
	w.sync(ours())
	return w
}

// whole describes both sides: the messages of each mailbox.
func (w *homeWorld) whole() map[string]contents {
	w.tb.Helper()
	out := map[string]contents{}
	far := w.farBoxes()
	for box, list := range w.farAll(far...) {
		out["far "+box] = contentsOf(list)
	}
	for _, top := range []string{"near", "inbox"} {
		if _, err := os.Stat(w.path(top)); err != nil {
			out[top+" is missing"] = nil
			return out
		}
	}
	for _, box := range w.nearBoxes() {
		if _, err := os.Stat(filepath.Join(w.boxDir(box), "new")); err == nil {
			out["near "+box] = contentsOf(w.near(box))
		}
	}
	return out
}

// codesOf are the codes of the errors in the output of --json.
func codesOf(objects []testkit.EventObject) (out []string) {
	for _, o := range objects {
		if code := o.Text("code"); o.Text("type") == "error" && !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	slices.Sort(out)
	return out
}

// lettersOnServer are the different letters on the server.
func lettersOnServer(whole map[string]contents) map[string]bool {
	out := map[string]bool{}
	for box, c := range whole {
		if strings.HasPrefix(box, "far ") {
			for key := range c {
				out[key] = true
			}
		}
	}
	return out
}

// TestSweepWatchMishaps: a watcher does after each mishap what runs without --watch do, and
// nothing more, tells the same errors, and shows them in its status. What the user does
// about it helps both.
func TestSweepWatchMishaps(t *testing.T) {
	sweep(t)
	for _, m := range mishaps() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.test(t)
		})
	}
}

// TestWatchMishaps is a part of TestSweepWatchMishaps.
func TestWatchMishaps(t *testing.T) {
	t.Parallel()
	all := mishaps()
	for _, name := range []string{"the state is restored", "INBOX is replaced by an empty directory", "cur is missing"} {
		i := slices.IndexFunc(all, func(m mishap) bool { return m.name == name })
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all[i].test(t)
		})
	}
}

// test lets it happen to a watcher, and to another world without one.
func (m mishap) test(t *testing.T) {
	t.Helper()
	once, twin := mishapWorld(t), mishapWorld(t)
	x := twin.startWatch("--json")
	var codes []string
	runs := func() map[string]contents {
		t.Helper()
		for range 2 {
			codes = append(codes, codesOf(testkit.Events(t, []byte(once.run(ours(), "-a", "--json").stdout)))...)
		}
		return once.whole()
	}
	follows := func(want map[string]contents) {
		t.Helper()
		x.tell(syscall.SIGUSR1)
		var diff string
		same := func() bool { diff = cmp.Diff(want, x.whole()); return diff == "" }
		for begin := time.Now(); !same() && time.Since(begin) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
			if x.p.ended() {
				t.Fatalf("it has ended: %v", x.p.wait())
			}
		}
		for range 3 { // and it stays so
			time.Sleep(500 * time.Millisecond)
			x.tell(syscall.SIGUSR1)
		}
		time.Sleep(700 * time.Millisecond)
		if !same() {
			t.Errorf("%s: (-without --watch, +with):\n%s\n%s", m.name, diff, x.status())
		}
	}
	before := lettersOnServer(once.whole())
	m.do(once)
	m.do(twin)
	follows(runs())
	status := x.status()
	if told := strings.Contains(status, "failed: ") || strings.Contains(status, "error"); told != (len(codes) > 0) {
		t.Errorf("the status tells of an error: %v, runs without --watch: %v\n%s", told, codes, status)
	}
	if after := lettersOnServer(x.whole()); !m.onServer && len(after) != len(before) {
		t.Errorf("of %d messages on the server, %d are left", len(before), len(after))
	}
	if m.undo != nil {
		m.undo(once)
		m.undo(twin)
		follows(runs())
		if status := x.status(); strings.Contains(status, "failed: ") {
			t.Errorf("the status:\n%s", status)
		}
	}
	r := x.p.signal(syscall.SIGTERM)
	slices.Sort(codes)
	codes = slices.Compact(codes)
	if got := codesOf(testkit.Events(t, []byte(r.stdout))); !slices.Equal(got, codes) {
		t.Errorf("errors %v, without --watch %v\n%s", got, codes, r.stderr)
	}
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
}

// TestWatchKilled: a watcher is killed while it pulls, while a hook runs, and while it reads
// the configuration again. The next one completes the work, and nothing is doubled.
func TestWatchKilled(t *testing.T) {
	t.Parallel()
	testKilled(t, 3)
}

// TestSweepWatchKilled is TestWatchKilled with more watchers.
func TestSweepWatchKilled(t *testing.T) {
	sweep(t)
	testKilled(t, 60)
}

func testKilled(t *testing.T, watchers int) {
	t.Helper()
	w := newWorld(t, setup{modern: true, slow: true, channel: "Patterns * INBOX\nCreate Both\nRemove Both\nExpunge Both\nOnChange \"echo >>\\\"$HOME/calls\\\"; exec sleep 1\""})
	l := letters(2 + 180*watchers)
	w.sendAll(map[string][]letter{"INBOX": l[:1], "a": l[1:2]})
	inbox, n := l[:1:1], 2
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(w.path("inbox", sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range watchers {
		calls := bytes.Count(w.readOr("calls"), []byte("\n"))
		x := &watched{homeWorld: w, p: w.start(ours(), "--watch")}
		w.send("INBOX", l[n:n+150]...)
		w.deliver("INBOX", l[n+150:n+180]...)
		inbox = append(inbox, l[n:n+180]...)
		n += 180
		switch i % 3 {
		case 0:
			x.until("it pulls", func() bool { return w.countNear("INBOX") > len(inbox)-150+10 })
		case 1:
			x.until("a hook runs", func() bool { return bytes.Count(x.readOr("calls"), []byte("\n")) > calls })
		case 2:
			x.until("it pulls", func() bool { return w.countNear("INBOX") > len(inbox)-150+10 })
			x.tell(syscall.SIGHUP)
			time.Sleep(time.Duration(i%12) * 4 * time.Millisecond)
		}
		x.kill()
	}
	x := w.startWatch()
	x.calm("INBOX", inbox...)
	x.end(syscall.SIGTERM)
	w.sync(ours())
	w.agree("INBOX", inbox)
}

// readOr returns the content of a file in the home directory, which need not exist.
func (w *homeWorld) readOr(name string) []byte {
	data, _ := os.ReadFile(w.path(name))
	return data
}

// TestWatchReloads: the configuration is read again in the middle of pulling much, with
// channels that come and go, and with errors.
func TestWatchReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, slow: true, channel: "Patterns INBOX\nCreate Both\nRemove Both\nExpunge Both"})
	l := letters(800)
	second := "\nChannel d\nFar :far:\nNear :near:\nPatterns a\nCreate Near\nExpunge Both\n"
	other := "\nMaildirStore near2\nPath " + w.path("near2") + "/\nInbox " + w.path("near2", "INBOX") + "\nSubFolders Verbatim\n" +
		"\nIMAPStore far2\n" + strings.Join(w.accountLines("TLSType"), "\n") + "\n\nChannel e\nFar :far2:\nNear :near2:\nPatterns *\nCreate Near\n"
	if err := os.Mkdir(w.path("near2"), 0o700); err != nil {
		t.Fatal(err)
	}
	good := w.config()
	w.sendAll(map[string][]letter{"INBOX": l[:1], "a": l[1:40]})
	x := w.startWatch()
	n := 40
	inbox := l[:1:1]
	for i, rc := range []string{good + second, good, good + "\nChannel broken\n", good + other, good + second + other, good} {
		w.send("INBOX", l[n:n+120]...)
		inbox = append(inbox, l[n:n+120]...)
		n += 120
		x.until("it pulls", func() bool { return w.countNear("INBOX") > len(inbox)-115 })
		w.configure(rc)
		x.tell(syscall.SIGHUP)
		if i%2 == 1 {
			x.tell(syscall.SIGHUP)
			x.tell(syscall.SIGUSR1)
		}
		x.deliver("INBOX", l[n])
		inbox = append(inbox, l[n])
		n++
		x.equal("INBOX", inbox...)
		switch i {
		case 0:
			x.equal("a", l[1:40]...)
		case 2:
			w.configure(good)
			if status := x.status(); !strings.Contains(status, "channel c: ") || strings.Contains(status, "broken") {
				t.Error(status)
			}
		case 3:
			x.until("the new channel is synchronized", func() bool {
				_, err := os.Stat(w.path("near2", "INBOX", "cur"))
				return err == nil && fmt.Sprint(cmp.Diff(lettersAsContents(inbox), contentsOf(readMaildir(t, w.path("near2", "INBOX"))))) == ""
			})
		}
	}
	x.calm("INBOX", inbox...)
	status := x.status()
	for _, gone := range []string{"channel d", "channel e", "near2"} {
		if strings.Contains(status, gone) {
			t.Errorf("%s is still there:\n%s", gone, status)
		}
	}
	r := x.p.signal(syscall.SIGTERM)
	if n := strings.Count(r.stderr, "was reloaded"); n < 5 {
		t.Errorf("%d reloads\n%s", n, r.stderr)
	}
	if n := strings.Count(r.stderr, `"broken" has no Far`); n != 1 || r.code != 0 {
		t.Errorf("%d times an error, exit code %d\n%s", n, r.code, r.stderr)
	}
	w.sync(ours())
	w.agree("INBOX", inbox)
}
