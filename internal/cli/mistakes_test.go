package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"isync/internal/testkit"
	"isync/internal/vfs"
)

// handbook is the document that shows what the program says about mistakes.
const handbook = "../../docs/mistakes.md"

// mistakeWorld is a home directory, an account on a server, and a good configuration.
type mistakeWorld struct {
	t   *testing.T
	srv *testkit.Dovecot
	dir string
	env Env
	out bytes.Buffer // everything that is said, in the order in which it is
}

// goodRC is the configuration of somebody who has made no mistake.
const goodRC = `IMAPStore server
Host 127.0.0.1
Port $TLSPORT
User $USER
PassCmd "cat '$DIR/secret'"
TLSType IMAPS
CertificateFile ~/ca.pem

MaildirStore home
Path ~/Mail/
Inbox ~/Mail/INBOX
SubFolders Verbatim

Channel mail
Far :server:
Near :home:
Patterns *
Create Near
SyncState *
`

func newMistakeWorld(t *testing.T, srv *testkit.Dovecot, user string) *mistakeWorld {
	t.Helper()
	w := &mistakeWorld{t: t, srv: srv, dir: t.TempDir()}
	srv.AddUser(t, user)
	srv.Seed(t, user, "INBOX", testkit.Mail{Body: "Subject: hello\r\n\r\nHello\r\n"})
	srv.Seed(t, user, "Archive/2024", testkit.Mail{Body: "Subject: old\r\n\r\nHello\r\n"})
	w.env = testEnv(w.dir)
	w.env.Stdout, w.env.Stderr = &w.out, &w.out
	w.write("home/ca.pem", string(srv.CA.PEM()))
	w.write("secret", testkit.Password+"\n")
	if err := os.Mkdir(w.path("home/Mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("rc.user", user)
	w.rc("", "")
	return w
}

func (w *mistakeWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *mistakeWorld) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *mistakeWorld) user() string {
	w.t.Helper()
	name, err := os.ReadFile(w.path("rc.user"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(name)
}

// rc writes the good configuration with one mistake in it.
func (w *mistakeWorld) rc(good, bad string) {
	w.t.Helper()
	if !strings.Contains(goodRC, good) {
		w.t.Fatalf("there is no %q in the configuration", good)
	}
	text := strings.Replace(goodRC, good, bad, 1)
	text = strings.NewReplacer("$TLSPORT", fmt.Sprint(w.srv.TLSPort), "$PORT", fmt.Sprint(w.srv.Port), "$DIR", w.dir, "$USER", w.user()).Replace(text)
	w.write("home/.mbsyncrc", text)
}

// run runs the program, which must end with the code.
func (w *mistakeWorld) run(code int, args ...string) {
	w.t.Helper()
	w.out.Reset()
	if got := Main(w.env, append([]string{"mbsync"}, args...)); got != code {
		w.t.Fatalf("exit code %d, want %d\n%s", got, code, &w.out)
	}
}

var (
	uidValidity = regexp.MustCompile(`\b1[0-9]{9}\b`)
	deadPortTag = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// said returns the output as somebody would see it whose name is alice, and whose server is a
// usual one.
func (w *mistakeWorld) said() string {
	text := w.out.String()
	text = strings.NewReplacer(
		w.path("home"), "/home/alice", w.dir, "/home/alice",
		fmt.Sprintf("127.0.0.1:%d", w.srv.Port), "imap.example.org:143",
		fmt.Sprintf("127.0.0.1:%d", w.srv.TLSPort), "imap.example.org:993",
		fmt.Sprintf("port %d", w.srv.Port), "port 143",
	).Replace(text)
	text = deadPortTag.ReplaceAllString(text, "imap.example.org:1993")
	text = strings.ReplaceAll(text, "127.0.0.1", "imap.example.org")
	// Dovecot makes them of the time.
	next := 1700000000
	seen := map[string]string{}
	return uidValidity.ReplaceAllStringFunc(text, func(n string) string {
		if seen[n] == "" {
			seen[n] = fmt.Sprint(next)
			next += 100000
		}
		return seen[n]
	})
}

// readOnly is a file system in which nothing can be made below a directory, whoever
// asks; to root, file modes mean nothing.
type readOnly struct {
	vfs.FS
	dir string
}

func (f readOnly) Mkdir(name string, perm fs.FileMode) error {
	if strings.HasPrefix(name, f.dir) {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.EACCES}
	}
	return f.FS.Mkdir(name, perm)
}

// mistakes have the headings that they have in the handbook.
var mistakes = []struct {
	heading string
	make    func(w *mistakeWorld)
}{
	{"There is no configuration", func(w *mistakeWorld) {
		if err := os.Remove(w.path("home/.mbsyncrc")); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-a")
	}},
	{"No channel is named", func(w *mistakeWorld) { w.run(1) }},
	{"A channel that does not exist", func(w *mistakeWorld) { w.run(1, "mial") }},
	{"An unknown keyword", func(w *mistakeWorld) {
		w.rc("Patterns *", "Paterns *")
		w.run(1, "-a")
	}},
	{"No empty line between sections", func(w *mistakeWorld) {
		w.rc("SubFolders Verbatim\n\nChannel", "SubFolders Verbatim\nChannel")
		w.run(1, "-a")
	}},
	{"An empty line within a section", func(w *mistakeWorld) {
		w.rc("User $USER", "\nUser $USER")
		w.run(1, "-a")
	}},
	{"Patterns without quotes", func(w *mistakeWorld) {
		w.srv.Seed(w.t, w.user(), "[Gmail]/Sent Mail", testkit.Mail{Body: "Subject: sent\r\n\r\nHello\r\n"})
		w.rc("Patterns *", `Patterns INBOX [Gmail]/Sent Mail`)
		w.run(0, "-a")
	}},
	{"A mailbox that does not exist", func(w *mistakeWorld) {
		w.rc("Patterns *", `Patterns INBOX Archiv/2024`)
		w.run(0, "-a")
	}},
	{"Curly quotes", func(w *mistakeWorld) {
		w.srv.Seed(w.t, w.user(), "[Gmail]/Sent Mail", testkit.Mail{Body: "Subject: sent\r\n\r\nHello\r\n"})
		w.rc("Patterns *", `Patterns INBOX “[Gmail]/Sent Mail”`)
		w.run(0, "-a")
	}},
	{"The host is misspelled", func(w *mistakeWorld) {
		// No resolver is asked about such a name.
		w.rc("Host 127.0.0.1", "Host imap.example..org\nRetries 0")
		w.run(1, "-a")
	}},
	{"The wrong port", func(w *mistakeWorld) {
		w.rc("Port $TLSPORT", fmt.Sprintf("Port %d\nRetries 0", deadPort(w.t)))
		w.run(1, "-a")
	}},
	{"TLS at the port for STARTTLS", func(w *mistakeWorld) {
		w.rc("Port $TLSPORT", "Port $PORT")
		w.run(1, "-a")
	}},
	{"The certificate is not trusted", func(w *mistakeWorld) {
		w.rc("CertificateFile ~/ca.pem\n", "")
		w.run(1, "-a")
	}},
	{"The certificate is for another name", func(w *mistakeWorld) {
		_, port, err := net.SplitHostPort(testkit.TLSServer(w.t, w.srv.CA.WrongName(w.t)))
		if err != nil {
			w.t.Fatal(err)
		}
		// A name, so that the certificate is found to be for another one.
		w.rc("Host 127.0.0.1\nPort $TLSPORT", "Host localhost\nPort "+port)
		w.run(1, "-a")
		text := strings.ReplaceAll(w.out.String(), "localhost:"+port, "imap.example.org:993")
		w.out.Reset()
		w.out.WriteString(strings.ReplaceAll(text, "localhost", "imap.example.org"))
	}},
	{"The wrong password", func(w *mistakeWorld) {
		w.write("secret", "wrong\n")
		w.run(1, "-a")
	}},
	{"The command for the password fails", func(w *mistakeWorld) {
		w.rc(`PassCmd "cat '$DIR/secret'"`, `PassCmd "exit 2 # pass show mail/home"`)
		w.run(1, "-a")
	}},
	{"Create is forgotten", func(w *mistakeWorld) {
		w.rc("Create Near\n", "")
		w.run(1, "-a")
	}},
	{"Path is forgotten", func(w *mistakeWorld) {
		w.rc("Path ~/Mail/\n", "")
		w.run(1, "-a")
	}},
	{"The slash behind Path is forgotten", func(w *mistakeWorld) {
		w.rc("Path ~/Mail/", "Path ~/Mail")
		w.run(0, "-a")
		if _, err := os.Stat(w.path("home/MailArchive/2024/cur")); err != nil {
			w.t.Error(err)
		}
	}},
	{"SubFolders is forgotten", func(w *mistakeWorld) {
		w.rc("SubFolders Verbatim\n", "")
		w.run(0, "-a")
	}},
	{"The directory cannot be written", func(w *mistakeWorld) {
		w.env.FS = readOnly{vfs.OS{}, w.path("home/Mail/")}
		w.run(1, "-a")
	}},
	{"The directory does not exist", func(w *mistakeWorld) {
		w.rc("Path ~/Mail/", "Path /nonexistent/Mail/")
		w.run(1, "-a")
	}},
	{"Two mbsyncs at once", func(w *mistakeWorld) {
		w.run(0, "-a")
		f, err := vfs.OS{}.OpenFile(w.path("home/Mail/INBOX/.mbsyncstate.lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		if err := (vfs.OS{}).Lock(f, false); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-a")
	}},
	{"UIDVALIDITY has changed", func(w *mistakeWorld) {
		w.run(0, "-a")
		w.srv.Doveadm(w.t, "", "mailbox", "update", "-u", w.user(), "--uid-validity", "1800000000", "Archive/2024")
		w.srv.Doveadm(w.t, "", "expunge", "-u", w.user(), "mailbox", "Archive/2024", "all")
		w.srv.Seed(w.t, w.user(), "Archive/2024", testkit.Mail{Body: "Subject: another\r\n\r\nHello\r\n"})
		w.run(1, "-a")
	}},
	{"A folder is renamed on the server", func(w *mistakeWorld) {
		w.run(0, "-a")
		if err := w.srv.Client(w.t, w.user()).Rename("Archive", "Attic", nil).Wait(); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-ay")
	}},
	{"A folder was renamed and copied anew", func(w *mistakeWorld) {
		w.run(0, "-a")
		if err := w.srv.Client(w.t, w.user()).Rename("Archive", "Attic", nil).Wait(); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-a")
	}},
	{"A disk is not mounted", func(w *mistakeWorld) {
		w.rc("SyncState *", "SyncState ~/state/")
		if err := os.Mkdir(w.path("home/state"), 0o700); err != nil {
			w.t.Fatal(err)
		}
		w.run(0, "-a")
		if err := os.RemoveAll(w.path("home/Mail")); err != nil {
			w.t.Fatal(err)
		}
		if err := os.Mkdir(w.path("home/Mail"), 0o700); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-a")
	}},
	{"UIDNEXT went back", func(w *mistakeWorld) {
		w.run(0, "-a")
		states, err := filepath.Glob(filepath.Join(w.dir, "home", "Mail", "Archive", "2024", ".mbsyncstate"))
		if err != nil || len(states) != 1 {
			w.t.Fatalf("states: %v, %v", states, err)
		}
		state, err := os.ReadFile(states[0])
		if err != nil {
			w.t.Fatal(err)
		}
		for i := 2; i <= 10; i++ { // of which the server has no trace
			state = fmt.Appendf(state, "%d 0 \n", i)
		}
		if err := os.WriteFile(states[0], state, 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.run(1, "-a")
	}},
	{"A server without UIDPLUS", func(w *mistakeWorld) {
		old := testkit.StartDovecot(w.t, testkit.DovecotConfig{
			Users: []string{w.user()}, Capability: "IMAP4rev1 LITERAL+",
		})
		w.srv = old
		w.write("home/ca.pem", string(old.CA.PEM()))
		w.rc("", "")
		w.run(0, "-a")
		w.write("home/Mail/INBOX/new/1700000000.1.laptop", "Subject: written here\n\nHello\n")
		w.run(0, "-a")
		first := w.out.String()
		w.run(0, "-a")
		if strings.Contains(w.out.String(), "new") || len(old.Contents(w.t, w.user(), "INBOX")) != 1 {
			w.t.Errorf("the message was copied more than once:\n%s", &w.out)
		}
		w.out.Reset()
		w.out.WriteString(first)
	}},
	{"Two places for the state", func(w *mistakeWorld) {
		w.rc("SyncState *\n", "")
		for _, dir := range []string{"home/.mbsync", "home/.local/state/isync"} {
			if err := os.MkdirAll(w.path(dir), 0o700); err != nil {
				w.t.Fatal(err)
			}
		}
		w.run(1, "-a")
	}},
	{"Words of old versions", func(w *mistakeWorld) {
		w.rc("Far :server:\nNear :home:", "Master :server:\nSlave :home:")
		w.run(0, "-a")
		first := w.out.String()
		w.run(0, "--check", "--fix-config", "--write")
		second := w.out.String()
		w.out.Reset()
		w.out.WriteString(first + second)
	}},
}

// The handbook shows what the program says, to the letter. UPDATE_DOCS=1 writes
// what it says now into the handbook; read it before you believe it.
func TestMistakes(t *testing.T) {
	text, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	update := os.Getenv("UPDATE_DOCS") == "1"
	for i, m := range mistakes {
		t.Run(m.heading, func(t *testing.T) {
			from, to := shown(doc, m.heading)
			if from < 0 {
				t.Fatalf("the handbook has no section %q with a block of text", m.heading)
			}
			w := newMistakeWorld(t, srv, fmt.Sprintf("alice%d", i))
			m.make(w)
			got := w.said()
			switch {
			case got == doc[from:to]:
			case update:
				doc = doc[:from] + got + doc[to:]
			default:
				t.Errorf("the program says:\n%s\nthe handbook shows:\n%s\nUPDATE_DOCS=1 updates it", got, doc[from:to])
			}
		})
	}
	if n := strings.Count(doc, "```text\n"); n != len(mistakes) {
		t.Errorf("the handbook shows %d outputs, %d are tested", n, len(mistakes))
	}
	if update {
		if err := os.WriteFile(handbook, []byte(doc), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
	}
}

// shown returns where the output in a section of a document is, -1 if there is none.
func shown(doc, heading string) (from, to int) {
	_, section, ok := strings.Cut(doc, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !ok {
		return -1, -1
	}
	const open, end = "\n```text\n", "```\n"
	at := strings.Index(doc, "\n## "+heading+"\n") + len("\n## "+heading+"\n")
	i := strings.Index(section, open)
	if i < 0 {
		return -1, -1
	}
	i += len(open)
	n := strings.Index(section[i:], end)
	if n < 0 {
		return -1, -1
	}
	return at + i, at + i + n
}
