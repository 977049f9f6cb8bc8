//go:build linux

package setup

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"isync/internal/testkit"
	"isync/internal/testkit/openid"
)

const (
	defaultFile = ".config/isyncrc"
	secretFile  = ".local/state/isync/passwords/user"
)

// common are the questions of each dialogue after the login, with the answers by default.
var common = []string{
	"Directory for the mail [~/Mail/example]", "", "Mailboxes [*]", "", "Messages of each mailbox [all]", "",
	"Propagate deletions [no]", "", "Write it", "", "Synchronize now [yes]", "",
}

// questions are all questions of a dialogue with the defaults.
func (w *world) questions() []string {
	return slices.Concat([]string{
		fmt.Sprintf("Server [mail.example.org:%d]", w.server.TLSPort), "", "User name [user]", "",
		"Name of the channel [example]", "", "Store it in", "file", "Password of user", testkit.Password,
	}, common)
}

// found makes a world whose domain tells of its server.
func found(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.autoconfig("mail.example.org", w.server.TLSPort, "SSL")
	return w
}

// From a mail address to mail on disk, with everything by default. What is written is for the
// user only.
func TestPassword(t *testing.T) {
	t.Parallel()
	w := found(t)
	old := syscall.Umask(0) // children inherit it
	s := w.start("--setup", "user@example.org")
	syscall.Umask(old)
	s.answers(w.questions()...)
	s.want(0, "Found by: autoconfig, https://autoconfig.example.org/", "was written", "pulled 3 new message(s)")
	if w.mails("Mail/example/INBOX") != 2 || w.mails("Mail/example/Archive") != 1 {
		t.Errorf("%q", w.tree())
	}
	if got := w.read(secretFile); got != testkit.Password+"\n" {
		t.Errorf("the file has %q", got)
	}
	if strings.Contains(w.read(defaultFile), testkit.Password) {
		t.Error("the password is in the configuration")
	}
	for _, line := range w.tree() {
		if m := regexp.MustCompile(`[r-][w-][x-]([r-][w-][x-]){2}$`).FindString(line); !strings.HasSuffix(m, "------") {
			t.Errorf("others may use %s", line)
		}
	}
	// The account is there for every run.
	if out := w.script(0, "-a"); !strings.Contains(out, "Processed 2 box(es) in 1 channel(s)") {
		t.Error(out)
	}
	if out := w.script(0, "--check", "--online"); strings.Contains(out, "error") {
		t.Error(out)
	}
}

// Ctrl-C, the end of the input and SIGTERM at each question: nothing is written, and the
// terminal is as it was.
func TestEndedAtEachQuestion(t *testing.T) {
	t.Parallel()
	w := found(t)
	before := w.tree()
	all := w.questions()
	written := slices.IndexFunc(all, func(q string) bool { return strings.HasPrefix(q, "Synchronize") })
	all = append([]string{"Mail address", "user@example.org"}, all[:written]...)
	for n := 0; n < len(all); n += 2 {
		ways := []struct {
			name string
			end  func(s *session)
			code int
		}{
			{"Ctrl-C", func(s *session) { s.send("half\x03") }, 128 + 2},
			{"Ctrl-D", func(s *session) { s.send("\x04") }, 1},
			{"SIGTERM", func(s *session) { _ = s.cmd.Process.Signal(syscall.SIGTERM) }, 128 + 15},
		}
		for i, how := range ways {
			if os.Getenv("ISYNC_SWEEP") == "" && i > 0 && i != 1+n/2%2 {
				continue // the next question gets it
			}
			s := w.start("--setup")
			s.answers(all[:n]...)
			s.await(all[n])
			how.end(s)
			s.want(how.code, "nothing was written")
			if !echoes(t, s.terminal) {
				t.Errorf("%s at %q: the terminal does not show what is typed", how.name, all[n])
			}
			if after := w.tree(); !slices.Equal(before, after) {
				t.Fatalf("%s at %q: left behind %q", how.name, all[n], after)
			}
		}
	}
}

// Ctrl-C after the configuration was written keeps it.
func TestEndedAfterWriting(t *testing.T) {
	t.Parallel()
	w := found(t)
	s := w.start("--setup", "user@example.org")
	all := w.questions()
	s.answers(all[:len(all)-2]...)
	s.await("Synchronize now")
	s.send("\x03")
	s.want(130, "was written", "The account is set up. To synchronize: mbsync example")
	if strings.Contains(s.String(), "nothing was written") || !strings.Contains(w.read(defaultFile), "Channel example\n") {
		t.Error(s)
	}
}

