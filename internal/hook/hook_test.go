//go:build unix

package hook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"isync/internal/event"
	"isync/internal/hook"
	"isync/internal/ui"
)

// warnings are the events that hooks report.
type warnings struct {
	mu    sync.Mutex
	facts []event.HookFailed
}

func (w *warnings) Take(e event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts = append(w.facts, e.(event.Message).Fact.(event.HookFailed))
}

// newHooks returns hooks whose commands have $OUT, a directory of the test.
func newHooks(t *testing.T, commands hook.Commands, limit time.Duration) (h *hook.Hooks, out string, w *warnings) {
	t.Helper()
	out, w = t.TempDir(), &warnings{}
	h = hook.New(hook.Options{
		Commands: map[string]hook.Commands{"c": commands},
		Objects:  ui.Objects{Now: time.Now},
		Env:      []string{"OUT=" + out},
		Output:   os.Stderr,
		Events:   w, Limit: limit,
	})
	if h != nil {
		t.Cleanup(h.Close)
	}
	return h, out, w
}

func pair(box string) event.Pair {
	return event.Pair{Channel: "c", Store: [2]string{"f", "n"}, Box: [2]string{box, box}, Name: box}
}

func short(p event.Pair) event.Pair { return event.Pair{Channel: p.Channel, Box: p.Box} }

// synchronize reports a run of a pair with these changes.
func synchronize(h *hook.Hooks, box string, err error, changes ...event.MessageChanged) {
	p := pair(box)
	h.Take(event.PairBegun{Pair: p})
	for _, c := range changes {
		c.Pair = short(p)
		h.Take(c)
	}
	h.Take(event.PairEnded{Pair: p, Err: err})
}

