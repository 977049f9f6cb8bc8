package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// TestCheckHeldDeletions: --check tells, with the commands, which deletions a run would not
// propagate. If a server is not asked, it tells what the last run has not propagated.
func TestCheckHeldDeletions(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	var mails []testkit.Mail
	for i := range 6 {
		mails = append(mails, testkit.Mail{Body: fmt.Sprintf("Subject: x\r\nMessage-ID: <%d@x>\r\n\r\nHello\r\n", i)})
	}
	for _, box := range []string{"INBOX", "Work list", "Junk"} {
		srv.Seed(t, "user", box, mails...)
	}
	w := checkWorld(t, fmt.Sprintf("MaxDelete 3\nCreate Both\n\nIMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN", srv.Host, srv.Port))
	w.write("secret", testkit.Password+"\n")
	w.run(0, "all")
	w.run(0, "--check", "--online", "all")

	const (
		problem = "6 of 6 message(s) would be deleted on the far side"
		allow   = "--allow-deletions 'all:Work list'"
		restore = "--restore-deleted 'all:Work list'"
	)
	says := func(code int, texts []string, but []string, args ...string) {
		t.Helper()
		before := w.tree()
		w.run(code, args...)
		w.sameTree(before)
		out := strings.Join(strings.Fields(w.out.String()), " ") // without line breaks
		for _, s := range texts {
			if !strings.Contains(out, s) {
				t.Errorf("%q: no %q in\n%s", args, s, out)
			}
		}
		for _, s := range but {
			if strings.Contains(out, s) {
				t.Errorf("%q: %q in\n%s", args, s, out)
			}
		}
	}
	for _, box := range []string{"Work list", "Junk"} {
		names, err := filepath.Glob(filepath.Join(w.dir, "tree", box, "*", "*"))
		if err != nil || len(names) != 6 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	offline := []string{"mailbox 'Work list': the last run would have deleted more messages on the far side than MaxDelete allows", allow, restore}
	online := []string{"mailbox 'Work list': " + problem, "FAIL ", allow, restore}
	junk := []string{"all:Junk", "'Junk': the last run"}
	// Before a run has noticed it, and after that.
	says(0, nil, offline, "--check", "all")
	says(1, online, junk, "--check", "--online", "all")
	says(1, online, junk, "--check", "--online", "-V", "all")
	w.run(1, "all")
	says(0, offline, append(junk, "FAIL"), "--check", "all")
	says(1, online, append(junk, offline[0]), "--check", "--online", "all")
	says(1, append(online, "1 failing"), junk, "--check", "--online")

	w.run(0, "--restore-deleted", "all")
	says(0, nil, offline, "--check", "all")
	says(0, nil, online, "--check", "--online", "all")
}
