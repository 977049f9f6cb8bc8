package ui

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/testkit"
)

// show is a run that is shown on a terminal, with its own time.
type show struct {
	*testkit.Terminal
	t    *testing.T
	p    *Printer
	now  time.Time
	said []string // lines other than the display
}

func newShow(t *testing.T, columns, rows int) *show {
	s := &show{Terminal: testkit.NewTerminal(t, columns, rows), t: t, now: time.Unix(1000, 0)}
	s.p = New(Options{
		Out: s, Err: s, Columns: func() int { return s.Columns }, Rows: func() int { return s.Rows },
		Now: func() time.Time { return s.now },
	})
	s.take(event.ChannelOpened{Channel: "work"})
	return s
}

func (s *show) take(e event.Event) { s.p.Take(e) }

// say reports a warning.
func (s *show) say(text string) {
	s.said = append(s.said, "mbsync: warning: "+text)
	s.take(event.Message{Severity: event.Warning, Fact: plain(text)})
}

func boxOf(i int) event.Pair {
	name := fmt.Sprintf("lists/%s/box%d", strings.Repeat("long-", i%4), i)
	return event.Pair{Channel: "work", Box: [2]string{name, name}, Name: name}
}

// copyAll copies messages in a number of mailboxes at once, and calls each after each
// message.
func (s *show) copyAll(boxes, messages int, each func(i int)) {
	s.take(event.ChannelBegun{Channel: "work", Pairs: boxes})
	for i := range boxes {
		s.take(event.PairBegun{Pair: boxOf(i)})
		s.take(event.Planned{Pair: boxOf(i), Change: event.New, Side: 1, Count: messages, Bytes: int64(messages) * 50_000})
	}
	for m := range messages {
		for i := range boxes {
			s.now = s.now.Add(20 * time.Millisecond)
			s.take(event.Done{Pair: boxOf(i), Change: event.New, Side: 1, UID: 1, Bytes: 50_000})
			each(m*boxes + i)
		}
	}
	for i := range boxes {
		var o event.Outcome
		o.Counts[1].New, o.Bytes[1] = messages, int64(messages)*50_000
		s.take(event.PairEnded{Pair: boxOf(i), Outcome: o})
	}
}

// end ends the run, and checks that nothing of the display is left, and nothing else lost.
func (s *show) end(sum event.Summary) []string {
	s.t.Helper()
	s.take(sum)
	s.p.End()
	got := s.Text()
	if n := len(s.said); len(got) < n || !slices.Equal(got[:n], s.said) {
		s.t.Fatalf("on the screen:\n%s\nwant first:\n%s", strings.Join(got, "\n"), strings.Join(s.said, "\n"))
	}
	return got[len(s.said):]
}

var (
	pairLine  = regexp.MustCompile(`^\S+(  \S.*)?  +\d+/\d+( .*)?$`)
	wholeLine = regexp.MustCompile(`^\d+/\d+ mailboxes  `)
)

// TestDisplay: at all widths, with few and many mailboxes, the display has a line for each
// mailbox that fits and one for the whole; other lines stay as they are.
func TestDisplay(t *testing.T) {
	for _, columns := range []int{60, 80, 200} {
		for _, boxes := range []int{1, 3, 20} {
			s := newShow(t, columns, 12)
			shown := 0
			s.copyAll(boxes, 60, func(i int) {
				if i%7 == 0 {
					s.say(fmt.Sprintf("warning %d %s", i, strings.Repeat("x", i%columns)))
				}
				if s.p.display.rows == 0 || i%3 > 0 {
					return
				}
				shown++
				all := s.Text()
				block := all[len(all)-s.p.display.rows:]
				if want := min(boxes+1, 11); len(block) != want {
					t.Fatalf("%d columns, %d boxes: %d lines", columns, boxes, len(block))
				}
				for k, l := range block {
					if len(l) > min(columns-1, maxWidth) {
						t.Fatalf("%d columns: %q", columns, l)
					}
					if last := k == len(block)-1; last && !wholeLine.MatchString(l) || !last && !pairLine.MatchString(l) {
						t.Fatalf("%q", block)
					}
				}
			})
			if shown < 10 {
				t.Errorf("shown %d times", shown)
			}
			if seconds := s.now.Sub(time.Unix(1000, 0)).Seconds(); float64(s.Drawn) > 10*seconds+1 {
				t.Errorf("drawn %d times in %v s", s.Drawn, seconds)
			}
			rest := s.end(event.Summary{Channels: 1, Boxes: boxes, Counts: [2]event.Counts{{}, {New: 60 * boxes}}, Bytes: [2]int64{0, 12_345_678}})
			if rest[0] != fmt.Sprintf("Processed %d box(es) in 1 channel(s),", boxes) || rest[len(rest)-1] != "" {
				t.Errorf("%q", rest)
			}
		}
	}
}

