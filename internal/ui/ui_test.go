package ui

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/engine"
)

// screen is what a terminal would show of a stream: lines, the last of which
// may be unfinished.
func screen(stream string) []string {
	lines := []string{""}
	for _, r := range strings.ReplaceAll(stream, "\x1b[K", "\x00") {
		last := &lines[len(lines)-1]
		switch r {
		case '\n':
			lines = append(lines, "")
		case '\r':
			*last = "\r" + strings.TrimPrefix(*last, "\r")
		case '\x00':
			if strings.HasPrefix(*last, "\r") {
				*last = ""
			}
		default:
			if strings.HasPrefix(*last, "\r") {
				*last = ""
			}
			*last += string(r)
		}
	}
	return lines
}

var pair = engine.PairName{Channel: "c", Store: [2]string{"f", "n"}, Box: [2]string{"x/a", "a"}, Name: "a"}

// perform shows a run with a bit of everything. It returns the output up to the
// middle of the first pair, and all that was written to both streams.
func perform(o Options) (begin, out, err string) {
	var outBuf, errBuf bytes.Buffer
	now := time.Unix(0, 0)
	o.Out, o.Err = &outBuf, &errBuf
	o.Now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	p := New(o)
	ev := func(e engine.Event) {
		e.Channel, e.Box = pair.Channel, pair.Box
		p.Observe(e)
	}
	p.ChannelStarted("c", 2)
	p.PairStarted(pair)
	ev(engine.Event{Kind: engine.Loaded, Side: 1, N: 7})
	ev(engine.Event{Kind: engine.Loaded, Side: 0, N: 8})
	ev(engine.Event{Kind: engine.Notice, Text: "take note"})
	ev(engine.Event{Kind: engine.Planned, What: engine.New, Side: 1, N: 2})
	ev(engine.Event{Kind: engine.Debug, Text: "far UID 5: because"})
	ev(engine.Event{Kind: engine.Done, What: engine.New, Side: 1, UID: 12})
	ev(engine.Event{Kind: engine.Failed, What: engine.New, Side: 0, UID: 9, Err: errors.New("too \x1b[31mred")})
	ev(engine.Event{Kind: engine.Warning, Text: "beware"})
	ev(engine.Event{Kind: engine.Planned, What: engine.Flags, Side: 0, N: 3})
	ev(engine.Event{Kind: engine.Done, What: engine.Flags, Side: 0, UID: 1})
	begin = outBuf.String()
	res := engine.Result{Failed: 1}
	res.Counts[1].New = 1
	res.Counts[0] = engine.Counts{Flags: 1, Trashed: 2, Expunged: 3}
	p.PairDone(pair, res, nil)
	p.PairStarted(engine.PairName{Channel: "c"})
	p.PairDone(engine.PairName{Channel: "c"}, engine.Result{}, errors.New("no luck"))
	p.Summary(Totals{Boxes: 2, Channels: 1, Counts: res.Counts})
	return begin, outBuf.String(), errBuf.String()
}

func TestLevels(t *testing.T) {
	const (
		summary = "Processed 2 box(es) in 1 channel(s),\npulled 1 new message(s),\npushed 1 flag update(s),\n" +
			"moved 2 message(s) from far side to trash,\nexpunged 3 message(s) from far side.\n"
		notice  = "mbsync: notice: channel 'c', mailbox 'a': take note\n"
		warning = "mbsync: warning: channel 'c', mailbox 'a': beware\n"
		failed  = `mbsync: error: channel 'c', mailbox 'a', far side message 9: too \x1b[31mred` + "\n"
		luck    = "mbsync: error: channel 'c': no luck\n"
		verbose = "c: 2 mailbox(es)\nc:a: 8 message(s) on the far side, 7 message(s) on the near side\n"
		result  = "c:a: pulled 1 new message(s), pushed 1 flag update(s), moved 2 message(s) from far side to trash, expunged 3 message(s) from far side\n"
	)
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"silent", Options{Level: Silent}, "|" + failed + luck},
		{"quiet", Options{Level: Quiet}, "|" + failed + warning + luck},
		{"normal", Options{}, summary + "|" + notice + failed + warning + luck},
		{"verbose", Options{Level: Verbose}, verbose + result + summary + "|" + notice + failed + warning + luck},
		{
			"debug",
			Options{Level: Silent, Debug: DebugSync},
			verbose + "s: c:a: far UID 5: because\ns: c:a: near side UID 12 stored\ns: c:a: far side UID 1 flags changed\n" + result + summary + "|" + notice + failed + warning + luck,
		},
		{
			"dry run",
			Options{DryRun: true},
			"Processed 2 box(es) in 1 channel(s),\nwould pull 1 new message(s),\nwould push 1 flag update(s),\n" +
				"would move 2 message(s) from far side to trash,\nwould expunge 3 message(s) from far side.\n|" + notice + failed + warning + luck,
		},
	} {
		_, out, err := perform(c.o)
		if d := cmp.Diff(c.want, out+"|"+err); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
	}
}

