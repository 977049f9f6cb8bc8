package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRetriesCutOff: one run synchronizes a mailbox over connections that are cut off again
// and again, and copies each message once. The same within the listing only works if the
// server has mod-sequences.
func TestRetriesCutOff(t *testing.T) {
	for _, tt := range []struct {
		name    string
		n       int
		most    int64
		disable string
		words   int // in a message
	}{
		{"QRESYNC", 400, 20_000, "", 60},
		{"neither", 400, 25_000, "QRESYNC CONDSTORE", 10},
		{"the listing", 600, 8_000, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			testRetriesCutOff(t, tt.n, tt.words, tt.most, tt.disable)
		})
	}
}

// TestSweepRetriesCutOff is that for 5,000 messages, cut off every 200 kB.
func TestSweepRetriesCutOff(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	for _, disable := range []string{"", "QRESYNC", "QRESYNC CONDSTORE"} {
		for _, words := range []int{10, 120, 1000} {
			t.Run(disable, func(t *testing.T) { testRetriesCutOff(t, 5000, words, 200_000, disable) })
		}
	}
}

func testRetriesCutOff(t *testing.T, n, words int, most int64, disable string) {
	t.Helper()
	w := newCutWorld(t, n, words, most, disable, "Retries 4", "RetryMax 0")
	ok := w.once()
	for s, k := range w.near() {
		if k != 1 {
			t.Errorf("%s is there %d times", s, k)
		}
	}
	if got := len(w.near()); !ok || got != n {
		t.Errorf("%d messages after one run\n%s%s", got, &w.out, &w.err)
	}
	if far := w.far(t, "all"); far != n {
		t.Errorf("%d messages on the server", far)
	}
	if text := w.err.String(); strings.Contains(text, "error") || strings.Contains(text, "notice") {
		t.Errorf("it says: %s", text)
	}
	if want := fmt.Sprintf("pulled %d new message(s)", n); !strings.Contains(w.out.String(), want) {
		t.Errorf("not %q: %s", want, &w.out)
	}
	if !w.once() || len(w.near()) != n {
		t.Errorf("another run changes something: %s", &w.err)
	}
}

// retryingWorld is a noisyWorld that tries again, without waiting.
func retryingWorld(t *testing.T, s *noisyServer) *world {
	t.Helper()
	w := noisyWorld(t, s)
	w.write("rc", strings.Replace(w.read("rc"), "Retries 0", "Retries 4\nRetryMax 0\nTimeout 1", 1))
	return w
}

// reported counts the errors about message 3, and other errors.
func (w *world) reported() (three, others int) {
	for line := range strings.Lines(w.err.String()) {
		switch {
		case !strings.Contains(line, "error: "):
		case strings.Contains(line, "message 3: "):
			three++
		default:
			others++
		}
	}
	return three, others
}

// TestRetriesSickServer: if a server does not send a message, in whichever way, one run
// brings all others, and reports it once. The message is pending, and comes when the
// server has recovered.
func TestRetriesSickServer(t *testing.T) {
	list := sicknesses()
	others := []string{"1", "2", "4", "5", "6"}
	swallow := altered(func(line string) string {
		return strings.Replace(line, "BODY[] {", "BODY[] {9", 1) // a longer literal than there is
	})
	list = append(list,
		sickness{"stalls at one", func(cmd string, out []string) ([]string, string) {
			if out, status := but("")(cmd, out); status != "" {
				return out, status
			}
			time.Sleep(1500 * time.Millisecond)
			return nil, ""
		}, others, true},
		sickness{"BYE at one", func(cmd string, out []string) ([]string, string) {
			out, status := but("")(cmd, out)
			if status == "" {
				out = append(slices.Clone(out), "* BYE Internal error")
			}
			return out, status
		}, others, true},
		sickness{"a longer literal", swallow, others, true},
	)
	for _, sick := range list {
		t.Run(sick.name, func(t *testing.T) {
			t.Parallel()
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC")
			for range 6 {
				s.add("")
			}
			s.decide = sick.decide
			w := retryingWorld(t, s)
			w.run(1, "c")
			if got := w.mails(); !slices.Equal(got, sick.arrive) {
				t.Errorf("there are %q, want %q", got, sick.arrive)
			}
			three, rest := w.reported()
			if sick.named && (three != 1 || rest != 0) || !sick.named && three+rest == 0 {
				t.Errorf("message 3 is reported %d times, and other errors %d times", three, rest)
			}
			if t.Failed() {
				t.Logf("%s%s", &w.out, &w.err)
			}
			s.mu.Lock()
			s.decide = nil
			s.mu.Unlock()
			w.run(0, "c")
			if got := w.mails(); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6"}) {
				t.Errorf("in the end there are %q", got)
			}
		})
	}
}

// TestRetriesSickStorage is that for a server that does not store a message.
func TestRetriesSickStorage(t *testing.T) {
	for _, caps := range []string{"IMAP4rev1 UIDPLUS LITERAL+", "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC"} {
		for _, sick := range storageSicknesses() {
			t.Run(sick.name, func(t *testing.T) {
				t.Parallel()
				s := startNoisy(t, caps)
				w := retryingWorld(t, s)
				sick.begin(w, s)
				w.runAny("c")
				if got, want := s.far(), sick.arrive(); !slices.Equal(got, want) {
					t.Errorf("stored are %q, want %q", got, want)
				}
				if three, rest := w.reported(); !sick.keep && sick.only && (three != 1 || rest != 0) {
					t.Errorf("message 3 is reported %d times, and other errors %d times", three, rest)
				}
				if t.Failed() {
					t.Logf("%s%s", &w.out, &w.err)
				}
				s.mu.Lock()
				s.accept = func(string) (bool, string) { return true, "OK done" }
				s.mu.Unlock()
				w.runAny("c")
				w.run(0, "c")
				if got, all := s.far(), []string{"1", "2", "3", "4", "5", "6"}; !slices.Equal(got, all) {
					t.Errorf("in the end %q are stored", got)
				}
			})
		}
	}
}
