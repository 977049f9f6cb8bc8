package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// gmailCapability is what Gmail says it can do, as far as Dovecot does it, too.
const gmailCapability = "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584"

// pasted is a home directory with a configuration file from a web page, as it
// was pasted, and a server with Gmail's folders.
type pasted struct {
	t    *testing.T
	srv  *testkit.Dovecot
	dir  string
	err  bytes.Buffer
	out  bytes.Buffer
	user string
}

func newPasted(t *testing.T) *pasted {
	t.Helper()
	p := &pasted{t: t, dir: t.TempDir(), user: "someone@example.org"}
	p.srv = testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{p.user}, Capability: gmailCapability, Compress: true})
	text, err := os.ReadFile("testdata/as-pasted.mbsyncrc")
	if err != nil {
		t.Fatal(err)
	}
	rc := strings.NewReplacer(
		"Host imap.example.org", fmt.Sprintf("Host %s\nPort %d", p.srv.Host, p.srv.TLSPort),
		"Pass ***************", "Pass "+quoteWord(testkit.Password),
	).Replace(string(text))
	p.write(".mbsyncrc", rc)
	p.write(".mail/gmail.crt", string(p.srv.CA.PEM()))
	p.write(".mail/google.crt", string(testkit.NewCA(t).PEM()))
	if err := os.MkdirAll(p.home(".mail/gmail"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"INBOX", "[Gmail]/Sent Mail", "[Gmail]/Starred", "[Gmail]/All Mail", "[Gmail]/Spam"} {
		p.srv.Seed(t, p.user, box, gmailMail(box+" 1"), gmailMail(box+" 2"), gmailMail(box+" 3"))
	}
	return p
}

func gmailMail(subject string) testkit.Mail {
	return testkit.Mail{Body: "Subject: " + subject + "\r\n\r\nHello\r\n"}
}

// quoteWord writes a word of the configuration.
func quoteWord(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func (p *pasted) home(name string) string { return filepath.Join(p.dir, "home", name) }

func (p *pasted) write(name, text string) {
	p.t.Helper()
	path := p.home(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// run runs the program, which must succeed.
func (p *pasted) run(args ...string) {
	p.t.Helper()
	env := testEnv(p.dir)
	p.out.Reset()
	p.err.Reset()
	env.Stdout, env.Stderr = &p.out, &p.err
	if code := Main(env, append([]string{"mbsync"}, args...)); code != 0 {
		p.t.Fatalf("mbsync %s ends with %d\n%s%s", strings.Join(args, " "), code, &p.out, &p.err)
	}
}

// near returns subjects and flags of the messages in a local mailbox, sorted,
// and removes the file of the one that is to be removed.
func (p *pasted) near(box string, remove ...string) []string {
	p.t.Helper()
	var out []string
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(p.home(".mail/gmail"), box, sub))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(p.home(".mail/gmail"), box, sub, e.Name())
			data, err := os.ReadFile(path)
			if err != nil {
				p.t.Fatal(err)
			}
			_, subject, _ := strings.Cut(string(data), "Subject: ")
			subject, _, _ = strings.Cut(subject, "\n")
			_, flags, _ := strings.Cut(e.Name(), ":2,")
			if slices.Contains(remove, subject) {
				if err := os.Remove(path); err != nil {
					p.t.Fatal(err)
				}
				continue
			}
			out = append(out, strings.TrimSpace(subject+" "+flags))
		}
	}
	slices.Sort(out)
	return out
}

func (p *pasted) holds(what string, got []string, want ...string) {
	p.t.Helper()
	if !slices.Equal(got, want) {
		p.t.Errorf("%s holds %q, want %q\n%s%s", what, got, want, &p.out, &p.err)
	}
}

// far returns subjects and flags of the messages on the server, sorted.
func (p *pasted) far(box string) []string {
	p.t.Helper()
	var out []string
	for _, m := range p.srv.Contents(p.t, p.user, box) {
		_, subject, _ := strings.Cut(m.Body, "Subject: ")
		subject, _, _ = strings.Cut(subject, "\r\n")
		flags := slices.DeleteFunc(slices.Clone(m.Flags), func(f string) bool { return strings.EqualFold(f, `\Recent`) })
		slices.Sort(flags)
		out = append(out, strings.Join(append([]string{subject}, flags...), " "))
	}
	slices.Sort(out)
	return out
}

// The configuration as it is on a web page works as it is, on a new system, in
// every run.
func TestAsPasted(t *testing.T) {
	p := newPasted(t)
	boxes := map[string]string{"INBOX": "Inbox", "[Gmail]/Sent Mail": "[Gmail]/Sent Mail", "[Gmail]/Starred": "[Gmail]/Starred", "[Gmail]/All Mail": "[Gmail]/All Mail"}
	p.run("--check")
	p.run("gmail")
	for _, want := range []string{
		"curly quotes are read as straight quotes: write `Patterns * ![Gmail]* \"[Gmail]/Sent Mail\" \"[Gmail]/Starred\" \"[Gmail]/All Mail\"`\n",
		`warning: CertificateFile '/usr/share/ca-certificates/mozilla/Equifax_Secure_CA.crt' cannot be read and is ignored`,
		"add the line 'SubFolders Verbatim'",
	} {
		if n := strings.Count(p.err.String(), want); n != 1 {
			t.Errorf("%d times %s in\n%s", n, want, &p.err)
		}
	}
	for far, near := range boxes {
		p.holds(near, p.near(near), far+" 1", far+" 2", far+" 3")
		if _, err := os.Stat(filepath.Join(p.home(".mail/gmail"), near, ".mbsyncstate")); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(p.home(".mail/gmail/[Gmail]"))
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}

	// Changes on both sides.
	for far, near := range boxes {
		p.near(near, far+" 1")
		p.srv.Doveadm(t, "", "flags", "add", "-u", p.user, `\Answered \Seen`, "mailbox", far, "header", "subject", far+" 2")
		p.srv.Doveadm(t, "", "expunge", "-u", p.user, "mailbox", far, "header", "subject", far+" 3")
		p.srv.Seed(t, p.user, far, gmailMail(far+" 4"))
		p.write(filepath.Join(".mail/gmail", near, "cur", "1700000000.mine:2,FS"), "Subject: "+far+" 5\n\nHello\n")
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(p.home(filepath.Join(".mail/gmail/Projects/go", sub)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.write(".mail/gmail/Projects/go/cur/1700000000.mine:2,S", "Subject: go\n\nHello\n")
	p.run("-a")
	for far, near := range boxes {
		p.holds(near, p.near(near), far+" 2 RS", far+" 3 T", far+" 4", far+" 5 FS")
		p.holds(far, p.far(far), far+` 1 \Deleted`, far+` 2 \Answered \Seen`, far+" 4", far+` 5 \Flagged \Seen`)
	}
	p.holds("Projects/go", p.far("Projects/go"), `go \Seen`)
	p.holds("Spam", p.far("[Gmail]/Spam"), "[Gmail]/Spam 1", "[Gmail]/Spam 2", "[Gmail]/Spam 3")
	p.run("--check")
	p.run("-a", "-e")

	// SubFolders as the notice says makes no difference.
	rc, err := os.ReadFile(p.home(".mbsyncrc"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(".mbsyncrc", strings.Replace(string(rc), "Path ~", "SubFolders Verbatim\nPath ~", 1))
	p.run("-a", "-e")
	if strings.Contains(p.err.String(), "SubFolders") {
		t.Errorf("%s", &p.err)
	}
}
