package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sickness is a way in which a server does not send messages.
type sickness struct {
	name string
	// decide is that of the server while it is sick.
	decide func(cmd string, out []string) ([]string, string)
	// arrive are the messages that have arrived after three runs.
	arrive []string
	// named: message 3 is named in the last of these runs.
	named bool
}

// bodies applies f to the answers of commands for whole messages.
func bodies(f func(out []string) ([]string, string)) func(string, []string) ([]string, string) {
	return func(cmd string, out []string) ([]string, string) {
		if strings.Contains(cmd, "BODY.PEEK[]") {
			return f(out)
		}
		return out, "OK done"
	}
}

// but drops the response about message 3, and says how that goes if there was one.
func but(status string) func(string, []string) ([]string, string) {
	return bodies(func(out []string) ([]string, string) {
		for i, line := range out {
			if strings.Contains(line, "(UID 3 ") {
				if status == "" { // hangs up
					return out[:i], ""
				}
				return slices.Delete(slices.Clone(out), i, i+1), status
			}
		}
		return out, "OK done"
	})
}

// altered changes the response about message 3.
func altered(f func(line string) string) func(string, []string) ([]string, string) {
	return bodies(func(out []string) ([]string, string) {
		out = slices.Clone(out)
		for i, line := range out {
			if strings.Contains(line, "(UID 3 ") {
				out[i] = f(line)
			}
		}
		return out, "OK done"
	})
}

func always(status string) func(string, []string) ([]string, string) {
	return bodies(func([]string) ([]string, string) { return nil, status })
}

// TestSickServer: a message that a server does not send, in whichever way, is not given
// up, and does not keep the others from arriving. In each run there is an error. When
// the server has recovered, everything arrives, once.
func TestSickServer(t *testing.T) {
	for _, caps := range []string{"IMAP4rev1 UIDPLUS LITERAL+", "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC"} {
		for _, sick := range sicknesses() {
			t.Run(sick.name, func(t *testing.T) {
				t.Parallel()
				testSickServer(t, caps, &sick)
			})
		}
	}
}

// sicknesses are the ways in which servers do not send messages.
func sicknesses() (list []sickness) {
	others := []string{"1", "2", "4", "5", "6"}
	for _, status := range []string{
		"NO Server Unavailable. 15", "NO Some messages could not be FETCHed", "BAD Command Error. 12",
		"NO [SERVERBUG] Internal error occurred", "OK done",
	} {
		list = append(list,
			sickness{"one: " + status, but(status), others, true},
			sickness{"all: " + status, always(status), nil, false})
	}
	for _, status := range []string{"NO [THROTTLED] slow down", "NO Please try again later", "NO Too many requests"} {
		list = append(list, sickness{"all: " + status, always(status), nil, false})
	}
	body := func(text string) func(string) string {
		return func(line string) string { return line[:strings.Index(line, "BODY[]")] + "BODY[] " + text + ")" }
	}
	list = append(list,
		sickness{"hangs up at one", but(""), others, true},
		sickness{"hangs up at each", always(""), nil, false},
		sickness{"NIL body", altered(body("NIL")), others, true},
		sickness{"empty literal", altered(body("{0}\r\n")), others, true},
		sickness{"empty string", altered(body(`""`)), others, true},
	)
	return list
}

func testSickServer(t *testing.T, caps string, sick *sickness) {
	t.Helper()
	s := startNoisy(t, caps)
	for range 6 {
		s.add("")
	}
	s.decide = sick.decide
	w := noisyWorld(t, s)
	for range 3 {
		w.run(1, "c")
	}
	if got := w.mails(); !slices.Equal(got, sick.arrive) {
		t.Errorf("there are %q, want %q; %s", got, sick.arrive, &w.err)
	}
	if sick.named {
		w.says(&w.err, "message 3", "tried", "hint: to skip this message: mbsync -c rc --skip-failed c:INBOX:far:3\n")
	}
	s.mu.Lock()
	s.decide = nil
	s.mu.Unlock()
	for range 3 { // a message at a time may have been noted
		w.runAny("c")
	}
	w.run(0, "c")
	if got := w.mails(); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6"}) {
		t.Errorf("in the end there are %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "near", ".mbsyncstate.*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestFlagsElsewhere: a server that sends messages without their flags, or with flags
// outside of the parentheses, has told the flags in its listing.
func TestFlagsElsewhere(t *testing.T) {
	for name, form := range map[string]string{
		"none":        "* %d FETCH (UID %d RFC822.SIZE %d BODY[] {%d}\r\n%s)",
		"outside":     "* %d FETCH (UID %d RFC822.SIZE %d BODY[] {%d}\r\n%s) FLAGS (\\Seen)",
		"in a second": "* %d FETCH (UID %d RFC822.SIZE %d BODY[] {%d}\r\n%s)\r\n* 1 FETCH (FLAGS (\\Seen))",
	} {
		t.Run(name, func(t *testing.T) {
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
			for range 3 {
				s.add(`\Seen`)
			}
			s.fetched = func(seq int, m *noisyMessage) string {
				return fmt.Sprintf(form, seq, m.uid, len(m.body), len(m.body), m.body)
			}
			w := noisyWorld(t, s)
			w.run(0, "c")
			if got := w.mails(); !slices.Equal(got, []string{"1S", "2S", "3S"}) {
				t.Errorf("there are %q; %s", got, &w.err)
			}
		})
	}
}

// TestEmptyMessage: a message of size 0 is copied.
func TestEmptyMessage(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	s.add("")
	s.msgs[0].body = ""
	w := noisyWorld(t, s)
	w.run(0, "c")
	if got := w.mails(); len(got) != 1 {
		t.Errorf("there are %q; %s", got, &w.err)
	}
}

// TestNoHammering: a server that refuses to send thousands of messages is not asked
// for each of them.
func TestNoHammering(t *testing.T) {
	for _, status := range []string{"NO [UNAVAILABLE] throttled", "NO Server Unavailable. 15", "OK done", "NO [INUSE] x"} {
		t.Run(status, func(t *testing.T) {
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
			for range 3000 {
				s.add("")
			}
			s.decide = always(status)
			w := noisyWorld(t, s)
			w.run(1, "c")
			if n := s.commands["UID FETCH"]; n > 60 {
				t.Errorf("%d commands", n)
			}
			s.mu.Lock()
			s.decide = nil
			s.mu.Unlock()
			w.runAny("c")
			w.run(0, "c")
			files, _ := os.ReadDir(filepath.Join(w.dir, "near", "new"))
			if len(files) != 3000 {
				t.Errorf("%d messages have arrived", len(files))
			}
		})
	}
}

// runAny runs the program, however it ends.
func (w *world) runAny(args ...string) {
	w.tb.Helper()
	w.out.Reset()
	w.err.Reset()
	Main(w.env, append([]string{"mbsync", "-c", "rc"}, args...))
}
