//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"isync/internal/testkit"
)

// TestLiterals pushes messages to servers that want to be asked before they
// are sent a literal (RFC 3501 §4.3), or a long one (RFC 7888 §5).
func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		name       string
		capability string
		waits      func(size int) bool
	}{
		{"none", "IMAP4rev1 UIDPLUS NAMESPACE", func(int) bool { return true }},
		{"LITERAL-", "IMAP4rev1 UIDPLUS NAMESPACE LITERAL-", func(size int) bool { return size > 4096 }},
		{"LITERAL+", "IMAP4rev1 UIDPLUS NAMESPACE LITERAL+", func(int) bool { return false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{
				// The server says it before and after the login.
				server:  testkit.DovecotConfig{Capability: c.capability, Extra: "service imap-login {\n}\n"},
				channel: "Expunge Both",
			})
			var letters []letter
			for i, size := range []int{0, 100, 3700, 4500, 20_000, 300_000, 2_000_000, 10} {
				letters = append(letters, note(i, size))
			}
			w.deliver("INBOX", letters...)
			w.server.ForgetCommands(t)
			w.sync(ours())
			seen := 0
			w.server.Commands(t, w.user) // waits for the end of the session
			for _, m := range literals(t, w) {
				seen++
				if m.waits != c.waits(m.size) {
					t.Errorf("literal of %d bytes: waits %t", m.size, m.waits)
				}
			}
			if seen != len(letters) {
				t.Errorf("%d literals for %d messages", seen, len(letters))
			}
			w.agree("INBOX", letters)
			w.idle(ours(), "INBOX")
			w.idle(theirs(t), "INBOX")
		})
	}
}

// literal is what a client announced before it sent a message.
type literal struct {
	size  int
	waits bool
}

var appendMark = regexp.MustCompile(`(?m)^[^\r\n]*APPEND [^\r\n]*\{(\d+)(\+?)\}\r?$`)

// literals returns the literals of all APPENDs of the user.
func literals(tb testing.TB, w *homeWorld) []literal {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(w.server.Dir(), "rawlog", w.user, "*.in"))
	if err != nil {
		tb.Fatal(err)
	}
	var out []literal
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range appendMark.FindAllSubmatch(data, -1) {
			n, err := strconv.Atoi(string(m[1]))
			if err != nil {
				tb.Fatal(err)
			}
			out = append(out, literal{n, len(m[2]) == 0})
		}
	}
	return out
}