// pulled is a new message on the near side.
func pulled(n int) event.MessageChanged {
	return event.MessageChanged{Side: 1, Change: event.New, UID: 7, Path: fmt.Sprintf("/mail/new/%d", n)}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// TestCalls: which commands are called for what, with which environment and input.
func TestCalls(t *testing.T) {
	const report = `{ echo "$MBSYNC_EVENT $MBSYNC_CHANNEL new=$MBSYNC_NEW boxes=$(echo "$MBSYNC_BOXES" | tr '\n' ,)"; wc -l; } >>"$OUT"/`
	all := hook.Commands{OnChange: report + "change", OnNew: report + "new", OnError: report + "error"}
	flags := event.MessageChanged{Side: 1, Change: event.Flags, UID: 3}
	pushed := event.MessageChanged{Side: 0, Change: event.New, UID: 4}
	gone := event.MessageChanged{Side: 1, Change: event.Expunge, UID: 5}
	for _, tt := range []struct {
		name               string
		changes            []event.MessageChanged
		err                error
		change, new_, errs string
	}{
		{name: "nothing"},
		{name: "new", changes: []event.MessageChanged{pulled(1), pulled(2)}, change: "change c new=2 boxes=a,\n2\n", new_: "new c new=2 boxes=a,\n2\n"},
		{name: "flags", changes: []event.MessageChanged{flags}, change: "change c new=0 boxes=a,\n1\n"},
		{name: "pushed", changes: []event.MessageChanged{pushed}, change: "change c new=0 boxes=a,\n1\n"},
		{name: "gone", changes: []event.MessageChanged{gone, pulled(1)}, change: "change c new=1 boxes=a,\n2\n", new_: "new c new=1 boxes=a,\n1\n"},
		{name: "error", err: errors.New("refused"), errs: "error c new=0 boxes=a,\n1\n"},
		{name: "both", changes: []event.MessageChanged{pulled(1)}, err: errors.New("refused"), change: "change c new=1 boxes=a,\n1\n", new_: "new c new=1 boxes=a,\n1\n", errs: "error c new=1 boxes=a,\n1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, out, w := newHooks(t, all, 0)
			synchronize(h, "a", tt.err, tt.changes...)
			h.Wait()
			for name, want := range map[string]string{"change": tt.change, "new": tt.new_, "error": tt.errs} {
				if got := read(t, out, name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if len(w.facts) != 0 {
				t.Errorf("%v", w.facts)
			}
		})
	}
}

// TestInput: each line of the input is an object about a message.
func TestInput(t *testing.T) {
	h, out, _ := newHooks(t, hook.Commands{OnChange: `cat >"$OUT"/in`}, 0)
	synchronize(h, "a", nil, pulled(1))
	h.Wait()
	var o struct {
		Type, Channel, Box, Side, Event, Path string
		UID                                   int
	}
	if err := json.Unmarshal([]byte(read(t, out, "in")), &o); err != nil {
		t.Fatal(err)
	}
	if o.Type != "message" || o.Channel != "c" || o.Box != "a" || o.Side != "near" || o.Event != "new" || o.UID != 7 || o.Path != "/mail/new/1" {
		t.Errorf("%+v", o)
	}
}

// TestCollected: while a command runs, changes are collected for the next call, and nobody
// waits for it.
func TestCollected(t *testing.T) {
	h, out, _ := newHooks(t, hook.Commands{OnNew: `echo "$MBSYNC_NEW" >>"$OUT"/calls; while ! [ -e "$OUT"/go ]; do sleep 0.01; done`}, 0)
	synchronize(h, "a", nil, pulled(1))
	for deadline := time.Now().Add(5 * time.Second); read(t, out, "calls") == "" && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	begin := time.Now()
	for i := range 50 {
		synchronize(h, fmt.Sprint("box", i%5), nil, pulled(i))
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("events took %v", took)
	}
	if err := os.WriteFile(filepath.Join(out, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Wait()
	if got := read(t, out, "calls"); got != "1\n50\n" {
		t.Errorf("calls with %q new messages", got)
	}
}

// TestFailures: a command that fails is reported once, and so is one that runs for too long,
// which is ended with its children.
func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		command string
		limited bool
	}{
		{"exit 3", false},
		{"no-such-command", false},
		{`(sleep 30; echo late >"$OUT"/late) & wait`, true},
		{`trap '' TERM; sleep 30 & wait; sleep 30`, true},
	} {
		t.Run(tt.command, func(t *testing.T) {
			t.Parallel()
			h, out, w := newHooks(t, hook.Commands{OnChange: tt.command}, 300*time.Millisecond)
			begin := time.Now()
			for range 3 {
				synchronize(h, "a", nil, pulled(1))
				h.Wait()
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			if len(w.facts) != 1 || w.facts[0].Keyword != "OnChange" || w.facts[0].Command != tt.command || (w.facts[0].Limit != 0) != tt.limited {
				t.Errorf("%+v", w.facts)
			}
			if read(t, out, "late") != "" {
				t.Error("a child was not ended")
			}
		})
	}
}

// TestInputNotRead: a command need not read its input, whatever its size.
func TestInputNotRead(t *testing.T) {
	h, out, w := newHooks(t, hook.Commands{OnNew: `echo "$MBSYNC_NEW" >"$OUT"/new`}, 0)
	var changes []event.MessageChanged
	for i := range 120_000 { // more than the input may be
		changes = append(changes, pulled(i))
	}
	synchronize(h, "a", nil, changes...)
	h.Wait()
	if got := read(t, out, "new"); got != "120000\n" || len(w.facts) != 0 {
		t.Errorf("%q %v", got, w.facts)
	}
}

// TestClose: it ends commands soon, and leaves no goroutine.
func TestClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	h, _, w := newHooks(t, hook.Commands{OnChange: "sleep 60"}, 0)
	synchronize(h, "a", nil, pulled(1))
	synchronize(h, "a", nil, pulled(2))
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	h.Close()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	synchronize(h, "a", nil, pulled(3))
	if len(w.facts) != 0 {
		t.Errorf("%v", w.facts)
	}
}

// TestNone: without commands there are no hooks, and other channels have none.
func TestNone(t *testing.T) {
	if h, _, _ := newHooks(t, hook.Commands{}, 0); h != nil {
		t.Error("hooks without commands")
	}
	h, out, _ := newHooks(t, hook.Commands{OnChange: `touch "$OUT"/called`}, 0)
	p := pair("a")
	p.Channel = "d"
	h.Take(event.PairBegun{Pair: p})
	h.Take(event.MessageChanged{Pair: short(p), Side: 1, Change: event.New})
	h.Take(event.PairEnded{Pair: p})
	h.Wait()
	if _, err := os.Stat(filepath.Join(out, "called")); err == nil {
		t.Error("called for another channel")
	}
}

// TestReplace: a command that is running goes on when the commands are replaced. What has
// changed meanwhile is told to the new ones, one call after the other.
func TestReplace(t *testing.T) {
	h, out, _ := newHooks(t, hook.Commands{OnChange: `echo begin >>"$OUT/calls"; until test -e "$OUT/go"; do sleep 0.01; done; echo end >>"$OUT/calls"`}, time.Minute)
	synchronize(h, "a", nil, pulled(1))
	for read(t, out, "calls") == "" {
		time.Sleep(time.Millisecond)
	}
	h.Replace(map[string]hook.Commands{"c": {OnNew: `echo new $MBSYNC_NEW >>"$OUT/calls"`}, "d": {OnChange: "exit 1"}})
	synchronize(h, "a", nil, pulled(2))
	if err := os.WriteFile(filepath.Join(out, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.Wait()
	if got := read(t, out, "calls"); got != "begin\nend\nnew 1\n" {
		t.Errorf("calls: %q", got)
	}
	h.Replace(nil)
	synchronize(h, "a", nil, pulled(3))
	h.Wait()
	if got := read(t, out, "calls"); got != "begin\nend\nnew 1\n" {
		t.Errorf("calls: %q", got)
	}
}

// TestNewWithError: OnError gets the new messages of the mailboxes that have failed, not all
// new messages since the last error.
func TestNewWithError(t *testing.T) {
	t.Parallel()
	h, out, _ := newHooks(t, hook.Commands{OnError: `echo "$MBSYNC_NEW" >>"$OUT"/errors`}, 0)
	for range 3 {
		synchronize(h, "a", nil, pulled(1), pulled(2))
	}
	synchronize(h, "b", errors.New("refused"), pulled(3))
	h.Wait()
	synchronize(h, "a", nil, pulled(4))
	synchronize(h, "b", errors.New("refused"))
	h.Wait()
	if got := read(t, out, "errors"); got != "1\n0\n" {
		t.Errorf("%q", got)
	}
}

// TestEnd: commands that ignore SIGTERM are killed soon, and no others are started.
func TestEnd(t *testing.T) {
	t.Parallel()
	h, out, w := newHooks(t, hook.Commands{OnChange: `trap '' TERM; echo >>"$OUT"/calls; sleep 60; sleep 60`}, 0)
	synchronize(h, "a", nil, pulled(1))
	for begin := time.Now(); read(t, out, "calls") == "" && time.Since(begin) < 20*time.Second; {
		time.Sleep(time.Millisecond)
	}
	synchronize(h, "a", nil, pulled(2)) // waits
	begin := time.Now()
	h.End()
	if took := time.Since(begin); took > 400*time.Millisecond {
		t.Errorf("End has waited for %v", took)
	}
	h.Wait()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := read(t, out, "calls"); got != "\n" || len(w.facts) != 0 {
		t.Errorf("calls %q, warnings %v", got, w.facts)
	}
}
