package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// --check makes a dry run of each channel. Whatever it finds there, an interrupted run
// or another UIDVALIDITY, it changes no file and sends no command that changes a
// mailbox, not even one that takes away \Recent.
func TestCheckChangesNothing(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Rawlog: true})
	hello := func(n int) testkit.Mail {
		return testkit.Mail{Body: fmt.Sprintf("Subject: x\r\nMessage-ID: <%d@x>\r\n\r\nHello\r\n", n)}
	}
	srv.Seed(t, "user", "INBOX", hello(1), hello(2))
	w := checkWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN", srv.Host, srv.Port))
	w.write("secret", testkit.Password+"\n")
	w.write("tree/INBOX/cur/1700000000.mine:2,", "Subject: mine\nMessage-ID: <4@x>\n\nHello\n")
	check := func(what string, args ...string) {
		t.Helper()
		before := w.tree()
		srv.ForgetCommands(t)
		w.run(0, args...)
		w.sameTree(before)
		got := srv.Commands(t, "user")
		for _, c := range got {
			for _, word := range []string{"SELECT", "STORE", "APPEND", "CREATE", "DELETE", "EXPUNGE", "MOVE", "COPY", "SUBSCRIBE", "CLOSE"} {
				if slices.Contains(strings.Fields(c), word) {
					t.Errorf("%s: %q sends %q", what, args, c)
				}
			}
		}
		if len(got) == 0 {
			t.Errorf("%s: the server was not asked", what)
		}
	}
	all := func(what string) {
		t.Helper()
		for _, args := range [][]string{{"--check", "--online", "-C", "all"}, {"--check", "--online", "-C", "-V", "all"}, {"-y", "-V", "-C", "all"}} {
			check(what, args...)
		}
	}
	all("nothing synchronized")
	w.run(0, "-C", "all")
	all("synchronized")
	srv.Seed(t, "user", "INBOX", hello(3))
	if !w.kill(3, "-C", "all") {
		t.Fatal("the run was not interrupted")
	}
	all("interrupted")
	w.write("tree/INBOX/.uidvalidity", "12345\n7\n")
	all("another UIDVALIDITY")
}
