package ui_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/testkit"
	"isync/internal/ui"
)

var (
	pair = event.Pair{Channel: "c", Store: [2]string{"f", "n"}, Box: [2]string{"x/a", "a"}, Name: "a"}
	// inPair is how events of the pair name it.
	inPair = event.Pair{Channel: pair.Channel, Box: pair.Box}
)

// jsonOf returns what a sink writes about events. A second passes with each event.
func jsonOf(t *testing.T, o ui.Objects, events ...event.Event) []testkit.EventObject {
	t.Helper()
	now := time.Date(2026, 11, 28, 21, 8, 6, 476e6, time.UTC)
	o.Now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	var out bytes.Buffer
	j := ui.NewJSON(ui.JSONOptions{Out: &out, Objects: o})
	for _, e := range events {
		j.Take(e)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	return testkit.Events(t, out.Bytes())
}

// aRun has an event of each kind.
func aRun() []event.Event {
	var counts [2]event.Counts
	counts[1].New, counts[0].Expunged = 1, 2
	outcome := event.Outcome{Counts: counts, Bytes: [2]int64{0, 300}, Failed: 1, Held: 3}
	return []event.Event{
		event.Message{Severity: event.Warning, Place: event.Place{File: "rc", Line: 3}, Section: "Channel c", Fact: event.FileNotUTF8{}},
		event.Message{Severity: event.Warning, Place: event.Place{File: "rc", Line: 3}, Section: "Channel c", Fact: event.FileNotUTF8{}},
		event.RunBegun{Version: "1.2", Channels: []string{"c", "d"}, Accounts: []string{"acc"}},
		event.AccountState{Account: "acc", Connected: true},
		event.WatchChanged{Store: "s", Mode: "idle", Since: time.Unix(1, 0), Next: time.Unix(2, 0), Err: errors.New("gone")},
		event.ChannelState{Channel: "c", Boxes: 3, Success: time.Unix(1, 0), Waiting: []string{"w"}, Failed: []event.BoxState{{Box: "f", Problem: "no"}}},
		event.ChannelOpened{Channel: "c"},
		event.ChannelBegun{Channel: "c", Pairs: 2},
		event.PairBegun{Pair: pair},
		event.Listed{Pair: inPair, Side: 1, Count: 7},
		event.Planned{Pair: inPair, Change: event.New, Side: 1, Count: 2, Bytes: 900},
		event.Trace{Topic: event.DebugSync, Pair: inPair, Text: "far UID 5: because"},
		event.Transferred{Pair: inPair, Side: 1, Bytes: 100},
		event.Done{Pair: inPair, Change: event.New, Side: 1, UID: 12, Bytes: 200},
		event.MessageChanged{Pair: inPair, Side: 1, Change: event.New, UID: 12, Path: "/m/cur/x\xff:2,S", Flags: mail.FlagSeen, Size: 300, MessageID: "<a@b>", Placeholder: true},
		event.MessageChanged{Pair: inPair, Side: 0, Change: event.Flags, UID: 1, Flags: mail.FlagDraft, Add: mail.FlagDraft, Del: mail.FlagSeen},
		event.MessageChanged{Pair: inPair, Side: 0, Change: event.Trash, UID: 2, Trash: "bin"},
		event.MessageChanged{Pair: inPair, Side: 0, Change: event.Expunge, UID: 2},
		event.Message{Severity: event.Error, Pair: inPair, Side: 0, UID: 9, Err: errors.New("too \x1b[31mred")},
		event.Message{Severity: event.Notice, Pair: inPair, Fact: event.TryingAgain{Wait: time.Minute, Err: errors.New("busy")}},
		event.PairRetried{Pair: pair},
		event.PairEnded{Pair: pair, Status: event.StatusFailed, Outcome: outcome, Err: errors.New("no luck"), Interrupted: true},
		event.PairSkipped{Pair: event.Pair{Channel: "c", Box: [2]string{"INBOX", "INBOX"}}},
		event.ChannelEnded{Channel: "c", Status: event.StatusFailed, Boxes: 1, Skipped: 1, Outcome: outcome},
		event.ChannelOpened{Channel: "d"},
		event.ChannelFailed{Channel: "d", Err: errors.New("no server")},
		event.ChannelEnded{Channel: "d", Status: event.StatusFailed},
		event.Message{Severity: event.Error, Store: "s", Path: "/p", Fact: event.NoUIDs{}},
		event.Output{Line: "for people"},
		event.PairListed{Pair: pair},
		event.BoxListed{Store: "s", Box: "b"},
		event.PendingList{Messages: []event.PendingMessage{{Pair: pair, Side: 1, UID: 4, Tries: 2, Since: time.Unix(5, 0), Why: "no", Size: 3, Date: time.Unix(6, 0), MessageID: "<i>"}}},
		event.Finding{Section: "Channel", Name: "c", Level: event.FindingProblem, Code: "no-user", Text: "no user", Hint: "add one"},
		event.Summary{Channels: 2, Boxes: 1, Counts: counts, Bytes: outcome.Bytes, Failed: 1, Held: 3, Unfinished: 1, NotBegun: 1, NotListed: 1, Exit: 1},
	}
}

func TestJSON(t *testing.T) {
	objects := jsonOf(t, ui.Objects{Messages: true}, aRun()...)
	var lines []string
	for _, o := range objects {
		line := o.Text("type")
		for _, f := range []string{"channel", "box", "phase", "status", "side", "event", "code"} {
			if v := o.Text(f); v != "" {
				line += " " + v
			}
		}
		lines = append(lines, line)
	}
	want := []string{
		"warning file-not-utf8", "start", "watch", "status c",
		"channel c begin", "box c a begin", "progress", "progress",
		"message c a near new", "message c a far flags", "message c a far moved", "message c a far gone",
		"message c a far refused", "error c a far failed", "notice c a trying-again",
		"error c a failed", "box c a end failed", "box c INBOX end skipped", "channel c end failed",
		"channel d begin", "error d failed", "channel d end failed", "error no-uids",
		"list c a", "list b", "pending c a near", "finding no-user", "summary",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	some := map[string]any{}
	for _, o := range objects {
		for f, v := range o {
			some[o.Text("type")+"."+f] = v
		}
	}
	for field, want := range map[string]any{
		"message.path": "/m/cur/x\uFFFD:2,S", "message.path_base64": "L20vY3VyL3j/OjIsUw==", "message.message_id": "<a@b>", "message.size": 300.0,
		"warning.file": "rc", "warning.line": 3.0, "warning.section": "Channel c",
		"notice.retry_at": "2026-11-28T21:09:27.476Z", "notice.time": "2026-11-28T21:08:27.476Z",
		"box.seconds": 13.0, "box.interrupted": true, "progress.done": 1.0, "progress.total": 2.0, "progress.bytes": 300.0,
		"summary.exit": 1.0, "summary.held": 3.0, "summary.seconds": 31.0,
		"watch.next": "1970-01-01T00:00:02.000Z", "watch.connected": false,
	} {
		if got := some[field]; fmt.Sprint(got) != fmt.Sprint(want) && field != "message.path_base64" {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
	// Without details there are no objects about messages.
	for _, o := range jsonOf(t, ui.Objects{}, aRun()...) {
		if o.Text("type") == "message" {
			t.Errorf("%v", o)
		}
	}
}

// TestJSONForeseen: a dry run tells what would happen to messages.
func TestJSONForeseen(t *testing.T) {
	objects := jsonOf(t, ui.Objects{Messages: true, DryRun: true},
		event.PairBegun{Pair: pair},
		event.PairEnded{Pair: pair, Outcome: event.Outcome{Foreseen: []event.Foreseen{
			{Side: 0, UID: 3, Copy: true, Size: 9, Subject: "secret"},
			{Side: 1, UID: 4, Add: mail.FlagDeleted, Trash: true, Expunge: true},
		}}},
		event.CommandEnded{})
	var got []string
	for _, o := range testkit.OfType(objects, "message") {
		got = append(got, fmt.Sprint(o.Text("side"), o["uid"], o.Text("event"), o["would"]))
	}
	if want := []string{"far3newtrue", "near4flagstrue", "near4movedtrue", "near4gonetrue"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestJSONLongLines: no line is longer than 64 KiB, whatever is in it.
func TestJSONLongLines(t *testing.T) {
	for _, c := range []string{"a", "\x01", "ä", "\xff", "\"", "😀"} {
		long := strings.Repeat(c, 300_000)
		var names []string
		for i := range 5000 {
			names = append(names, fmt.Sprint("a rather long name of a channel ", i, c))
		}
		far := pair
		far.Name = strings.Repeat(c, 1000)
		objects := jsonOf(t, ui.Objects{Messages: true},
			event.RunBegun{Channels: names},
			event.PairBegun{Pair: far},
			event.MessageChanged{Pair: far, Path: long, MessageID: long, UID: 1},
			event.Message{Severity: event.Error, Pair: far, Path: long, Err: errors.New(long)},
			event.PairEnded{Pair: far},
			event.CommandEnded{})
		if len(objects) != 6 {
			t.Errorf("%d objects", len(objects))
		}
		for i, o := range objects {
			if cut := i == 0 || i == 2 || i == 3; cut != (o["truncated"] == true) {
				t.Errorf("truncated: %v, but %.300v", cut, o)
			}
		}
	}
}

// pipe is an output that fails, or that nobody reads for a while.
type pipe struct {
	mu    sync.Mutex
	fail  error
	block chan struct{}
	n     int
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.block != nil {
		<-p.block
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += len(b)
	if p.fail != nil {
		return 0, p.fail
	}
	return len(b), nil
}

// TestJSONLost: if the output cannot be written, nobody waits for it.
func TestJSONLost(t *testing.T) {
	lost := make(chan error, 2)
	j := ui.NewJSON(ui.JSONOptions{
		Out: &pipe{fail: io.ErrClosedPipe}, Objects: ui.Objects{Now: time.Now},
		Lost: func(err error) { lost <- err },
	})
	for range 50_000 {
		j.Take(event.RunBegun{Channels: []string{strings.Repeat("x", 100)}})
	}
	if err := j.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := <-lost; !errors.Is(err, io.ErrClosedPipe) || len(lost) > 0 {
		t.Error(err, len(lost))
	}
}

// TestJSONSlow: who reports waits for a slow reader, but not once the run was told to stop.
func TestJSONSlow(t *testing.T) {
	p := &pipe{block: make(chan struct{})}
	j := ui.NewJSON(ui.JSONOptions{Out: p, Objects: ui.Objects{Now: time.Now}})
	const line, lines = 1000, 5000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range lines {
			j.Take(event.RunBegun{Channels: []string{strings.Repeat("x", line)}})
		}
	}()
	select {
	case <-done:
		t.Error("everything was kept in memory")
	case <-time.After(50 * time.Millisecond):
	}
	j.Hurry()
	<-done
	if err := j.Close(); err == nil {
		t.Error("nobody read it, and that is no error")
	}
	close(p.block)

	p = &pipe{block: make(chan struct{})}
	j = ui.NewJSON(ui.JSONOptions{Out: p, Objects: ui.Objects{Now: time.Now}})
	time.AfterFunc(20*time.Millisecond, func() { close(p.block) })
	for range lines {
		j.Take(event.RunBegun{Channels: []string{strings.Repeat("x", line)}})
	}
	if err := j.Close(); err != nil || p.n < line*lines {
		t.Errorf("%v after %d bytes", err, p.n)
	}
}

// TestEventsDocumented: docs/events.md has exactly the types and fields of the schema.
func TestEventsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../docs/events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
			Required   []string       `json:"required"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)`( \\*)? \\| (text|number|true/false|list|object|time) \\|")
	seen := 0
	for section := range strings.SplitSeq(string(text), "\n### ") {
		title, body, _ := strings.Cut(section, "\n")
		for name := range strings.SplitSeq(title, ", ") {
			def, ok := schema.Defs[name]
			if !ok {
				continue
			}
			seen++
			fields := map[string]bool{}
			for _, m := range row.FindAllStringSubmatch(body, -1) {
				fields[m[1]] = true
				if _, ok := def.Properties[m[1]]; !ok {
					t.Errorf("%s.%s is not in the schema", name, m[1])
				}
				if required := slices.Contains(def.Required, m[1]); required != (m[2] != "") {
					t.Errorf("%s.%s: required %v in the schema", name, m[1], required)
				}
			}
			for f := range def.Properties {
				if !fields[f] && !slices.Contains([]string{"v", "time", "type", "truncated"}, f) {
					t.Errorf("%s.%s is not in docs/events.md", name, f)
				}
			}
		}
	}
	if seen != len(schema.Defs)-1 { // but the counts of a side
		t.Errorf("docs/events.md has %d of %d types", seen, len(schema.Defs)-1)
	}
}
