//go:build linux

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// watched is a world with a running --watch.
type watched struct {
	*homeWorld
	p *process
}

// startWatch starts --watch, and waits until its first run is over.
func (w *homeWorld) startWatch(args ...string) *watched {
	w.tb.Helper()
	x := &watched{homeWorld: w, p: w.start(ours(), append([]string{"--watch"}, args...)...)}
	x.until("it has a status", func() bool {
		text := x.status()
		return strings.Contains(text, "last synchronized") && !strings.Contains(text, "running now")
	})
	return x
}

// status returns the output of --status.
func (x *watched) status() string {
	x.tb.Helper()
	r := x.run(ours(), "--status")
	return r.stdout + r.stderr
}

// watchPatience is how long a change may take to get to the other side, on a machine that is
// very busy.
const watchPatience = 30 * time.Second

// until waits until something is so.
func (x *watched) until(what string, ok func() bool) {
	x.tb.Helper()
	for deadline := time.Now().Add(watchPatience); !ok(); time.Sleep(20 * time.Millisecond) {
		switch {
		case x.p.ended():
			r := x.p.wait()
			x.tb.Fatalf("--watch has ended with exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		case time.Now().After(deadline):
			status := x.status()
			r := x.p.signal(syscall.SIGTERM)
			x.tb.Fatalf("not within %v: %s\n%s%s%s", watchPatience, what, r.stdout, r.stderr, status)
		}
	}
}

// equal waits until both sides of a mailbox hold these letters.
func (x *watched) equal(box string, letters ...letter) {
	x.tb.Helper()
	want := lettersAsContents(letters)
	var diff string
	x.until("both sides of "+box+" are as they should be", func() bool {
		if _, err := os.Stat(filepath.Join(x.boxDir(box), "cur")); err != nil || !slices.Contains(x.farBoxes(), box) {
			return false
		}
		diff = cmp.Diff(want, contentsOf(x.near(box))) + cmp.Diff(want, contentsOf(x.far(box)))
		return diff == ""
	})
}

// end ends the watcher, which must be soon, and without a complaint.
func (x *watched) end(sig syscall.Signal) result {
	x.tb.Helper()
	begin := time.Now()
	r := x.p.signal(sig)
	if took := time.Since(begin); took > 10*time.Second {
		x.tb.Errorf("it took %v to end", took)
	}
	if r.code != 0 {
		x.tb.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	x.quiet(ours(), result{stderr: r.stderr}, nil)
	return r
}

// TestWatch: whatever changes on either side gets to the other one without another run, with
// each server.
func TestWatch(t *testing.T) {
	for _, k := range servers() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				other: k.Start, modern: true, account: "PollInterval 3s\nSafetyInterval 10m",
				channel: "Patterns * INBOX\nCreate Both\nRemove Both\nExpunge Both", near: "LocalPoll 1s",
			})
			l := notes(1, 10)
			w.sendAll(map[string][]letter{"INBOX": l[:2], "a": l[2:4]})
			x := w.startWatch()
			x.equal("INBOX", l[:2]...)
			x.equal("a", l[2:4]...)

			x.send("INBOX", l[4])
			x.equal("INBOX", l[0], l[1], l[4])
			x.deliver("a", l[5])
			x.equal("a", l[2], l[3], l[5])

			at := func(box string, l letter) uint32 { return w.pick(w.far(box), l).uid }
			x.farMark("INBOX", "FR", at("INBOX", l[0]))
			x.mark(x.pick(x.near("a"), l[2]), "S")
			x.equal("INBOX", flagged(l[0], "FR"), l[1], l[4])
			x.equal("a", flagged(l[2], "S"), l[3], l[5])
			x.farRemove("INBOX", at("INBOX", l[1]))
			x.remove(x.pick(x.near("a"), l[3]))
			x.equal("INBOX", flagged(l[0], "FR"), l[4])
			x.equal("a", flagged(l[2], "S"), l[5])

			x.sendAll(map[string][]letter{"b": l[6:7]})
			x.equal("b", l[6])
			x.makeMaildir("c")
			x.deliver("c", l[7])
			x.equal("c", l[7])
			x.send("c", l[8])
			x.equal("c", l[7], l[8])

			// Another run beside it. One of the two may find the mailbox locked.
			x.deliver("INBOX", l[9])
			if r := w.run(ours(), "-a"); r.code != 0 && !isLocked(r) {
				t.Errorf("another run: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			x.equal("INBOX", flagged(l[0], "FR"), l[4], l[9])

			if r := w.run(ours(), "--watch"); r.code != 1 || !strings.Contains(r.stderr, "another 'mbsync --watch' is running") {
				t.Errorf("a second watcher: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			r := x.end(syscall.SIGTERM)
			for _, want := range []string{"c:INBOX: pulled ", "c:a: pushed ", "c:c: pushed 1 new message(s)"} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("no line %q in\n%s", want, r.stdout)
				}
			}
			if r := w.run(ours(), "--status"); r.code != 1 || !strings.Contains(r.stderr, "no 'mbsync --watch' is running") {
				t.Errorf("the status afterwards: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			w.sync(ours())
			x.agree("INBOX", []letter{flagged(l[0], "FR"), l[4], l[9]})
		})
	}
}

// TestWatchSignals: SIGHUP reads the configuration again, unless it has errors, and SIGUSR1
// synchronizes at once.
func TestWatchSignals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, account: "PollInterval 10m\nSafetyInterval 10m\nDisableExtensions IDLE NOTIFY", channel: "Patterns * INBOX\nCreate Near"})
	l := notes(1, 6)
	w.sendAll(map[string][]letter{"INBOX": l[:1], "a": l[1:2]})
	// SIGHUP reads included files again, too.
	good := w.config()
	w.configure("Include part\n")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(w.rcFile()), "part"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure(strings.Replace(good, "Patterns * INBOX", "Patterns INBOX", 1))
	x := w.startWatch()
	x.equal("INBOX", l[0])
	if _, err := os.Stat(x.boxDir("a")); err == nil {
		t.Fatal("'a' was synchronized")
	}
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := x.p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	x.send("INBOX", l[2])
	send(syscall.SIGUSR1)
	x.equal("INBOX", l[0], l[2])

	// A broken configuration is not used.
	configure(good + "\nChannel broken\n")
	send(syscall.SIGHUP)
	x.send("INBOX", l[3])
	send(syscall.SIGUSR1)
	x.equal("INBOX", l[0], l[2], l[3])

	configure(good)
	send(syscall.SIGHUP)
	x.equal("a", l[1])
	x.deliver("a", l[4])
	x.send("INBOX", l[5])
	send(syscall.SIGUSR1)
	x.equal("INBOX", l[0], l[2], l[3], l[5])

	r := x.p.signal(syscall.SIGINT)
	for _, want := range []string{"mbsync continues with the former configuration", `"broken" has no Far`, "the configuration file was reloaded"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("not said: %s\n%s", want, r.stderr)
		}
	}
	if n := strings.Count(r.stdout, "watching 1 channel(s)"); n != 1 {
		t.Errorf("%d times told what is watched", n)
	}
	if r.code != 0 {
		t.Errorf("exit code %d", r.code)
	}
}

