//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// A run of the program takes well under a second; even on a machine that is
// very busy it does not take this long.
const (
	runLimit  = time.Minute
	testLimit = 4 * time.Minute
)

// setup says what a world is like.
type setup struct {
	server testkit.DovecotConfig
	// other starts a server that is no Dovecot.
	other func(testing.TB) testkit.Server
	// security is the TLSType; None if it is empty.
	security string
	// modern: the configuration uses no deprecated spelling, so that the other
	// program cannot read it.
	modern bool
	// Further lines for the sections.
	global, account, near, channel string
	// subFolders is the style of the near store; Verbatim if it is empty.
	subFolders string
	// variant is how our program is to run; the other one cannot read that.
	variant testkit.Variant
	// slow: runs may take longer than usual, and the test too.
	slow bool
	// endless: a program keeps running, in a sweep.
	endless bool
	// says are texts that no run is blamed for.
	says []string
}

// slowness is by how much the limits are raised.
func (s setup) slowness() int {
	switch {
	case s.endless:
		return 120
	case s.slow:
		return 4
	}
	return 1
}

// homeWorld is a home directory, a server, and a configuration that connects them:
// channel c from store far, the user's account, to store near, in the home
// directory.
type homeWorld struct {
	tb testing.TB
	at testkit.Server
	// server is at, if that is a Dovecot.
	server *testkit.Dovecot
	dir    string
	rcName string // of the configuration file; "": rc
	s      setup
	user   string
	// tap, if not nil, listens in on the line.
	tap *testkit.Wiretap
	// syncs counts the calls of sync.
	syncs int
}

func newWorld(tb testing.TB, s setup) *homeWorld {
	tb.Helper()
	guard(tb, testLimit*time.Duration(s.slowness()))
	if err := lookAtSources(); err != nil {
		tb.Fatal(err)
	}
	w := &homeWorld{tb: tb, s: s, user: "user"}
	if s.other != nil {
		w.at = s.other(tb)
	} else {
		s.server.Rawlog = true
		if v := s.variant; v.Name != "" {
			s.server.Compress, s.server.Capability = v.Server.Compress, v.Server.Capability
		}
		w.server = testkit.StartDovecot(tb, s.server)
		w.at = w.server
	}
	w.home()
	return w
}

// replica returns another home directory for the same account.
func (w *homeWorld) replica() *homeWorld {
	r := &homeWorld{tb: w.tb, at: w.at, server: w.server, s: w.s, user: w.user}
	r.home()
	return r
}

// as returns the same world for another user of the server.
func (w *homeWorld) as(user string) *homeWorld {
	o := *w
	o.user = user
	return &o
}

// home makes the home directory, in which there are no mailboxes yet.
func (w *homeWorld) home() {
	w.tb.Helper()
	w.dir = w.tb.TempDir()
	for _, sub := range []string{"state", "near"} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o700); err != nil {
			w.tb.Fatal(err)
		}
	}
	w.write("ca.pem", string(w.at.At().CA.PEM()))
	if w.s.variant.NoCache {
		w.write(".cache", "no directory can be made here")
	}
	w.configure(w.config())
}

func (w *homeWorld) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}

func (w *homeWorld) write(name, text string) {
	w.tb.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *homeWorld) rcFile() string { return w.path(cmp.Or(w.rcName, "rc")) }

func (w *homeWorld) configure(rc string) {
	w.tb.Helper()
	if err := os.WriteFile(w.rcFile(), []byte(rc), 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// config returns the configuration. Both programs read the same one, so it is
// written in the spelling of the older.
func (w *homeWorld) config() string {
	s := w.s
	tlsType := "SSLType"
	if s.modern {
		tlsType = "TLSType"
	}
	if s.subFolders == "" {
		s.subFolders = "Verbatim"
	}
	var b strings.Builder
	section := func(lines ...string) {
		for _, l := range lines {
			if l = strings.TrimSpace(l); l != "" {
				fmt.Fprintln(&b, l)
			}
		}
		fmt.Fprintln(&b)
	}
	section(s.global, "SyncState "+w.path("state")+"/")
	section(append([]string{"IMAPStore far"}, append(w.accountLines(tlsType), s.account, s.variant.Account())...)...)
	near := []string{"MaildirStore near", "Inbox " + w.path("inbox"), "SubFolders " + s.subFolders, s.near}
	if s.subFolders != "Maildir++" {
		near = append(near, "Path "+w.path("near")+"/")
	}
	section(near...)
	section("Channel c", "Far :far:", "Near :near:", s.channel)
	return b.String()
}

// accountLines tell how to reach the server and how to log in.
func (w *homeWorld) accountLines(tlsType string) []string {
	// The other program wants a name in the certificate.
	host, port := "localhost", w.at.At().Port
	if w.s.security == "IMAPS" {
		port = w.at.At().TLSPort
	}
	lines := []string{
		"Host " + host, fmt.Sprintf("Port %d", port),
		"User " + w.user, `Pass "test \"pass\\word"`,
	}
	switch w.s.security {
	case "", "None":
		return append(lines, tlsType+" None", "AuthMechs LOGIN")
	default:
		return append(lines, tlsType+" "+w.s.security, "SystemCertificates no", "CertificateFile "+w.path("ca.pem"))
	}
}

// harmless are lines that say nothing but what every run here is told to do:
// old spellings, no encryption, mailboxes that were not there before.
var harmless = regexp.MustCompile(`^(Processed \d+ box|(pull|push|expung)ed \d+ |moved \d+ ` +
	`|.*: notice: \d+ deprecated words?; ` +
	`|.*: warning: .*the password is sent in clear text over an unencrypted connection$` +
	`|mbsync: notice: .* has no UIDVALIDITY, creating a new one$` +
	`|\*\*\* IMAP Warning \*\*\* Password is being sent in the clear$` +
	`|Maildir notice: no UIDVALIDITY, creating new\.$` +
	`|C: \d+/\d+ +B: ` +
	// What 1.5 says in other words.
	`|Channels: \d+ +Boxes: \d+ +Far: ` +
	`|.*: notice: SSLType is deprecated\. ` +
	`|Maildir notice: no UIDVALIDITY in .*, creating new\.$)`)

// program is one of the two.
type program struct {
	name string
	path string
	// args go with every run.
	args []string
}

// ours is the program under test.
func ours() program { return program{name: "ours", path: binary} }

// theirs is the installed mbsync, 1.4.4. It would sleep for a second where a
// Maildir has just changed.
func theirs(tb testing.TB) program {
	tb.Helper()
	m := testkit.FindMbsync(tb)
	if !strings.HasPrefix(m.Version, "1.4.") {
		tb.Skipf("mbsync is %s; 1.4 is the one to compare with", m.Version)
	}
	return program{name: "mbsync " + m.Version, path: m.Path, args: []string{"-Tz"}}
}

// theirs15 is mbsync 1.5.1.
func theirs15(tb testing.TB) program {
	tb.Helper()
	m := testkit.FindMbsync15(tb)
	return program{name: "mbsync " + m.Version, path: m.Path, args: []string{"-Tz"}}
}

// env is the environment of a program: nothing of the user's is read or
// written.
func (w *homeWorld) env() []string {
	var env []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "XDG_") && name != "HOME" && name != "SSL_CERT_FILE" {
			env = append(env, v)
		}
	}
	return append(env, "HOME="+w.dir, "LC_ALL=C")
}

