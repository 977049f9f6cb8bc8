package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Tunnel returns a shell command that serves one IMAP session on its standard input and output.
// The user is already logged in (PREAUTH).
func (d *Dovecot) Tunnel(tb testing.TB, user string) string {
	tb.Helper()
	for _, dir := range []string{"/usr/lib/dovecot", "/usr/libexec/dovecot", "/usr/local/libexec/dovecot"} {
		program := filepath.Join(dir, "imap")
		if _, err := os.Stat(program); err != nil {
			continue
		}
		as := ""
		if os.Geteuid() == 0 {
			as = fmt.Sprintf("%s --reuid %d --regid %d --clear-groups ", FindProgram(tb, "setpriv", "util-linux"), d.mail.uid, d.mail.gid)
		}
		return fmt.Sprintf("cd / && exec env USER='%s' HOME='%s' %s%s -c '%s' -o log_path='%s'",
			user, d.Home(user), as, program, d.path("dovecot.conf"), filepath.Join(d.path("login"), "tunnel.log"))
	}
	return FindProgram(tb, "the imap program of dovecot", "dovecot-imapd") // the package does not have it: this skips or fails the test
}
