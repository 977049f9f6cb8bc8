package cli

import (
	"strings"
	"testing"
)

// TestTalkativeServer: of what a server has to tell the user without end, not all is shown.
func TestTalkativeServer(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	s.add("")
	s.decide = func(cmd string, out []string) ([]string, string) {
		if strings.HasPrefix(cmd, "SELECT") {
			for range maxTold {
				out = append(out, "* OK [ALERT] full", "* NO full")
			}
		}
		return out, "OK done"
	}
	w := noisyWorld(t, s)
	w.run(0, "c")
	w.says(&w.err, "alert from the server: full", "message from the server: full", "the others are not shown")
	if n := strings.Count(w.err.String(), "full"); n != maxTold {
		t.Errorf("%d were shown", n)
	}
}
