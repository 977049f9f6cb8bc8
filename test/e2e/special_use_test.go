//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"isync/internal/testkit"
)

// createFor creates a mailbox for a special use (RFC 6154).
func (w *homeWorld) createFor(box string, use imap.MailboxAttr) {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	if err := c.Create(w.remote(box), &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{use}}).Wait(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

// TestSpecialUse: MaxDelete does not apply to a mailbox of any name that the server uses for
// trash or junk mail, whichever way the mailbox was selected, but to all others.
func TestSpecialUse(t *testing.T) {
	const n = 120
	dovecot := setup{modern: true, channel: "Expunge Both", server: testkit.DovecotConfig{Extra: `
		namespace inbox {
			mailbox Werbung {
				special_use = \Junk
			}
			mailbox "Papier*korb" {
				special_use = \Trash
			}
			mailbox Ablage {
				special_use = \Archive
			}
			mailbox INBOX {
				special_use = \Trash
			}
		}`}}
	cyrus := setup{modern: true, channel: "Expunge Both", other: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartCyrus(tb, testkit.CyrusConfig{Modern: true})
	}}
	const all = "\nPatterns *\nCreate Both"
	for _, tt := range []struct {
		name, box string
		s         setup
		use       imap.MailboxAttr // for a server that is not configured
		lines     string           // of the channel
		disable   string
		args      []string
		held      bool
	}{
		{name: "all", s: dovecot, box: "Werbung", lines: all, args: []string{"-a"}},
		{name: "wildcard", s: dovecot, box: "Papier*korb", lines: all, args: []string{"-a"}},
		{name: "named", s: dovecot, box: "Werbung", lines: all, args: []string{"c:Werbung"}},
		{name: "no Patterns", s: dovecot, box: "Werbung", lines: "\nFar :far:Werbung\nNear :near:other\nCreate Both", args: []string{"c"}},
		{name: "without SPECIAL-USE", s: dovecot, box: "Werbung", lines: all, disable: "SPECIAL-USE LIST-STATUS", args: []string{"-a"}},
		{name: "archive", s: dovecot, box: "Ablage", lines: all, args: []string{"-a"}, held: true},
		{name: "other", s: dovecot, box: "Ham", lines: all, args: []string{"-a"}, held: true},
		{name: "inbox", s: dovecot, box: "INBOX", lines: all, args: []string{"-a"}, held: true},
		{name: "cyrus", s: cyrus, box: "Werbung", use: imap.MailboxAttrJunk, lines: all, args: []string{"-a"}},
		{name: "cyrus, other", s: cyrus, box: "Werbung", use: imap.MailboxAttrArchive, lines: all, args: []string{"-a"}, held: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.disable != "" {
				tt.s.account = "DisableExtensions " + tt.disable
			}
			tt.s.channel += tt.lines
			w := newWorld(t, tt.s)
			if strings.Contains(tt.lines, "Far ") {
				w.configure(strings.Replace(w.config(), "Far :far:\nNear :near:\n", "", 1))
			}
			if tt.use != "" {
				w.createFor(tt.box, tt.use)
			}
			w.sendAll(map[string][]letter{tt.box: letters(n)})
			w.does(tt.args...)
			uids := make([]uint32, n)
			for i := range uids {
				uids[i] = uint32(i + 1)
			}
			w.farRemove(tt.box, uids...)
			near := tt.box
			if tt.name == "no Patterns" {
				near = "other"
			}
			r := w.run(ours(), append([]string{"-y"}, tt.args...)...)
			if held := strings.Contains(r.stderr, "120 of 120 message(s) would be deleted"); held != tt.held {
				t.Errorf("dry run: held %v\n%s%s", held, r.stdout, r.stderr)
			}
			r = w.run(ours(), tt.args...)
			code, left := 0, 0
			if tt.held {
				code, left = 1, n
			}
			if r.code != code || len(w.near(near)) != left {
				t.Errorf("exit code %d, want %d; %d messages are left, want %d\n%s%s", r.code, code, len(w.near(near)), left, r.stdout, r.stderr)
			}
		})
	}
}
