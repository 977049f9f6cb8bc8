package cli

import (
	"slices"
	"strings"
	"testing"
)

// TestNoValidity: a mailbox whose UIDVALIDITY the server does not tell, or tells as 0, is
// synchronized, with a warning. When the server begins to tell one, that is a change, and
// the messages are compared: those that are the same are paired again.
func TestNoValidity(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"absent": func(line string) string {
			if strings.Contains(line, "[UIDVALIDITY") {
				return ""
			}
			return line
		},
		"0": func(line string) string { return strings.Replace(line, "UIDVALIDITY 7", "UIDVALIDITY 0", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC")
			for range 3 {
				s.add("")
			}
			s.spoil = spoil
			w := noisyWorld(t, s)
			w.run(0, "c")
			w.says(&w.err, "does not report the UIDVALIDITY of mailbox 'INBOX'")
			s.add("")
			s.flag(2, `\Seen`)
			for range 2 {
				w.run(0, "c")
				if got := w.mails(); !slices.Equal(got, []string{"1", "2S", "3", "4"}) {
					t.Errorf("there are %q; %s", got, &w.err)
				}
			}
			if len(s.touched) > 0 {
				t.Errorf("the server was told %q", s.touched)
			}
			s.mu.Lock()
			s.spoil = nil
			s.mu.Unlock()
			for i := range 2 {
				w.run(0, "c")
				if i == 0 {
					w.says(&w.err, "UIDVALIDITY has changed on the far side (0 -> 7); the messages were compared: 4 are the same")
				}
				if got := w.mails(); !slices.Equal(got, []string{"1", "2S", "3", "4"}) {
					t.Errorf("there are %q; %s", got, &w.err)
				}
			}
			if len(s.touched) > 0 {
				t.Errorf("the server was told %q", s.touched)
			}
		})
	}
}