// TestDisplayShows: what the lines say.
func TestDisplayShows(t *testing.T) {
	s := newShow(t, 60, 24)
	s.now = s.now.Add(time.Second)
	s.take(event.PairSkipped{})
	if got := s.Text(); !slices.Equal(got, []string{"listing mailboxes"}) {
		t.Errorf("%q", got)
	}
	s.take(event.ChannelBegun{Channel: "work", Pairs: 4})
	s.take(event.PairBegun{Pair: boxOf(0)})
	s.take(event.PairBegun{Pair: boxOf(3)})
	s.take(event.Planned{Pair: boxOf(0), Change: event.New, Side: 1, Count: 400, Bytes: 40_000_000})
	for range 100 {
		s.now = s.now.Add(100 * time.Millisecond)
		s.take(event.Done{Pair: boxOf(0), Change: event.New, Side: 1, UID: 1, Bytes: 100_000})
	}
	want := []string{
		"work:lists//box0    100/400   1.0 MB/s  10.0 MB  0:30",
		"...long-long-long-/box3               looking for changes",
		"1/4 mailboxes       100/400   1.0 MB/s  10.0 MB",
	}
	got := s.Text()
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
		want[i] = strings.Join(strings.Fields(want[i]), " ")
	}
	if got[1] != "work:lists/long-long-long-/box3 looking for changes" {
		t.Errorf("%q", got[1])
	}
	got[1], want[1] = "", ""
	if !slices.Equal(got, want) {
		t.Errorf("%q\n%q", got, want)
	}
}

// TestNoDisplay: short runs, quiet ones, and those that are not on a terminal, have none.
func TestNoDisplay(t *testing.T) {
	wide := func() int { return 80 }
	for name, o := range map[string]Options{
		"no terminal": {}, "quiet": {Level: Quiet, Columns: wide}, "debug": {Debug: event.DebugNet, Columns: wide},
		"width unknown": {Columns: func() int { return 0 }},
	} {
		if _, out, _ := perform(o); strings.Contains(out, "\x1b") {
			t.Errorf("%s: %q", name, out)
		}
	}
	s := newShow(t, 80, 24)
	s.copyAll(1, 20, func(int) {})
	if s.Drawn != 0 {
		t.Error("shown in a run of 0.4 seconds")
	}
}

// TestDisplayResize: if the window changes while there is a display, no other line is lost,
// and nothing of it is left, unless the window becomes narrower than its lines.
func TestDisplayResize(t *testing.T) {
	for _, reflow := range []bool{false, true} {
		for _, widths := range [][]int{{200, 80, 120, 100}, {80, 200}, {80, 90, 81, 300}, {60, 80, 60}, {200, 60, 70}, {80, 40}} {
			s := newShow(t, widths[0], 24)
			s.copyAll(3, 120, func(i int) {
				if i%9 == 0 {
					s.say(fmt.Sprint("warning ", i))
				}
				if i%50 == 49 {
					s.Resize(widths[(i/50)%len(widths)], reflow)
				}
			})
			if reflow && slices.Min(widths) < 80 {
				// Fragments may be left. But no warning is lost.
				s.p.End()
				text := strings.Join(s.Text(), "\n")
				for _, l := range s.said {
					if !strings.Contains(text, l) {
						t.Errorf("%v: %q is lost", widths, l)
					}
				}
				continue
			}
			if rest := s.end(event.Summary{}); !strings.HasPrefix(rest[0], "Processed") {
				t.Errorf("%v: %q", widths, rest)
			}
		}
	}
}