// No is an answer, too.
func TestDeclined(t *testing.T) {
	t.Parallel()
	w := found(t)
	before := w.tree()
	s := w.start("--setup", "user@example.org")
	all := w.questions()
	s.answers(all[:len(all)-4]...)
	s.answer("Write it", "n")
	s.want(1, "nothing was written")
	if after := w.tree(); !slices.Equal(before, after) {
		t.Errorf("%q", after)
	}
}

// A server that DNS names and that is elsewhere is not chosen by Enter.
func TestForeignSRV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(fmt.Sprintf("_imaps._tcp.example.net. 60 IN SRV 1 1 %d mail.example.org.", w.server.TLSPort))
	s := w.start("--setup", "user@example.net")
	s.answer("Server: ", "")
	s.answers("Server: ", fmt.Sprintf("mail.example.org:%d", w.server.TLSPort), "User name [user@example.net]", "user",
		"Name of the channel [example]", "", "Store it in", "ask", "Password of user", testkit.Password)
	s.answers(common[:len(common)-2]...)
	s.answer("Synchronize now", "no")
	s.want(0, "This name comes from DNS, and is not in the domain example.net", "SRV record, _imaps._tcp.example.net")
	for _, q := range w.queries {
		if strings.Contains(q, "user") {
			t.Errorf("the user name was sent: %s", q)
		}
	}
	if text := w.read(defaultFile); strings.Contains(text, "PassCmd") || !strings.Contains(text, "User user\n") {
		t.Error(text)
	}
}

// A server within the domain is.
func TestSRV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(fmt.Sprintf("_imap._tcp.example.org. 60 IN SRV 1 1 %d mail.example.org.", w.server.Port))
	s := w.start("--setup", "user@example.org")
	s.answers(fmt.Sprintf("Server [imap://mail.example.org:%d]", w.server.Port), "", "User name", "user",
		"Name of the channel", "", "Store it in", "command", "Command", "cat ~/secret")
	// The command fails; then it works.
	s.await("Try again with another password")
	w.write("secret", testkit.Password+"\n")
	s.send("p\r")
	s.answers("Store it in", "command", "Command", "cat ~/secret")
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	if text := w.read(defaultFile); !strings.Contains(text, "TLSType STARTTLS\n") || !strings.Contains(text, `PassCmd "cat ~/secret"`) {
		t.Error(text)
	}
}

// Nobody knows the server: the user does, after some mistakes.
func TestNothingFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.start("--setup", "user@example.org")
	s.answers("Server [imap.example.org:993]", "pop://x", "Server", "mail.example.org:x", "Server", fmt.Sprintf("mail.example.org:%d", w.server.TLSPort),
		"User name", "user", "Name of the channel", "a:b", "Name of the channel", "work", "Store it in", "fil",
		"Password of user", "wrong",
		"Try again with another password", "password", "Password of user", testkit.Password,
		"Directory for the mail [~/Mail/work]", "relative", "Directory for the mail", "~/else/where/", "Mailboxes", "Nothing", "Mailboxes", "INBOX",
		"Messages of each mailbox", "some", "Messages of each mailbox", "1",
		"Propagate deletions", "maybe", "Propagate deletions", "messages", "Write it", "", "Synchronize now", "")
	s.want(0, "No server was found:", "SRV record, example.org: no server found", "AUTHENTICATIONFAILED", "write an absolute path", "no mailbox of the server matches", "pulled 1 new message(s)")
	for _, line := range []string{"Path ~/else/where/", "Patterns INBOX", "Expunge Both", "Remove None", "MaxMessages 1", "ExpireUnread yes"} {
		if !strings.Contains(w.read(defaultFile), line+"\n") {
			t.Errorf("no line %q in\n%s", line, w.read(defaultFile))
		}
	}
	if w.mails("else/where/INBOX") != 1 {
		t.Errorf("%q", w.tree())
	}
}

// The certificate of a server at home is trusted by file.
func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.extra = []string{"SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR=/nonexistent"}
	s := w.start("--setup", "user@example.org")
	s.answers("Server", fmt.Sprintf("127.0.0.1:%d", w.server.TLSPort), "User name", "user", "Name of the channel", "", "Store it in", "",
		"Password of user", testkit.Password, "File with the certificate", "~/none.pem", "File with the certificate", "~/ca.pem")
	s.answers(common...)
	s.want(0, fmt.Sprintf("mbsync --get-cert 127.0.0.1:%d > FILE", w.server.TLSPort), "cannot read CertificateFile", "pulled 3 new message(s)")
	if !strings.Contains(w.read(defaultFile), "CertificateFile ~/ca.pem\n") {
		t.Error(w.read(defaultFile))
	}
}

