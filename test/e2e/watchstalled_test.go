//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// endLimit is how long a watcher may take to end. It is 2 s, and more on a machine that is
// very busy.
const endLimit = 5 * time.Second

// TestWatchStalledReader: nobody reads what a watcher says. That stops neither synchronizing
// nor the end, and a reader that goes on learns that something is missing.
func TestWatchStalledReader(t *testing.T) {
	t.Parallel()
	testStalledReader(t, "JSON and a hook", "text, read again later")
}

// TestSweepWatchStalledReader is TestWatchStalledReader with all kinds of output.
func TestSweepWatchStalledReader(t *testing.T) {
	sweep(t)
	testStalledReader(t)
}

// testStalledReader tests the cases of these names; none: all of them.
func testStalledReader(t *testing.T, only ...string) {
	t.Helper()
	for _, tt := range []struct {
		name     string
		args     []string
		errors   bool // it is the error stream that is not read
		goesOn   bool
		channel  string
		messages int
	}{
		{name: "JSON", args: []string{"--json=messages"}, messages: 6000},
		{name: "JSON, read again later", args: []string{"--json=messages"}, messages: 6000, goesOn: true},
		{name: "text", args: []string{"-V", "-D"}, messages: 3000},
		{name: "text, read again later", args: []string{"-V", "-D"}, messages: 3000, goesOn: true},
		{name: "errors", args: []string{"--json", "-D"}, messages: 3000, errors: true},
		{name: "JSON and a hook", args: []string{"--json=messages"}, messages: 6000, channel: "\nOnChange \"trap '' TERM; cat >/dev/null; sleep 30\""},
	} {
		if only != nil && !slices.Contains(only, tt.name) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, slow: true, channel: "Patterns * INBOX\nCreate Both\nExpunge Both" + tt.channel})
			l := letters(tt.messages + 3)
			w.send("INBOX", l[:tt.messages]...)
			r, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.Command(binary, append([]string{"-c", w.rcFile(), "--watch"}, tt.args...)...)
			cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env(), out, io.Discard
			if tt.errors {
				cmd.Stdout, cmd.Stderr = io.Discard, out
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			defer func() {
				_ = cmd.Process.Kill()
				<-ended
			}()
			arrive := func(n int) {
				t.Helper()
				for begin := time.Now(); w.countNear("INBOX") < n; time.Sleep(50 * time.Millisecond) {
					if time.Since(begin) > 2*watchPatience {
						t.Fatalf("%d of %d messages", w.countNear("INBOX"), n)
					}
				}
			}
			arrive(tt.messages)
			w.send("INBOX", l[tt.messages])
			arrive(tt.messages + 1)
			w.deliver("INBOX", l[tt.messages+1])
			for begin := time.Now(); len(w.far("INBOX")) < tt.messages+2; time.Sleep(200 * time.Millisecond) {
				if time.Since(begin) > 2*watchPatience {
					t.Fatal("a message is not pushed")
				}
			}
			var got bytes.Buffer
			read := make(chan struct{})
			if tt.goesOn {
				go func() {
					defer close(read)
					_, _ = io.Copy(&got, r)
				}()
				time.Sleep(time.Second)
				w.send("INBOX", l[tt.messages+2])
				arrive(tt.messages + 3)
			}
			begin := time.Now()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-ended
			took := time.Since(begin)
			t.Logf("it ended after %v", took)
			if took > endLimit {
				t.Errorf("it ended after %v", took)
			}
			if tt.goesOn {
				<-read
				missing(t, got.Bytes(), strings.HasPrefix(tt.args[0], "--json"))
			}
			if list := w.near("INBOX"); len(contentsOf(list)) != len(list) {
				t.Errorf("%d messages, of which %d are different", len(list), len(contentsOf(list)))
			}
		})
	}
}

// missing checks that lines are whole, and that one tells that others are missing.
func missing(t *testing.T, output []byte, isJSON bool) {
	t.Helper()
	told := 0
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	last := ""
	for lines.Scan() {
		last = lines.Text()
		if strings.Contains(last, "line(s) were dropped") {
			told++
		}
		var o struct{ Type string }
		if isJSON && (json.Unmarshal(lines.Bytes(), &o) != nil || o.Type == "") {
			t.Errorf("not whole: %s", last)
		}
	}
	if told == 0 {
		t.Error("it is not told that lines are missing")
	}
	if isJSON && !strings.Contains(last, `"type":"summary"`) {
		t.Errorf("the last line: %s", last)
	}
}

// TestWatchEnds: whatever a watcher does, it ends soon after a signal: with hooks that do not
// end, and in the middle of pulling much.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	testEnds(t, "a hook that ignores the signal", "in the middle of pulling much", "while it reads the file again")
}

// TestSweepWatchEnds is TestWatchEnds in more situations.
func TestSweepWatchEnds(t *testing.T) {
	sweep(t)
	testEnds(t)
}

// testEnds tests the cases of these names; none: all of them.
func testEnds(t *testing.T, only ...string) {
	t.Helper()
	for name, tt := range map[string]struct {
		channel string
		when    func(x *watched)
	}{
		"a hook that ends":               {`OnChange "echo >>\"$HOME/calls\"; sleep 30"`, func(x *watched) { x.hookRuns() }},
		"a hook that ignores the signal": {`OnChange "trap '' TERM INT HUP; echo >>\"$HOME/calls\"; sleep 30; sleep 30"`, func(x *watched) { x.hookRuns() }},
		"a hook that leaves a child":     {`OnChange "setsid sleep 20 >/dev/null 2>&1 & echo >>\"$HOME/calls\"; trap '' TERM; sleep 30"`, func(x *watched) { x.hookRuns() }},
		"hooks that are called in a row": {`OnChange "echo >>\"$HOME/calls\"; sleep 0.4"`, func(x *watched) { x.hookRuns() }},
		"in the middle of pulling much":  {"", func(x *watched) { x.until("it pulls", func() bool { return x.countNear("INBOX") > 100 }) }},
		"while it reads the file again": {"", func(x *watched) {
			x.until("it pulls", func() bool { return x.countNear("INBOX") > 0 })
			x.tell(syscall.SIGHUP)
			x.tell(syscall.SIGUSR1)
			x.tell(syscall.SIGHUP)
		}},
		"in the middle of nothing at all": {"", func(x *watched) { time.Sleep(time.Second) }},
	} {
		if only != nil && !slices.Contains(only, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, slow: true, channel: "Patterns * INBOX\nCreate Both\nExpunge Both\n" + tt.channel})
			if err := os.MkdirAll(w.path("inbox", "cur"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, sub := range []string{"new", "tmp"} {
				if err := os.MkdirAll(w.path("inbox", sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			w.send("INBOX", letters(1200)...)
			x := &watched{homeWorld: w, p: w.start(ours(), "--watch")}
			tt.when(x)
			begin := time.Now()
			r := x.p.signal(syscall.SIGTERM)
			took := time.Since(begin)
			t.Logf("it ended after %v", took)
			if took > endLimit || r.code != 0 {
				t.Errorf("it ended after %v with exit code %d\n%s%s", took, r.code, r.stdout, r.stderr)
			}
			w.configure(strings.Replace(w.config(), "OnChange", "# OnChange", 1))
			w.sync(ours())
			w.holds("INBOX", 1200, 1200)
		})
	}
}

func (x *watched) hookRuns() {
	x.tb.Helper()
	x.until("a hook runs", func() bool { return len(x.readOr("calls")) > 0 })
}
