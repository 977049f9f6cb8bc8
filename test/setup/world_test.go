//go:build linux

package setup

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"isync/internal/testkit"
)

// world is a home directory, and the servers that the program may ask.
type world struct {
	tb     testing.TB
	home   string
	server *testkit.Dovecot
	asked  asked
	// extra is added to the environment.
	extra []string

	mu      sync.Mutex
	pages   map[string]string   // by host and path
	records map[string][]dns.RR // by name and type
	queries []string            // of both
}

const testUser = "user"

// newWorld starts the servers. Dovecot has a user with some mail.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, "")
}

// newWorldWith is newWorld with something added to the configuration of Dovecot.
func newWorldWith(t *testing.T, extra string) *world {
	t.Helper()
	return newWorldOf(t, testkit.DovecotConfig{Extra: extra})
}

// newWorldOf is newWorld with a Dovecot of some kind.
func newWorldOf(t *testing.T, cfg testkit.DovecotConfig) *world {
	t.Helper()
	w := &world{tb: t, home: t.TempDir(), pages: make(map[string]string), records: make(map[string][]dns.RR)}
	ca := testkit.NewCA(t)
	cfg.Users = []string{testUser}
	cfg.Certificate = ca.Issue(t, testkit.CertConfig{Hosts: []string{"mail.example.org", "127.0.0.1"}})
	w.server = testkit.StartDovecot(t, cfg)
	w.server.CA = ca
	w.server.Seed(t, testUser, "INBOX", testkit.Mail{Body: "Subject: one\r\n\r\nHello\r\n"}, testkit.Mail{Body: "Subject: two\r\n\r\nHello\r\n"})
	w.server.Seed(t, testUser, "Archive", testkit.Mail{Body: "Subject: old\r\n\r\nHello\r\n"})
	w.write("ca.pem", string(w.server.CA.PEM()))
	w.program("systemctl", "exit 1")
	w.startWeb(t)
	w.startDNS(t)
	w.record("mail.example.org. 60 IN A 127.0.0.1")
	return w
}

func (w *world) startWeb(t *testing.T) {
	t.Helper()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queries = append(w.queries, r.Host+r.URL.String())
		if page, ok := w.pages[r.Host+r.URL.Path]; ok {
			_, _ = rw.Write([]byte(page))
			return
		}
		http.NotFound(rw, r)
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{w.server.CA.Issue(t, testkit.CertConfig{
		Hosts: []string{"example.org", "autoconfig.example.org", "autoconfig.thunderbird.net"},
	}).TLS()}}
	web.StartTLS()
	t.Cleanup(web.Close)
	w.asked.Web = web.Listener.Addr().String()
}

func (w *world) startDNS(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }}
	server.Handler = dns.HandlerFunc(func(rw dns.ResponseWriter, r *dns.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		answer := new(dns.Msg).SetReply(r)
		answer.Rcode = dns.RcodeNameError
		for _, q := range r.Question {
			key := q.Name + " " + dns.TypeToString[q.Qtype]
			w.queries = append(w.queries, key)
			if list := w.records[key]; list != nil {
				answer.Answer, answer.Rcode = list, dns.RcodeSuccess
			}
		}
		_ = rw.WriteMsg(answer)
	})
	served := make(chan error, 1)
	go func() { served <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		_ = server.Shutdown()
		<-served
	})
	w.asked.DNS = conn.LocalAddr().String()
}

// autoconfig makes the domain example.org tell of a server.
func (w *world) autoconfig(host string, port int, socket string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages["autoconfig.example.org/mail/config-v1.1.xml"] = fmt.Sprintf(`<clientConfig version="1.1"><emailProvider id="example.org">
<incomingServer type="imap"><hostname>%s</hostname><port>%d</port><socketType>%s</socketType>
<username>%%EMAILLOCALPART%%</username><authentication>password-cleartext</authentication></incomingServer>
</emailProvider></clientConfig>`, host, port, socket)
}

func (w *world) record(text string) {
	w.tb.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := rr.Header().Name + " " + dns.TypeToString[rr.Header().Rrtype]
	w.records[key] = append(w.records[key], rr)
}

func (w *world) path(name string) string { return filepath.Join(w.home, name) }