// TestWatchSelection: which channels are watched without and with names.
func TestWatchSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true})
	rc := w.config()
	for _, tt := range []struct {
		lines string
		args  []string
		want  string // in the output
		code  int
	}{
		{"", nil, "watching 1 channel(s)", 0},
		{"", []string{"c"}, "watching 1 channel(s)", 0},
		{"Watch no\n", nil, "there is no channel to watch", 1},
		{"Watch no\n", []string{"c"}, "watching 1 channel(s)", 0},
		{"\nGroup g c\nWatch no\n", nil, "there is no channel to watch", 1},
		{"Watch yes\n\nGroup g c\nWatch no\n", nil, "watching 1 channel(s)", 0},
		{"\nGroup g c\nWatch no\n", []string{"g"}, "watching 1 channel(s)", 0},
		{"", []string{"d"}, "'d'", 1},
		{"", []string{"-y"}, "cannot be combined", 1},
	} {
		w.configure(strings.TrimRight(rc, "\n") + "\n" + tt.lines)
		p := w.start(ours(), append([]string{"--watch"}, tt.args...)...)
		for deadline := time.Now().Add(watchPatience); !p.ended() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if r := w.run(ours(), "--status"); r.code == 0 {
				break
			}
		}
		r := p.signal(syscall.SIGTERM)
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.want) {
			t.Errorf("%q %v: exit code %d\n%s%s", tt.lines, tt.args, r.code, r.stdout, r.stderr)
		}
	}
}

// TestWatchNotifiesSystemd: the service manager learns when the first run is over, what the
// state is, that the schedule works, and that the watcher ends.
func TestWatchNotifiesSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWorld(t, setup{modern: true, channel: "Patterns INBOX\nCreate Near"})
	t.Setenv("NOTIFY_SOCKET", socket) // not for the server, which notifies, too
	l := notes(1, 1)
	w.sendAll(map[string][]letter{"INBOX": l})
	p := w.start(ours(), "--watch")
	var got []string
	await := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		for {
			if err := conn.SetReadDeadline(time.Now().Add(watchPatience)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("no %s: %v, but %q", want, err, got)
			}
			got = append(got, string(buf[:n]))
			if strings.HasPrefix(string(buf[:n]), want) {
				return
			}
		}
	}
	await("READY=1")
	if n := len(w.near("INBOX")); n != 1 {
		t.Errorf("ready with %d messages", n)
	}
	await("STATUS=1 channel(s), 1 mailbox(es)")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("RELOADING=1")
	await("READY=1")
	await("WATCHDOG=1")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("STOPPING=1")
	if r := p.wait(); r.code != 0 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
