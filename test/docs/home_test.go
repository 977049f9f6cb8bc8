package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// home is a home directory in which the commands of a page run, and an account on a server.
type home struct {
	t    *testing.T
	srv  *testkit.Dovecot
	dir  string
	bin  string // directory of the program
	user string
}

// standard is the configuration of the documents, unless a page has its own.
const standard = `IMAPStore server
Host imap.example.org
TLSType IMAPS
User alice
PassCmd "pass show mail/example"

MaildirStore local
Path ~/Mail/
Inbox ~/Mail/Inbox
SubFolders Verbatim

Channel mail
Far :server:
Near :local:
Patterns *
Create Near
`

// specialUses makes Dovecot give some mailboxes a special use, as providers do.
const specialUses = `
namespace inbox {
  mailbox Sent {
    auto = create
    special_use = \Sent
  }
  mailbox Drafts {
    auto = create
    special_use = \Drafts
  }
}
`

func newHome(t *testing.T, srv *testkit.Dovecot, bin, user string) *home {
	t.Helper()
	h := &home{t: t, srv: srv, dir: t.TempDir(), bin: bin, user: user}
	srv.AddUser(t, user)
	h.deliver("INBOX", "Lunch on Friday?")
	h.deliver("INBOX", "Minutes of the meeting")
	h.deliver("Archive", "Your invoice")
	h.deliver("Sent", "Re: Lunch on Friday?")
	h.deliver("Drafts", "Holiday plans")
	h.write("~/ca.pem", string(srv.CA.PEM()))
	h.write("~/secret", testkit.Password+"\n")
	h.write("~/.mbsyncrc", standard)
	return h
}

// message returns the text of a message, with LF.
func message(subject string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(subject))
	return fmt.Sprintf(`From: Bob <bob@example.net>
To: Alice <alice@example.org>
Subject: %s
Date: Fri, 27 Nov 2026 12:00:00 +0000
Message-ID: <%s@example.net>

Hello Alice
`, subject, id)
}

// deliver puts a message into a mailbox on the server.
func (h *home) deliver(mailbox, subject string) {
	h.t.Helper()
	h.srv.Seed(h.t, h.user, mailbox, testkit.Mail{Body: strings.ReplaceAll(message(subject), "\n", "\r\n")})
}

// path returns the path of a name that may begin with ~/.
func (h *home) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(h.dir, rest)
	}
	return name
}

var (
	hostLine  = regexp.MustCompile(`(?m)^(Host|Provider) .*\n`)
	userLine  = regexp.MustCompile(`(?m)^User .*\n`)
	passLine  = regexp.MustCompile(`(?m)^PassCmd .*\n`)
	otherLine = regexp.MustCompile(`(?m)^(TLSType|Port|CertificateFile) .*\n`)
)

// write writes a file. In a configuration of mbsync, the server of the test takes the place of
// the one in the page.
func (h *home) write(name, text string) {
	h.t.Helper()
	if strings.Contains(text, "IMAPStore") {
		text = otherLine.ReplaceAllString(text, "")
		text = hostLine.ReplaceAllString(text, fmt.Sprintf("Host %s\nPort %d\nTLSType IMAPS\nCertificateFile ~/ca.pem\n", h.srv.Host, h.srv.TLSPort))
		text = userLine.ReplaceAllString(text, "User "+h.user+"\n")
		text = passLine.ReplaceAllString(text, fmt.Sprintf("PassCmd \"cat '%s/secret'\"\n", h.dir))
	}
	file := h.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// run runs a command as a user of the home directory would, and returns what it prints.
func (h *home) run(command string) string {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = h.dir
	cmd.Env = []string{
		"HOME=" + h.dir, "PATH=" + h.bin + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"USER=alice", "LOGNAME=alice", "TZ=UTC", "LC_ALL=C.UTF-8", "TMPDIR=" + h.dir,
		fmt.Sprintf("PLAIN_PORT=%d", h.srv.Port), // without TLS, for programs that do not trust the certificate
	}
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil && text == "" {
		text = err.Error() + "\n"
	}
	text = strings.NewReplacer(
		fmt.Sprintf("%s:%d", h.srv.Host, h.srv.TLSPort), "imap.example.org:993",
		h.srv.Host, "imap.example.org", h.dir, "/home/alice", h.user, "alice",
	).Replace(text)
	return text
}

// prepare carries out what a comment in a page asks for before a block, one thing per line.
//
//	deliver MAILBOX SUBJECT   a message arrives on the server
//	local FILE SUBJECT        a mail program or a backup puts a message into a Maildir
//	server COMMAND ...        doveadm COMMAND -u USER ...: another mail program changes the server
//	sh COMMAND                something happens in the home directory
//	needs PROGRAM PACKAGE     the block needs this program; without it the page is skipped from here on
func (h *home) prepare(line string) {
	h.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "deliver":
		mailbox, subject, _ := strings.Cut(rest, " ")
		h.deliver(mailbox, subject)
	case "local":
		file, subject, _ := strings.Cut(rest, " ")
		h.write(file, message(subject))
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(filepath.Dir(filepath.Dir(h.path(file))), sub), 0o700); err != nil {
				h.t.Fatal(err)
			}
		}
	case "server":
		words := strings.Fields(rest)
		n := 1
		if words[0] == "mailbox" || words[0] == "flags" {
			n = 2
		}
		args := append(append(append([]string{}, words[:n]...), "-u", h.user), words[n:]...)
		h.srv.Doveadm(h.t, "", args...)
	case "sh":
		if out := h.run(rest); out != "" {
			h.t.Fatalf("%s: %s", rest, out)
		}
	case "needs":
		program, pkg, _ := strings.Cut(rest, " ")
		testkit.FindProgram(h.t, program, pkg)
	default:
		h.t.Fatalf("the comment of a block says %q", line)
	}
}