func TestStatusLine(t *testing.T) {
	wide := func() int { return 80 }
	begin, all, _ := perform(Options{Columns: wide})
	if got := screen(begin); got[len(got)-1] != "[1/2] c:a  pull 1/2  far flags 1/3" {
		t.Errorf("%q", got)
	}
	want := []string{"Processed 2 box(es) in 1 channel(s),", "pulled 1 new message(s),"}
	if got := screen(all); len(got) < 2 || got[0] != want[0] || got[1] != want[1] || got[len(got)-1] != "" {
		t.Errorf("%q", got)
	}
	narrow, _, _ := perform(Options{Columns: func() int { return 12 }})
	if got := screen(narrow); got[len(got)-1] != "[1/2] c:a  " {
		t.Errorf("%q", got)
	}
	for _, o := range []Options{{}, {Level: Quiet, Columns: wide}, {Debug: DebugNet, Columns: wide}, {Columns: func() int { return 0 }}} {
		if _, out, _ := perform(o); strings.Contains(out, "\r") {
			t.Errorf("%+v: %q", o, out)
		}
	}
}

// The status line does not flicker while thousands of messages pass.
func TestStatusIsCalm(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := New(Options{Out: &out, Err: &out, Columns: func() int { return 80 }, Now: func() time.Time { return now }})
	p.ChannelStarted("c", 1)
	p.PairStarted(pair)
	for range 1000 {
		now = now.Add(time.Millisecond)
		p.Observe(engine.Event{Kind: engine.Done, What: engine.New, Side: 1, Channel: "c", Box: pair.Box})
	}
	if n := strings.Count(out.String(), "\r"); n < 8 || n > 12 {
		t.Errorf("drawn %d times in a second", n)
	}
	out.Reset()
	p.Hold()
	now = now.Add(time.Hour)
	p.Observe(engine.Event{Kind: engine.Planned, What: engine.New, Side: 1, N: 5, Channel: "c", Box: pair.Box})
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("%q", got)
	}
	p.Release()
	p.Observe(engine.Event{Kind: engine.Done, What: engine.New, Side: 1, Channel: "c", Box: pair.Box})
	if !strings.Contains(out.String(), "5/5") {
		t.Errorf("%q", out.String())
	}
	p.End()
	out.Reset()
	p.Observe(engine.Event{Kind: engine.Done, What: engine.New, Side: 1, Channel: "c", Box: pair.Box})
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}

// Whoever is asked something is not interrupted.
func TestHold(t *testing.T) {
	for _, debug := range []Debug{0, DebugNet} {
		var out strings.Builder
		p := New(Options{Out: &out, Err: &out, Debug: debug})
		p.Warn("", "one")
		p.Hold()
		p.Hold()
		p.Warn("", "two")
		p.Problem(Problem{Text: "three", Hint: "help"})
		p.Problem(Problem{Text: "four", Hint: "help"})
		p.Release()
		p.Println("five")
		now := "mbsync: warning: one\n"
		const later = "mbsync: warning: two\nmbsync: error: three\nhint: help\nmbsync: error: four\nfive\n"
		if debug != 0 {
			now += later
		}
		if got := out.String(); got != now {
			t.Errorf("%q", got)
		}
		p.Release()
		if got := out.String(); got != "mbsync: warning: one\n"+later {
			t.Errorf("%q", got)
		}
		// Nothing gets lost.
		p.Hold()
		p.Println("six")
		p.End()
		if got := out.String(); !strings.HasSuffix(got, "five\nsix\n") {
			t.Errorf("%q", got)
		}
	}
}

func TestHintsOnce(t *testing.T) {
	var out bytes.Buffer
	p := New(Options{Err: &out, Out: &out, Level: Silent, Explain: func(err error) []Problem {
		return []Problem{{Place: "rc:3", Text: err.Error(), Hint: "sleep"}}
	}})
	p.Error(errors.New("one"))
	p.ChannelFailed("c", errors.New("two"))
	if got := out.String(); got != "rc:3: error: one\nhint: sleep\nrc:3: error: channel 'c': two\n" {
		t.Errorf("%q", got)
	}
}

// The same warning about the same place is given once.
func TestWarningsOnce(t *testing.T) {
	var b strings.Builder
	p := New(Options{Err: &b})
	p.Warn("rc:1", "careful")
	p.Warn("rc:1", "careful")
	p.Warn("rc:2", "careful")
	p.Warn("", "again")
	p.Warn("", "again")
	if got := b.String(); got != "rc:1: warning: careful\nrc:2: warning: careful\nmbsync: warning: again\nmbsync: warning: again\n" {
		t.Errorf("%s", got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ü, 日本 🍰":  "plain, ü, 日本 🍰",
		"\x1b]0;x\x07":    `\x1b]0;x\x07`,
		"a\nb\tc":         `a\x0ab\x09c`,
		"\u009b31m\u202e": `\x9b31m\u202e`,
		"bad \xff utf":    `bad \xff utf`,
		"written \ufffd":  "written \ufffd",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"日本語", 5, "日本"}, {"", 0, ""}, {"a", -1, ""}} {
		if got := fit(c.in, c.columns); got != c.want {
			t.Errorf("%q, %d: %q", c.in, c.columns, got)
		}
	}
}