// TestDisplayHolds: there is none while somebody asks the user.
func TestDisplayHolds(t *testing.T) {
	s := newShow(t, 80, 24)
	s.copyAll(2, 100, func(i int) {
		switch i {
		case 100:
			s.p.Hold()
			if got := s.Text(); !slices.Equal(got, append(slices.Clone(s.said), "")) {
				t.Errorf("%q", got)
			}
		case 101:
			s.say("waits")
		case 140:
			if got := s.Text(); len(got) != len(s.said) {
				t.Errorf("%q", got)
			}
			s.p.Release()
		default:
			if i%10 == 0 && i < 100 {
				s.say(fmt.Sprint(i))
			}
		}
	})
	s.end(event.Summary{})
}

// TestEffort: on a terminal, the summary tells which mailboxes got mail, and how long a
// long run took.
func TestEffort(t *testing.T) {
	s := newShow(t, 80, 24)
	s.copyAll(7, 30, func(int) {})
	rest := s.end(event.Summary{Bytes: [2]int64{1000, 2_000_000}})
	want := []string{
		"Processed 0 box(es) in 0 channel(s).",
		"New mail in work:lists//box0 (30), work:lists/long-/box1 (30), work:lists/long-long-/box2 (30), work:lists/long-long-long-/box3 (30), work:lists//box4 (30) and 2 more.",
		"Took 4.2 s, copied 2.0 MB.",
		"",
	}
	if !slices.Equal(rest, want) {
		t.Errorf("%q", rest)
	}
	s = newShow(t, 80, 24)
	s.take(event.PairEnded{Pair: boxOf(1), Err: errors.New("no")})
	s.now = s.now.Add(2 * time.Second)
	s.take(event.Summary{Bytes: [2]int64{1000, 2_000_000}})
	if text := strings.Join(s.Text(), "\n"); strings.Contains(text, "New mail") || strings.Contains(text, "Took") {
		t.Error(text)
	}
	// A program that reads the output sees nothing new.
	if _, out, _ := perform(Options{}); strings.Contains(out, "New mail") || strings.Contains(out, "Took") {
		t.Error(out)
	}
}

func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		0:                                     {"0:00", "0.0 s"},
		4240 * time.Millisecond:               {"0:04", "4.2 s"},
		12 * time.Second:                      {"0:12", "12 s"},
		time.Minute + 5*time.Second:           {"1:05", "1 min 5 s"},
		2*time.Hour + 3*time.Minute + 4*1e9:   {"2:03:04", "2 h 3 min"},
		59*time.Second + 600*time.Millisecond: {"1:00", "1 min 0 s"},
	} {
		if clockText(d) != want[0] || durationText(d) != want[1] {
			t.Errorf("%v: %q, %q", d, clockText(d), durationText(d))
		}
	}
}

// TestNarrowDisplay: lines never are wider than the terminal.
func TestNarrowDisplay(t *testing.T) {
	for width := range 90 {
		rows := []progressRow{
			{name: "channel:a mailbox 日本語 with a long name", cells: []string{"123456/1234567", "12.3 MB/s", "123.4 MB", "12:34:56"}},
			{name: "b", cells: []string{"1/2", "", "", ""}},
			{name: "channel:another mailbox with a long name", text: "looking for changes"},
		}
		for _, l := range layOut(rows, width) {
			if textWidth(l) > width {
				t.Errorf("%d: %q", width, l)
			}
		}
	}
}
