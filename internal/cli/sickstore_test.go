package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// far returns the subjects of the messages on the server.
func (s *noisyServer) far() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.msgs {
		_, rest, _ := strings.Cut(m.body, "Subject: ")
		subject, _, _ := strings.Cut(rest, "\r\n")
		out = append(out, subject)
	}
	slices.Sort(out)
	return out
}

// TestSickStorage: a message that a server does not store, in whichever way, is not
// given up, and does not keep the others from being stored. In each run there is
// an error. When the server has recovered, each message is stored exactly once.
func TestSickStorage(t *testing.T) {
	for _, caps := range []string{"IMAP4rev1 UIDPLUS LITERAL+", "IMAP4rev1 LITERAL+", "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC"} {
		for _, sick := range storageSicknesses() {
			t.Run(sick.name, func(t *testing.T) {
				t.Parallel()
				testSickStorage(t, caps, &sick)
			})
		}
	}
}

// storageSickness is a way in which a server does not store messages.
type storageSickness struct {
	name   string
	only   bool // concerns message 3 only
	keep   bool
	status string
}

// accept is noisyServer.accept.
func (sick *storageSickness) accept(body string) (bool, string) {
	if sick.only && !strings.Contains(body, "Subject: 3\r\n") {
		return true, "OK done"
	}
	return sick.keep, sick.status
}

// arrive are the messages that such a server stores.
func (sick *storageSickness) arrive() []string {
	switch {
	case sick.keep:
		return []string{"1", "2", "3", "4", "5", "6"}
	case !sick.only:
		return nil
	}
	return []string{"1", "2", "4", "5", "6"}
}

func storageSicknesses() (list []storageSickness) {
	for _, status := range []string{
		"", "NO [SERVERBUG] Internal error occurred", "NO System I/O error", "BAD Command Error. 10", "NO Server Unavailable. 15", "OK done",
	} {
		list = append(list, storageSickness{"one: " + status, true, false, status}, storageSickness{"all: " + status, false, false, status})
	}
	return append(list, storageSickness{"one is kept: ", true, true, ""})
}

// begin synchronizes empty mailboxes, and adds six messages on the near side. From then on
// the server does not store all of them.
func (sick *storageSickness) begin(w *world, s *noisyServer) {
	w.run(0, "c")
	for i := 1; i <= 6; i++ {
		w.write(fmt.Sprintf("near/new/%d.host", i), fmt.Sprintf("Subject: %d\nMessage-ID: <%d@x>\n\nthe text of %d\n", i, i, i))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept = sick.accept
}

func testSickStorage(t *testing.T, caps string, sick *storageSickness) {
	t.Helper()
	s := startNoisy(t, caps)
	w := noisyWorld(t, s)
	sick.begin(w, s)
	for range 3 {
		w.runAny("c")
	}
	if got, want := s.far(), sick.arrive(); !slices.Equal(got, want) {
		t.Errorf("stored are %q, want %q; %s", got, want, &w.err)
	}
	if !sick.keep && w.err.Len() == 0 {
		t.Error("the third run reports nothing")
	}
	s.mu.Lock()
	s.accept = func(string) (bool, string) { return true, "OK done" }
	s.mu.Unlock()
	for range 3 {
		w.runAny("c")
	}
	w.run(0, "c")
	all := []string{"1", "2", "3", "4", "5", "6"}
	if got := s.far(); !slices.Equal(got, all) {
		t.Errorf("in the end %q are stored; %s%s", got, &w.out, &w.err)
	}
	if got := w.mails(); !slices.Equal(got, all) {
		t.Errorf("in the end there are %q at home", got)
	}
	// Notes of temporary ids may stay: the server might still store something.
	left, _ := filepath.Glob(filepath.Join(w.dir, "near", ".mbsyncstate.*"))
	for _, name := range left {
		if data, _ := os.ReadFile(name); !strings.HasSuffix(name, ".isync") || strings.Contains(string(data), "held") {
			t.Errorf("left: %s: %s", name, data)
		}
	}
}