// existing is a configuration as users have them.
const existing = "# My mail\nSyncState ~/states/x-\nExpunge Both\nMaxMessages 5\n\nIMAPStore work-far\nHost imap.example.com\nUser me\nPassCmd true\n\n" +
	"MaildirStore work-near\nPath ~/Mail/\nInbox ~/Mail/Inbox\nSubFolders Verbatim\n\nChannel example\nFar :work-far:\nNear :work-near:\nPatterns *\n\n" +
	"Group all\nChannel example\n# the end, without a line end"

// An account is added to a file: what is there stays, names and directories do not collide, the
// defaults of the file do not change what was agreed, and the link stays one.
func TestAppend(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.write("dotfiles/mbsyncrc", existing)
	if err := os.Symlink("dotfiles/mbsyncrc", w.path(".mbsyncrc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.path("Mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	// That of an account that is not in the file any more.
	w.write("states/x-:example2-remote:INBOX_:example2-local:INBOX", "")
	s := w.start("--setup", "user@example.org")
	all := w.questions()
	s.answers(all[:4]...)
	s.answers("Name of the channel [example3]", "example", "Name of the channel [example3]", "example2", "Name of the channel [example3]", "", "Store it in", "file", "Password", testkit.Password,
		"Directory for the mail [~/Mail-example3]", "~/Mail/sub", "Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "",
		"Add it", "", "Synchronize now", "")
	s.want(0, "has this name already", "there is a sync state of an earlier account with this name", "has mail of the MaildirStore 'work-near'", "pulled 3 new message(s)")
	text := w.read("dotfiles/mbsyncrc")
	if !strings.HasPrefix(text, existing+"\n\n# Mail of user@example.org\nIMAPAccount example3\n") {
		t.Error(text)
	}
	for _, line := range []string{"MaxMessages 0", "Expunge None", "Sync All"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if got := w.read("dotfiles/mbsyncrc.bak"); got != existing {
		t.Errorf("the backup has\n%s", got)
	}
	if fi, err := os.Lstat(w.path(".mbsyncrc")); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone", err)
	}
	if slices.ContainsFunc(w.tree(), func(l string) bool { return strings.HasPrefix(l, defaultFile) }) {
		t.Error("there is a second file")
	}
}

// A file with errors, or one that changes during the dialogue, is left alone.
func TestFileLeftAlone(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.write("rc", "IMAPStore x\nHots y\n")
	before := w.tree()
	out := w.script(1, "--setup", "-c", "rc", "user@example.org")
	for _, want := range []string{"rc:2: error:", "nothing was added to the configuration file, because it has errors", "mbsync -c rc --setup user@example.org"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if after := w.tree(); !slices.Equal(before, after) || w.read("rc") != "IMAPStore x\nHots y\n" {
		t.Error("something was changed")
	}
	w.write("rc", existing)
	s := w.start("--setup", "-c", "rc", "user@example.org")
	s.answers(w.questions()[:4]...)
	s.answers("Name", "", "Store it in", "file", "Password", testkit.Password, "Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "")
	s.await("Add it")
	w.write("rc", "# other\n")
	s.send("\r")
	s.want(1, "another program has changed the file in the meantime", "run the same command again", "nothing was written")
	if w.read("rc") != "# other\n" {
		t.Error(w.read("rc"))
	}
	if slices.ContainsFunc(w.tree(), func(l string) bool { return strings.Contains(l, "passwords/user") }) {
		t.Error("the password is left behind")
	}
}

// Without a terminal the answers come from the command line. What is missing is named.
func TestScripted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("secret", testkit.Password+"\n")
	server := fmt.Sprintf("server=mail.example.org:%d", w.server.TLSPort)
	base := []string{"--setup", "user@example.org", "--answer", server, "--answer", "user=user", "--answer", "keep-password=command"}
	before := w.tree()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--setup"}, "hint: write mbsync --setup ADDRESS"},
		{[]string{"--setup", "nobody"}, "this is not a mail address"},
		{[]string{"--setup", "user@example.org"}, "hint: give the answer on the command line: --answer server=[imap://|imaps://]HOST[:PORT]"},
		{base[:6], "a password cannot be given on the command line"},
		{base, "--answer password-command=COMMAND"},
		{append(base, "--answer", "password-command=cat ~/none"), "cannot get the password"},
		{append(base, "--answer", "password-command=cat ~/secret"), "--answer write=yes|no"},
		{append(base, "--answer", "messages=few"), "hint"},
		{append(base, "--answer", "color=red"), "there is no question 'color'; the questions are: server, user"},
		{append(base, "--answer", "password-command=cat ~/secret", "--answer", "deletions=perhaps"), "--answer deletions: please answer no, messages or mailboxes"},
		{append(base, "--answer", "password-command=cat ~/secret", "--answer", "write=no"), "nothing was written"},
	} {
		if out := w.script(1, tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("%q: no %q in\n%s", tt.args, tt.want, out)
		}
		if after := w.tree(); !slices.Equal(before, after) {
			t.Fatalf("%q: %q", tt.args, after)
		}
	}
	out := w.script(0, append(base, "--answer", "password-command=cat ~/secret", "--answer", "write=yes", "--answer", "deletions=mailboxes", "--answer", "mailboxes=* !Archive")...)
	if !strings.Contains(out, "pulled 2 new message(s)") || !strings.Contains(w.read(defaultFile), "Remove Both\n") {
		t.Error(out)
	}
}

// With --offline nobody is asked.
func TestOffline(t *testing.T) {
	t.Parallel()
	w := found(t)
	if err := w.server.Stop(); err != nil {
		t.Fatal(err)
	}
	s := w.start("--setup", "--offline", "user@example.org")
	s.answers("Server [imap.example.org:993]", "mail.example.org", "User name", "", "Name", "", "Store it in", "file", "Password", testkit.Password,
		"Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "", "Write it", "")
	s.want(0, "is not in the table of providers, and with --offline no server is asked", "To synchronize: mbsync example")
	if len(w.queries) > 0 {
		t.Errorf("asked %q", w.queries)
	}
	// A provider of the table needs nobody.
	s = w.start("--setup", "--offline", "-c", "rc", "me@icloud.com")
	s.answers("Server [imap.mail.me.com:993]", "", "User name [me@icloud.com]", "", "Name of the channel [icloud]", "", "Store it in", "ask",
		"Password", "x", "Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "", "Write it", "")
	s.want(0, "For iCloud Mail, create an app password", "https://support.apple.com/en-us/102654")
	if text := w.read("rc"); !strings.Contains(text, "IMAPAccount icloud\nProvider icloud\nUser me@icloud.com\n") {
		t.Error(text)
	}
}

// The keyring keeps the password. A locked keyring does not delay the dialogue.
func TestKeyring(t *testing.T) {
	t.Parallel()
	k := testkit.StartKeyring(t)
	w := found(t)
	w.extra = []string{"DBUS_SESSION_BUS_ADDRESS=" + k.Bus}
	s := w.start("--setup", "user@example.org")
	all := w.questions()
	s.answers(all[:6]...)
	s.answers("Store it in [keyring]", "", "Password of user", testkit.Password)
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	text := w.read(defaultFile)
	if !strings.Contains(text, "UseKeychain yes\n") || strings.Contains(text, "PassCmd") {
		t.Error(text)
	}
	// Another account of the same user needs no password.
	out := w.script(0, "--setup", "user@example.org", "--answer", "write=yes", "--answer", "run=no", "--answer", "keep-password=keyring")
	if !strings.Contains(out, "The keyring contains a password of this user") || !strings.Contains(w.read(defaultFile), "Channel example2\n") {
		t.Error(out)
	}

	// One that is locked, with nobody to unlock it, and one that waits.
	for i, tt := range []struct {
		what func(testing.TB)
		want string
	}{{k.Lock, "failed to unlock"}, {k.Suspend, "it has not answered within 5s; it is probably locked"}} {
		tt.what(t)
		file := fmt.Sprint("rc", i)
		s = w.start("--setup", "-c", file, "user@example.org")
		s.answers(all[:4]...)
		s.answers("Name of the channel", file, "Store it in [keyring]", "", "Store it in [keyring]", "file", "Password of user", testkit.Password)
		s.answers("Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "", "Write it", "", "Synchronize now", "no")
		s.want(0, tt.want, "hint: choose another place")
	}
}

// The password manager pass keeps it, under a name that is free.
func TestPass(t *testing.T) {
	t.Parallel()
	testkit.FindProgram(t, "pass", "pass")
	gpg := testkit.FindProgram(t, "gpg", "gpg")
	w := found(t)
	w.extra = []string{"GNUPGHOME=" + w.path("gnupg")}
	if err := os.Mkdir(w.path("gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env = append(w.command().Env, "GNUPGHOME="+w.path("gnupg"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	t.Cleanup(func() { run("gpgconf", "--kill", "all") })
	run(gpg, "--batch", "--passphrase", "", "--quick-generate-key", "me", "future-default", "default", "never")
	run("pass", "init", "me")
	w.write(".password-store/mail/user.gpg", "of another program")
	s := w.start("--setup", "user@example.org")
	s.answers(w.questions()[:6]...)
	s.answers("Store it in [pass]", "", "Password of user", testkit.Password)
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	if text := w.read(defaultFile); !strings.Contains(text, `PassCmd "pass show mail/user-2"`) {
		t.Error(text)
	}
	if w.read(".password-store/mail/user.gpg") != "of another program" {
		t.Error("an entry was replaced")
	}
}

// The units of systemd are offered if they are installed, and enabled if that is wanted.
func TestService(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.program("systemctl", `case $2 in cat) ;; is-active) test -e ~/active;; *) echo "$@" >>~/units;; esac`)
	s := w.start("--setup", "user@example.org")
	s.answers(w.questions()...)
	s.answer("Enable [no]", "watch")
	s.want(0, "mbsync-watch.service is enabled and started")
	if got := w.read("units"); got != "--user enable --now --no-block mbsync-watch.service\n" {
		t.Errorf("%q", got)
	}
	secret := testkit.Password
	w.write("secret", secret)
	out := w.script(0, "--setup", "user@example.org", "--answer", "keep-password=command", "--answer", "password-command=cat ~/secret",
		"--answer", "write=yes", "--answer", "run=no", "--answer", "service=timer")
	if !strings.Contains(out, "mbsync.timer is enabled and started") {
		t.Error(out)
	}
	// Without an answer nothing is enabled, and another file is not what the units use.
	for _, args := range [][]string{nil, {"-c", "rc"}} {
		out := w.script(0, append([]string{
			"--setup", "user@example.org", "--answer", "keep-password=command", "--answer", "password-command=cat ~/secret",
			"--answer", "write=yes", "--answer", "run=no",
		}, args...)...)
		if strings.Contains(out, "is enabled") {
			t.Error(out)
		}
	}
	// A watcher that runs is told of the account by the user.
	w.write("active", "")
	out = w.script(0, "--setup", "user@example.org", "--answer", "keep-password=command", "--answer", "password-command=cat ~/secret",
		"--answer", "write=yes", "--answer", "run=no", "--answer", "service=watch")
	if !strings.Contains(out, "systemctl --user reload mbsync-watch.service") {
		t.Error(out)
	}
	if n := strings.Count(w.read("units"), "\n"); n != 2 {
		t.Errorf("%d units", n)
	}
}

// Ctrl-C while a server is asked ends the dialogue, too.
func TestInterruptedLogin(t *testing.T) {
	t.Parallel()
	w := found(t)
	before := w.tree()
	s := w.start("--setup", "user@example.org")
	all := w.questions()
	s.answers(all[:8]...)
	s.await("Password of user")
	resume := w.server.Suspend(t)
	s.send(testkit.Password + "\r")
	s.awaitText("Logging in to mail.example.org ...")
	s.send("\x03")
	s.want(130, "nothing was written")
	resume()
	if after := w.tree(); !slices.Equal(before, after) {
		t.Errorf("%q", after)
	}
}

// Mailboxes that show messages of others are left out by default, as those of Gmail.
func TestVirtualMailboxes(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, "namespace inbox {\n mailbox Everything {\n special_use = \\All\n auto = create\n }\n}\n")
	w.autoconfig("mail.example.org", w.server.TLSPort, "SSL")
	s := w.start("--setup", "user@example.org")
	s.answers(w.questions()[:10]...)
	s.answers("Directory", "", "Mailboxes [* !Everything]", "", "Messages", "", "Propagate", "", "Write it", "", "Synchronize now", "")
	s.want(0, "Everything  (shows messages of other mailboxes)", "Selected: 2 of 3 mailboxes", "Processed 2 box(es)")
}

// The new channel means the same in a file whose other parts are elsewhere.
func TestAppendToIncludes(t *testing.T) {
	t.Parallel()
	w := found(t)
	w.write("conf/work", strings.ReplaceAll(existing[strings.Index(existing, "IMAPStore"):], "~/Mail", "~/Work"))
	w.write("rc", "MaxMessages 5\n\nInclude conf/*\n")
	s := w.start("--setup", "-c", "rc", "user@example.org")
	s.answers(w.questions()[:4]...)
	s.answers("Name of the channel [example2]", "", "Store it in", "ask", "Password", testkit.Password)
	s.answers("Directory", "", "Mailboxes", "", "Messages", "", "Propagate", "", "Add it", "", "Synchronize now", "no")
	s.want(0, "rc was written")
	if text := w.read("rc"); !strings.HasPrefix(text, "MaxMessages 5\n\nInclude conf/*\n\n# Mail of") || !strings.Contains(text, "MaxMessages 0\n") {
		t.Error(text)
	}
}

// tokens makes a world whose server takes tokens of an OpenID provider, and whose desktop has a
// browser in which somebody consents.
func tokens(t *testing.T) (*world, *openid.Provider) {
	t.Helper()
	idp := openid.Start(t, openid.Config{ClientSecret: "cl13nt s3cr3t"})
	w := newWorldOf(t, testkit.DovecotConfig{OAuth: idp.OAuth()})
	desktop := idp.Browser().Desktop(t)
	w.extra = []string{"DISPLAY=:99", "PATH=" + desktop.Path + ":" + w.path("bin") + ":" + os.Getenv("PATH")}
	w.autoconfig("mail.example.org", w.server.TLSPort, "SSL")
	page := w.pages["autoconfig.example.org/mail/config-v1.1.xml"]
	w.pages["autoconfig.example.org/mail/config-v1.1.xml"] = strings.Replace(page, "<authentication>", "<authentication>OAuth2</authentication><authentication>", 1)
	return w, idp
}

// consenting are the questions before the consent.
func (w *world) consenting(idp *openid.Provider) []string {
	return []string{
		fmt.Sprintf("Server [mail.example.org:%d]", w.server.TLSPort), "", "User name [user]", "", "Name of the channel [example]", "",
		"Log in with [password]", "oauth", "OAuth issuer", idp.Issuer, "OAuth scopes", "openid offline_access mail",
		"OAuth client ID", openid.ClientID, "OAuth client secret", "cl13nt s3cr3t",
	}
}

// From a mail address to mail on disk with OAuth. No secret is shown or written where it does
// not belong.
func TestOAuth(t *testing.T) {
	t.Parallel()
	w, idp := tokens(t)
	s := w.start("--setup", "user@example.org")
	s.answers(w.consenting(idp)...)
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	for _, secret := range append(idp.Secrets(), "cl13nt") {
		for what, text := range map[string]string{"the screen": s.String(), "the configuration": w.read(defaultFile)} {
			if secret != "" && strings.Contains(text, secret) && !strings.Contains(text, "code_challenge") {
				t.Errorf("%q is on %s:\n%s", secret, what, text)
			}
		}
	}
	for _, line := range w.tree() {
		if !strings.HasSuffix(line, "------") {
			t.Errorf("others may use %s", line)
		}
	}
	if out := w.script(0, "-a"); !strings.Contains(out, "Processed 2 box(es)") {
		t.Error(out)
	}
	// The name of an account with a token is not used again, even if the file is gone.
	if err := os.Remove(w.path(defaultFile)); err != nil {
		t.Fatal(err)
	}
	s = w.start("--setup", "user@example.org")
	s.answers(w.consenting(idp)[:4]...)
	s.await("Name of the channel [example2]")
}

// Whoever ends the dialogue after the consent leaves no token behind.
func TestOAuthEnded(t *testing.T) {
	t.Parallel()
	w, idp := tokens(t)
	before := w.tree()
	all := append(w.consenting(idp), common...)
	for n := len(all) - len(common); n < len(all)-2; n += 2 {
		s := w.start("--setup", "user@example.org")
		s.answers(all[:n]...)
		s.await(all[n])
		s.send("\x03")
		s.want(130, "nothing was written")
		if after := w.tree(); !slices.Equal(before, after) {
			t.Fatalf("at %q: %q", all[n], after)
		}
	}
}

// A token does not come in the way of sync states in the directory of former versions.
func TestOldStateDirectory(t *testing.T) {
	t.Parallel()
	w, idp := tokens(t)
	w.write(".mbsync/:other:INBOX_:near:INBOX", "")
	s := w.start("--setup", "user@example.org")
	s.answers(w.consenting(idp)...)
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	if out := w.script(0, "-a"); !strings.Contains(out, "Processed 2 box(es)") {
		t.Error(out)
	}
}
