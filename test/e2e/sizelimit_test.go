//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestSizeLimit: the server stores no messages above its size limit. That is reported for the
// message, with the command that gives it up. All others are stored, the run does not wait, and
// ends with an error each time until the message is given up.
func TestSizeLimit(t *testing.T) {
	s := setup{modern: true, channel: "Create Near\nExpunge Both"}
	s.server.Extra = `
mail_plugins = quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
  quota_max_mail_size = 100k
}
`
	w := newWorld(t, s)
	w.sync(ours())
	small := []letter{note(1, 300), note(3, 300)}
	w.deliver("INBOX", small[0])
	w.deliver("INBOX", note(2, 200_000))
	w.deliver("INBOX", small[1])
	for range 2 {
		begin := time.Now()
		r := w.run(ours(), "-a")
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("the run took %v", took)
		}
		if r.code != 1 || !strings.Contains(r.stderr, "LIMIT") || !strings.Contains(r.stderr, "--skip-failed") {
			t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		if n := len(w.far("INBOX")); n != len(small) {
			t.Errorf("%d messages on the server", n)
		}
	}
	if n := len(w.near("INBOX")); n != 3 {
		t.Errorf("%d messages in the Maildir", n)
	}
}