func (w *world) write(name, text string) {
	w.tb.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o700); err != nil {
		w.tb.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// program puts a shell script into the search path.
func (w *world) program(name, script string) {
	w.tb.Helper()
	w.write("bin/"+name, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(w.path("bin/"+name), 0o700); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.tb.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.tb.Fatal(err)
	}
	return string(data)
}

// tree lists what is in the home directory, with modes, sorted. The cache of server names and
// the like does not count.
func (w *world) tree() []string {
	w.tb.Helper()
	var out []string
	err := filepath.WalkDir(w.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if path != w.home {
			out = append(out, fmt.Sprintf("%s %v", strings.TrimPrefix(path, w.home+"/"), fi.Mode()))
		}
		return nil
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	sort.Strings(out)
	return out
}

func (w *world) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		w.tb.Fatal(err)
	}
	text, err := json.Marshal(w.asked)
	if err != nil {
		w.tb.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = w.home
	cmd.Env = append([]string{
		"HOME=" + w.home, "PATH=" + w.path("bin") + ":" + os.Getenv("PATH"), "TERM=xterm", "LC_ALL=C.UTF-8",
		"SSL_CERT_FILE=" + w.path("ca.pem"), "DBUS_SESSION_BUS_ADDRESS=", programEnv + "=" + string(text),
	}, w.extra...)
	return cmd
}

// session is a run of the program on a terminal.
type session struct {
	w        *world
	cmd      *exec.Cmd
	terminal *os.File
	done     chan struct{}

	mu   sync.Mutex
	text strings.Builder
	seen int
}

// start starts the program on a terminal of its own.
func (w *world) start(args ...string) *session {
	w.tb.Helper()
	s := &session{w: w, cmd: w.command(args...), done: make(chan struct{})}
	var err error
	s.terminal, err = pty.StartWithSize(s.cmd, &pty.Winsize{Cols: 80, Rows: 50})
	if err != nil {
		w.tb.Skipf("no pseudo terminals: %v", err)
	}
	w.tb.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		s.terminal.Close()
	})
	go func() {
		defer close(s.done)
		buf := make([]byte, 4096)
		for {
			n, err := s.terminal.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *session) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// patience is how long a question may take, on a machine that is busy.
const patience = time.Minute

// prompt is what a question looks like when the program waits for the answer.
var prompt = regexp.MustCompile(`[^\r\n]*: (\x1b\[[A-Z])?$`)

// await waits for a question that begins with the text.
func (s *session) await(question string) {
	s.w.tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		text := s.String()
		if at := prompt.FindStringIndex(text); at != nil && at[0] >= s.seen && strings.HasPrefix(text[at[0]:], question) {
			s.seen = len(text)
			return
		}
		select {
		case <-s.done:
			s.w.tb.Fatalf("ended before the question %q:\n%s", question, s)
		default:
		}
		if time.Now().After(deadline) {
			s.w.tb.Fatalf("no question %q:\n%s", question, s)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// awaitText waits for a line that is no question.
func (s *session) awaitText(text string) {
	s.w.tb.Helper()
	deadline := time.Now().Add(patience)
	for !strings.Contains(s.String(), text) {
		if time.Now().After(deadline) {
			s.w.tb.Fatalf("no %q:\n%s", text, s)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func (s *session) send(text string) {
	s.w.tb.Helper()
	if _, err := s.terminal.WriteString(text); err != nil {
		s.w.tb.Fatalf("%v\n%s", err, s)
	}
}

// answer answers a question; "" is the default.
func (s *session) answer(question, text string) {
	s.w.tb.Helper()
	s.await(question)
	s.send(text + "\r")
}

// answers answers several questions, given in turn with their answers.
func (s *session) answers(list ...string) {
	s.w.tb.Helper()
	for i := 0; i < len(list); i += 2 {
		s.answer(list[i], list[i+1])
	}
}

// ended waits for the end, and returns the exit code.
func (s *session) ended() int {
	s.w.tb.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.w.tb.Fatalf("does not end:\n%s", s)
	}
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.w.tb.Fatal(err)
	}
	if strings.Contains(s.String(), testkit.Password) {
		s.w.tb.Errorf("the password shows:\n%s", s)
	}
	return s.cmd.ProcessState.ExitCode()
}

// want waits for the end, with an exit code and with texts on the screen.
func (s *session) want(code int, texts ...string) {
	s.w.tb.Helper()
	if got := s.ended(); got != code {
		s.w.tb.Errorf("exit code %d, want %d\n%s", got, code, s)
	}
	text := strings.ReplaceAll(s.String(), "\r", "")
	for _, t := range texts {
		if !strings.Contains(text, t) {
			s.w.tb.Errorf("no %q in:\n%s", t, text)
		}
	}
}

// echoes reports whether a terminal shows what is typed.
func echoes(tb testing.TB, f *os.File) bool {
	tb.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		tb.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// script runs the program without a terminal.
func (w *world) script(code int, args ...string) string {
	w.tb.Helper()
	cmd := w.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.tb.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		w.tb.Errorf("exit code %d, want %d\n%s", got, code, out)
	}
	if strings.Contains(string(out), testkit.Password) {
		w.tb.Errorf("the password shows:\n%s", out)
	}
	return string(out)
}

// mails counts the messages in a mailbox on disk.
func (w *world) mails(dir string) int {
	w.tb.Helper()
	n := 0
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(w.path(dir), sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.tb.Fatal(err)
		}
		n += len(entries)
	}
	return n
}
