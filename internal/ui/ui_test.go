package ui

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
)

// plain is a fact that is its own text.
type plain string

func (plain) Code() event.Code { return "plain" }

// helpful is a fact that is its own text and comes with advice.
type helpful string

func (helpful) Code() event.Code { return "helpful" }

func init() {
	for _, w := range []wording{
		says(func(f plain) string { return string(f) }),
		advises(func(f helpful) (string, string) { return string(f), "help" }),
	} {
		wordings[w.kind] = w
	}
}

// warn sends a warning about a line of a file; 0: about no line.
func warn(p *Printer, line int, f event.Fact) {
	m := event.Message{Severity: event.Warning, Fact: f}
	if line > 0 {
		m.Place = event.Place{File: "rc", Line: line}
	}
	p.Take(m)
}

var pair = event.Pair{Channel: "c", Store: [2]string{"f", "n"}, Box: [2]string{"x/a", "a"}, Name: "a"}

// inPair is how events of the pair name it.
var inPair = event.Pair{Channel: pair.Channel, Box: pair.Box}

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
	p.Take(event.ChannelBegun{Channel: "c", Pairs: 2})
	p.Take(event.PairBegun{Pair: pair})
	p.Take(event.Listed{Pair: inPair, Side: 1, Count: 7})
	p.Take(event.Listed{Pair: inPair, Side: 0, Count: 8})
	p.Take(event.Message{Severity: event.Notice, Pair: inPair, Fact: plain("take note")})
	p.Take(event.Planned{Pair: inPair, Change: event.New, Side: 1, Count: 2})
	p.Take(event.Trace{Topic: event.DebugSync, Pair: inPair, Text: "far UID 5: because"})
	p.Take(event.Done{Pair: inPair, Change: event.New, Side: 1, UID: 12})
	p.Take(event.Message{Severity: event.Error, Pair: inPair, Side: 0, UID: 9, Err: errors.New("too \x1b[31mred")})
	p.Take(event.Message{Severity: event.Warning, Pair: inPair, Fact: plain("beware")})
	p.Take(event.Planned{Pair: inPair, Change: event.Flags, Side: 0, Count: 3})
	p.Take(event.Done{Pair: inPair, Change: event.Flags, Side: 0, UID: 1})
	begin = outBuf.String()
	res := event.Outcome{Failed: 1}
	res.Counts[1].New = 1
	res.Counts[0] = event.Counts{Flags: 1, Trashed: 2, Expunged: 3}
	p.Take(event.PairEnded{Pair: pair, Outcome: res})
	p.Take(event.PairBegun{Pair: event.Pair{Channel: "c"}})
	p.Take(event.PairEnded{Pair: event.Pair{Channel: "c"}, Err: errors.New("no luck")})
	p.Take(event.Summary{Boxes: 2, Channels: 1, Counts: res.Counts})
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
	// With -V, messages name their codes.
	coded := func(line string) string { return strings.TrimSuffix(line, "\n") + " [plain]\n" }
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"silent", Options{Level: Silent}, "|" + failed + luck},
		{"quiet", Options{Level: Quiet}, "|" + failed + warning + luck},
		{"normal", Options{}, summary + "|" + notice + failed + warning + luck},
		{"verbose", Options{Level: Verbose}, verbose + result + summary + "|" + coded(notice) + failed + coded(warning) + luck},
		{
			"debug",
			Options{Level: Silent, Debug: event.DebugSync},
			verbose + "s: c:a: far UID 5: because\ns: c:a: near side UID 12 stored\ns: c:a: far side UID 1 flags changed\n" + result + summary + "|" + coded(notice) + failed + coded(warning) + luck,
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

// Whoever is asked something is not interrupted.
func TestHold(t *testing.T) {
	for _, debug := range []event.Topics{0, event.DebugNet} {
		var out strings.Builder
		p := New(Options{Out: &out, Err: &out, Debug: debug})
		warn(p, 0, plain("one"))
		p.Hold()
		p.Hold()
		warn(p, 0, plain("two"))
		p.Take(event.Message{Severity: event.Error, Fact: helpful("three")})
		p.Take(event.Message{Severity: event.Error, Fact: helpful("four")})
		p.Release()
		p.Take(event.Output{Line: "five"})
		first := "mbsync: warning: one\n"
		later := "mbsync: warning: two\nmbsync: error: three\nhint: help\nmbsync: error: four\nfive\n"
		if debug != 0 {
			first = strings.ReplaceAll(first, "one", "one [plain]")
			later = strings.NewReplacer("two", "two [plain]", "three", "three [helpful]", "four", "four [helpful]").Replace(later)
		}
		now := first
		if debug != 0 {
			now += later
		}
		if got := out.String(); got != now {
			t.Errorf("%q", got)
		}
		p.Release()
		if got := out.String(); got != first+later {
			t.Errorf("%q", got)
		}
		// Nothing gets lost.
		p.Hold()
		p.Take(event.Output{Line: "six"})
		p.End()
		if got := out.String(); !strings.HasSuffix(got, "five\nsix\n") {
			t.Errorf("%q", got)
		}
	}
}

func TestHintsOnce(t *testing.T) {
	var out bytes.Buffer
	p := New(Options{Err: &out, Out: &out, Level: Silent, Explain: func(err error) []Problem {
		return []Problem{{Place: event.Place{File: "rc", Line: 3}, Text: err.Error(), Hint: "sleep"}}
	}})
	p.Take(event.Message{Severity: event.Error, Err: errors.New("one")})
	p.Take(event.ChannelFailed{Channel: "c", Err: errors.New("two")})
	if got := out.String(); got != "rc:3: error: one\nhint: sleep\nrc:3: error: channel 'c': two\n" {
		t.Errorf("%q", got)
	}
}

// The same warning about the same place is given once.
func TestWarningsOnce(t *testing.T) {
	var b strings.Builder
	p := New(Options{Err: &b})
	warn(p, 1, plain("careful"))
	warn(p, 1, plain("careful"))
	warn(p, 2, plain("careful"))
	warn(p, 0, plain("again"))
	warn(p, 0, plain("again"))
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

// TestPrinterIsASink: all output comes from events. Besides, the printer lends the
// terminal to functions that ask the user.
func TestPrinterIsASink(t *testing.T) {
	var got []string
	for m := range reflect.TypeFor[*Printer]().Methods() {
		got = append(got, m.Name)
	}
	if want := []string{"End", "Hold", "Release", "Take"}; !slices.Equal(got, want) {
		t.Errorf("methods %q, want %q", got, want)
	}
}