// process is a program at work.
type process struct {
	tb       testing.TB
	cmd      *exec.Cmd
	name     string
	out, err bytes.Buffer
	cancel   context.CancelFunc
	done     chan struct{} // closed when it has ended
	failure  error         // other than an exit code; valid once done is closed
}

// result is what a run has come to.
type result struct {
	stdout, stderr string
	code           int // -1: ended by a signal
}

// start starts a program on the world's configuration. wait must be called.
func (w *homeWorld) start(p program, args ...string) *process {
	w.tb.Helper()
	return w.startAs(nil, p, args...)
}

func (w *homeWorld) startAs(who *syscall.Credential, p program, args ...string) *process {
	w.tb.Helper()
	all := append([]string{"-c", w.rcFile()}, p.args...)
	return w.startBare(who, p, append(all, args...)...)
}

// startBare starts a program with these arguments and no others.
func (w *homeWorld) startBare(who *syscall.Credential, p program, args ...string) *process {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runLimit*time.Duration(w.s.slowness()))
	r := &process{tb: w.tb, name: p.name, cancel: cancel, done: make(chan struct{})}
	r.cmd = exec.CommandContext(ctx, p.path, args...)
	r.cmd.Dir = w.dir
	r.cmd.Env = w.env()
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	if who != nil {
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
	if w.tap != nil {
		w.tap.NextRun()
	}
	if err := r.cmd.Start(); err != nil {
		cancel()
		w.tb.Fatal(err)
	}
	go func() {
		defer close(r.done)
		err := r.cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
			r.failure = errors.Join(err, ctx.Err())
		}
	}()
	w.tb.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// ended reports whether the process has ended.
func (r *process) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *process) wait() result {
	r.tb.Helper()
	<-r.done
	r.cancel()
	if r.failure != nil {
		r.tb.Fatalf("%s: %v\n%s%s", r.name, r.failure, &r.out, &r.err)
	}
	if slices.ContainsFunc(r.cmd.Args, func(a string) bool { return strings.HasPrefix(a, "--json") }) && !r.cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		testkit.Events(r.tb, r.out.Bytes())
	}
	return result{stdout: r.out.String(), stderr: r.err.String(), code: r.cmd.ProcessState.ExitCode()}
}

// signal sends a signal to the process and waits for its end.
func (r *process) signal(sig syscall.Signal) result {
	r.tb.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.tb.Fatal(err)
	}
	return r.wait()
}

// run runs a program to its end, whatever that is.
func (w *homeWorld) run(p program, args ...string) result {
	w.tb.Helper()
	return w.start(p, args...).wait()
}

// sync runs a program on all channels. It must succeed without a complaint but
// those that contain one of the texts. Every second run of ours has --json.
func (w *homeWorld) sync(p program, but ...string) {
	w.tb.Helper()
	args := []string{"-a"}
	if w.syncs++; p.path == binary && w.syncs%2 == 0 {
		args = append(args, "--json=messages")
	}
	r := w.run(p, args...)
	if len(args) > 1 {
		r.stdout = "" // it was checked
	}
	if r.code != 0 {
		w.tb.Fatalf("%s: exit code %d\n%s%s", p.name, r.code, r.stdout, r.stderr)
	}
	w.quiet(p, r, but)
}

// quiet checks that a program did not complain but with these texts.
func (w *homeWorld) quiet(p program, r result, but []string) {
	w.tb.Helper()
	but = append(slices.Clip(but), w.s.says...)
	for _, c := range complaints(r.stdout + r.stderr) {
		if !slices.ContainsFunc(but, func(text string) bool { return strings.Contains(c, text) }) {
			w.tb.Errorf("%s says %s", p.name, c)
		}
	}
}
