//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestJSON: the objects tell what a run has done, and the files of messages exist.
func TestJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, channel: "Patterns *\nCreate Both\nExpunge Both\nSyncState *"})
	const pulled, pushed = 30, 20
	for i := range pulled {
		w.send("INBOX", note(i, 100+i*2000))
	}
	w.makeMaildir("box")
	for i := range pushed {
		w.deliver("box", note(100+i, 300))
	}
	big := note(999, 3<<20)
	w.deliver("box", big)

	run := func(args ...string) []testkit.EventObject {
		t.Helper()
		r := w.run(ours(), append([]string{"-a", "--json=messages"}, args...)...)
		if r.code != 0 {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		return testkit.Events(t, []byte(r.stdout))
	}
	// check compares the messages with the summary.
	check := func(events []testkit.EventObject, want string) []testkit.EventObject {
		t.Helper()
		got := map[string]int{}
		for _, o := range testkit.OfType(events, "message") {
			got[o.Text("event")+" "+o.Text("side")]++
		}
		sum := events[len(events)-1]
		for _, side := range []string{"far", "near"} {
			counts, _ := sum[side].(map[string]any)
			for event, count := range map[string]string{"new": "new", "flags": "flags", "gone": "expunged"} {
				if n, _ := counts[count].(float64); int(n) != got[event+" "+side] {
					t.Errorf("%v %s on the %s side, but %d messages", n, count, side, got[event+" "+side])
				}
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
		return testkit.OfType(events, "message")
	}

	dry := run("-y")
	if n := len(testkit.OfType(dry, "message")); n != pulled+pushed+1 {
		t.Errorf("%d messages in a dry run", n)
	}
	for _, o := range check(run(), fmt.Sprintf("map[new far:%d new near:%d]", pushed+1, pulled)) {
		if o.Text("message_id") == "" || o.Number("uid") == 0 || o.Number("size") < 100 {
			t.Errorf("incomplete: %v", o)
		}
		if o.Text("side") == "near" {
			if fi, err := os.Stat(o.Text("path")); err != nil || float64(fi.Size()) != o.Number("size") {
				t.Errorf("%v: %v", o, err)
			}
		} else if o.Text("path") != "" {
			t.Errorf("a file on the server: %v", o)
		}
	}
	check(run(), "map[]")

	first := w.near("INBOX")[0]
	w.mark(first, "FS")
	second := w.far("INBOX")[1]
	w.farMark("INBOX", "S", second.uid)
	w.remove(w.near("box")[0])
	for _, o := range check(run(), "map[flags far:2 flags near:1 gone far:1]") {
		if o.Text("side") == "near" {
			if _, err := os.Stat(o.Text("path")); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestJSONWithoutReader: mail is copied completely if the reader of the output has ended, or
// the output cannot be written for another reason.
func TestJSONWithoutReader(t *testing.T) {
	t.Parallel()
	for name, output := range map[string]func(*testing.T) *os.File{
		"the reader has ended": func(t *testing.T) *os.File {
			r, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			return out
		},
		"the reader ends after a line": func(t *testing.T) *os.File {
			r, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = bufio.NewReaderSize(r, 16).ReadString('\n')
				r.Close()
			}()
			return out
		},
		"the disk is full": func(t *testing.T) *os.File {
			out, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			return out
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, channel: "Create Both"})
			const messages = 300
			letters := make([]letter, messages)
			for i := range letters {
				letters[i] = note(i, 500)
			}
			w.send("INBOX", letters...)
			out := output(t)
			defer out.Close()
			cmd := exec.Command(binary, "-c", w.rcFile(), "-a", "--json=messages")
			var stderr bytes.Buffer
			cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env(), out, &stderr
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if n := len(w.near("INBOX")); n != messages {
				t.Errorf("%d messages were copied", n)
			}
			if !strings.Contains(stderr.String(), "error: the output of --json cannot be written") {
				t.Errorf("%s", &stderr)
			}
		})
	}
}

// TestJSONSlowReader: if nobody reads the output, a signal ends the run all the same.
func TestJSONSlowReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, channel: "Create Both"})
	letters := make([]letter, 8000)
	for i := range letters {
		letters[i] = note(i, 60)
	}
	w.makeMaildir("INBOX")
	w.deliver("INBOX", letters...)
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(binary, "-c", w.rcFile(), "-a", "--json=messages")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env(), out, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		t.Error("the run ended although its output does not fit")
	case <-time.After(8 * time.Second):
	}
	begin := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ended
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("ended after %v", d)
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
	// The next run completes the work.
	w.sync(ours())
	if n := len(w.far("INBOX")); n != len(letters) {
		t.Errorf("%d messages", n)
	}
}

// TestJSONWatch: a watcher reports each of its runs, and how it notices changes.
func TestJSONWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, account: "PollInterval 1s", channel: "Patterns *\nCreate Both"})
	l := notes(1, 3)
	w.send("INBOX", l[0])
	x := w.startWatch("--json=messages")
	x.equal("INBOX", l[0])
	x.send("INBOX", l[1])
	x.equal("INBOX", l[0], l[1])
	x.deliver("INBOX", l[2])
	x.equal("INBOX", l[:3]...)
	r := w.run(ours(), "--status", "--json")
	status := testkit.Events(t, []byte(r.stdout))
	if got := testkit.OfType(status, "status"); len(got) != 1 || got[0].Text("channel") != "c" || got[0].Number("boxes") != 1 || got[0].Text("last_success") == "" {
		t.Errorf("%v", got)
	}
	if got := testkit.OfType(status, "watch"); len(got) != 2 || got[0].Text("store") != "far" || got[0]["connected"] != true {
		t.Errorf("%v", got)
	}
	events := testkit.Events(t, []byte(x.end(syscall.SIGTERM).stdout))
	runs := map[float64]int{}
	for _, kind := range []string{"start", "summary"} {
		for _, o := range testkit.OfType(events, kind) {
			runs[o.Number("run")]++
		}
	}
	if len(runs) < 3 || runs[0] != 1 { // the last summary is that of the program
		t.Errorf("runs %v", runs)
	}
	delete(runs, 0)
	for run, n := range runs {
		if n != 2 {
			t.Errorf("run %v has %d objects of start and summary", run, n)
		}
	}
	if got := testkit.OfType(events, "message"); len(got) != 3 {
		t.Errorf("%d messages", len(got))
	}
	if got := testkit.OfType(events, "watch"); len(got) == 0 {
		t.Error("nothing about the connections")
	}
}
