//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"isync/internal/testkit"
	"isync/internal/testkit/openid"
)

// tokenWorld is a home directory, a Dovecot that takes tokens, and the provider that gives
// them.
type tokenWorld struct {
	t       *testing.T
	idp     *openid.Provider
	server  *testkit.Dovecot
	desktop *openid.Desktop
	dir     string

	mu  sync.Mutex
	all strings.Builder // everything that was printed
}

// tokenLines are the lines of an account of the provider.
func (w *tokenWorld) tokenLines() string {
	return "OAuth custom\nOAuthClientId " + openid.ClientID + "\nOAuthIssuer " + w.idp.Issuer + "\nOAuthScope openid offline_access mail\n"
}

// newTokenWorld makes a world with two messages on the server.
func newTokenWorld(t *testing.T, cfg openid.Config, lines ...string) *tokenWorld {
	t.Helper()
	guard(t, testLimit*4)
	w := &tokenWorld{t: t, idp: openid.Start(t, cfg), dir: t.TempDir()}
	w.server = testkit.StartDovecot(t, testkit.DovecotConfig{OAuth: w.idp.OAuth()})
	w.server.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: one\r\n\r\nHello\r\n"}, testkit.Mail{Body: "Subject: two\r\n\r\nHello\r\n"})
	w.desktop = w.idp.Browser().Desktop(t)
	w.write("ca.pem", string(w.server.CA.PEM()))
	w.configure(lines...)
	return w
}

// configure writes a configuration. The lines are added to the account.
func (w *tokenWorld) configure(lines ...string) {
	w.t.Helper()
	w.write("rc", fmt.Sprintf("IMAPAccount work\nHost localhost\nPort %d\nUser user\nCertificateFile ca.pem\nRetryMax 1\n%s%s\n\n"+
		"IMAPStore far\nAccount work\n\nMaildirStore near\nInbox inbox\nPath near/\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\nSyncState state/\n",
		w.server.Port, w.tokenLines(), strings.Join(lines, "\n")))
}

func (w *tokenWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *tokenWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// tokenFile is where the token is.
func (w *tokenWorld) tokenFile() string { return w.path(".local/state/isync/tokens/work") }

// command prepares a run. Programs that open a page find the desktop.
func (w *tokenWorld) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append([]string{"-c", w.path("rc")}, args...)...)
	cmd.Dir = w.dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "XDG_") && !strings.HasPrefix(name, "SSH_") && name != "HOME" && name != "DISPLAY" && name != "PATH" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+w.dir, "DISPLAY=:99", "PATH="+w.desktop.Path+":"+os.Getenv("PATH"))
	// Without a terminal to ask on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// note keeps what was printed.
func (w *tokenWorld) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.WriteString(text)
}

// run runs the program, which must end with this code and print all of these texts.
func (w *tokenWorld) run(code int, args []string, texts ...string) string {
	w.t.Helper()
	cmd := w.command(args...)
	out, _ := cmd.CombinedOutput()
	w.note(string(out))
	if cmd.ProcessState.ExitCode() != code {
		w.t.Fatalf("%v: exit code %d, want %d:\n%s", args, cmd.ProcessState.ExitCode(), code, out)
	}
	for _, text := range texts {
		if !strings.Contains(string(out), text) {
			w.t.Fatalf("%v does not say %q:\n%s", args, text, out)
		}
	}
	return string(out)
}

// begin starts the program, and passes on what it prints, until end is called.
func (w *tokenWorld) begin(args ...string) (said func() string, end func() int) {
	w.t.Helper()
	cmd := w.command(args...)
	var s screen
	cmd.Stdout, cmd.Stderr = &s, &s
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	var once sync.Once
	end = func() int {
		once.Do(func() {
			select {
			case <-done:
			case <-time.After(testLimit):
				_ = cmd.Process.Kill()
				<-done
				w.t.Errorf("%v does not end:\n%s", args, s.String())
			}
			w.note(s.String())
		})
		return cmd.ProcessState.ExitCode()
	}
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		end()
	})
	return s.String, end
}

// await waits for a condition.
func (w *tokenWorld) await(what string, is func() bool) {
	w.t.Helper()
	for limit := time.Now().Add(testLimit); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			w.t.Fatalf("in vain: %s", what)
		}
	}
}

// authorize logs in at the provider.
func (w *tokenWorld) authorize() {
	w.t.Helper()
	w.run(0, []string{"--auth", "work", "-D"}, "Allow the access in the browser", "work: the token was saved: "+w.tokenFile(), "work: the login to localhost:")
	if v := <-w.desktop.Pages; v.Err != nil || v.Page.Status != http.StatusOK {
		w.t.Errorf("the browser shows %+v, %v", v.Page, v.Err)
	}
}

// silent fails if anything that was printed or written, but the token file, holds a secret
// of the provider.
func (w *tokenWorld) silent(but ...string) {
	w.t.Helper()
	secrets := w.idp.Secrets()
	if len(secrets) < 3 {
		w.t.Fatalf("the provider has only %d secrets", len(secrets))
	}
	w.mu.Lock()
	look := map[string]string{"the output": w.all.String()}
	w.mu.Unlock()
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, b := range append(but, w.tokenFile()) {
			if path == b {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		look[path] = string(data)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for name, text := range look {
		for _, secret := range secrets {
			if secret != "" && strings.Contains(text, secret) {
				w.t.Errorf("%s holds a secret", name)
			}
		}
	}
}

// The account logs in with a token that a browser got, with both mechanisms. An access
// token that the server refuses is refreshed, once. Without consent the error says how to
// log in.
func TestOAuth(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			w := newTokenWorld(t, openid.Config{}, "AuthMechs "+mechanism)
			hint := "hint: log in at the provider: mbsync -c " + w.path("rc") + " --auth work"
			w.run(1, []string{"-a"}, "error: channel 'c': store 'far': login failed: there is no token for IMAPAccount \"work\" yet", hint)
			w.run(0, []string{"--auth-list"}, "work: custom, user, "+w.tokenFile(), "no token; log in with: mbsync -c "+w.path("rc")+" --auth work")
			w.authorize()
			w.run(0, []string{"--auth-list"}, "logged in; the access token is refreshed before ")
			w.run(0, []string{"-a", "-DCdDmMnNs"}, "pulled 2 new message(s)", "AUTHENTICATE "+mechanism)
			if n := w.idp.Stats().Refreshes; n != 0 {
				t.Errorf("refreshed %d times", n)
			}
			for _, name := range []string{w.tokenFile(), filepath.Dir(w.tokenFile())} {
				if fi, err := os.Stat(name); err != nil || fi.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s: %v, %v", name, fi.Mode(), err)
				}
			}

			w.idp.ExpireAccess()
			w.run(0, []string{"-a", "-DN"})
			w.run(0, []string{"-a"})
			if s := w.idp.Stats(); s.Refreshes != 1 || s.Reuses != 0 {
				t.Errorf("%+v", s)
			}

			w.idp.Withdraw("user")
			for range 2 {
				w.run(1, []string{"-a", "-DN"}, "the provider does not accept the stored token of IMAPAccount \"work\" any more: ", "invalid_grant", hint)
			}
			w.authorize()
			w.run(0, []string{"-a"})

			if err := os.Chmod(w.tokenFile(), 0o640); err != nil {
				t.Fatal(err)
			}
			w.run(1, []string{"-a"}, "other users can read or change it (mode 0640)", "hint: to make it private: chmod 600 "+w.tokenFile())
			if err := os.Chmod(w.tokenFile(), 0o600); err != nil {
				t.Fatal(err)
			}
			w.silent()
			w.run(0, []string{"--auth-forget", "work"}, "work: the token was removed")
			w.run(0, []string{"--auth-forget", "work"}, "work: there is no token.")
			w.run(1, []string{"-a"}, "there is no token", hint)
			w.run(1, []string{"--auth", "wor"}, "there is no account 'wor' in ", "hint: did you mean 'work'?")
		})
	}
}

// Trouble of the provider is not a failed login: it is tried again, the stored token stays,
// and a later run works.
func TestOAuthProviderTrouble(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{}, "Retries 1")
	w.authorize()
	const hint = "hint: the provider of the token cannot be reached, or does not work; the stored token is unchanged; try again later"
	before, err := os.ReadFile(w.tokenFile())
	if err != nil {
		t.Fatal(err)
	}
	trouble := func(name, text string, begin func() (end func())) {
		w.idp.ExpireAccess()
		end := begin()
		out := w.run(1, []string{"-a", "-DN"}, "cannot refresh the token: ", text, hint)
		end()
		if strings.Contains(out, "login failed") {
			t.Errorf("%s: it is said to be a failed login:\n%s", name, out)
		}
		if after, err := os.ReadFile(w.tokenFile()); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: the stored token has changed", name)
		}
	}
	for _, f := range []struct {
		name, text string
		fault      openid.Fault
	}{
		{"HTML", "the answer is not an OAuth response", openid.HTML(200)},
		{"HTML 403", "the answer has status 403 and is not an OAuth response", openid.HTML(403)},
		{"503", "the answer has status 503", openid.Failure(503)},
		{"dropped", "EOF", openid.Fault{Drop: true}},
		{"busy", "temporarily_unavailable", openid.Refusal("temporarily_unavailable")},
	} {
		trouble(f.name, f.text, func() func() { return w.idp.Fail(openid.Token, 0, f.fault) })
	}
	// It works again within the run.
	w.idp.ExpireAccess()
	w.idp.Fail(openid.Token, 1, openid.HTML(502))
	w.run(0, []string{"-a"})
	if before, err = os.ReadFile(w.tokenFile()); err != nil {
		t.Fatal(err)
	}
	w.idp.ExpireAccess()
	w.idp.Stop()
	out := w.run(1, []string{"-a"}, "connection refused", hint)
	if strings.Contains(out, "login failed") {
		t.Errorf("it is said to be a failed login:\n%s", out)
	}
	w.idp.Restart(t)
	w.run(0, []string{"-a"})

	w.idp.ExpireAccess()
	w.idp.Fail(openid.Token, 1, openid.Refusal("invalid_client"))
	w.run(1, []string{"-a"}, "cannot refresh the token: invalid_client", "hint: the provider rejected the request: check OAuthClientId")
	w.run(0, []string{"-a"})
	if s := w.idp.Stats(); s.Reuses > 0 {
		t.Errorf("%+v", s)
	}
	w.silent()
}

// Four processes refresh the token of an account at the same time, again and again. Each
// refresh token is used once, so the consent survives.
func TestOAuthManyProcesses(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	w.authorize()
	for round := range 3 {
		w.idp.ExpireAccess()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				cmd := w.command("-a", "-DN")
				// Each has mailboxes of its own.
				rc := strings.ReplaceAll(readFile(t, w.path("rc")), "state/", fmt.Sprintf("state%d/", i))
				rc = strings.ReplaceAll(rc, "Inbox inbox", fmt.Sprintf("Inbox inbox%d", i))
				name := w.path(fmt.Sprintf("rc%d", i))
				if err := os.WriteFile(name, []byte(rc), 0o600); err != nil {
					t.Error(err)
				}
				cmd.Args[2] = name
				out, err := cmd.CombinedOutput()
				w.note(string(out))
				if err != nil {
					t.Errorf("%v:\n%s", err, out)
				}
			})
		}
		wg.Wait()
		good, revoked := w.idp.Families("user")
		if s := w.idp.Stats(); s.Refreshes != round+1 || s.Reuses != 0 || good != 1 || revoked != 0 {
			t.Fatalf("round %d: %+v; %d good, %d revoked", round, s, good, revoked)
		}
	}
	w.silent()
}

// listenUnix listens on a socket, and says nothing to whoever connects.
func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// The token expires while the account is watched, the server closes the connections, and
// the watcher goes on with a new token.
func TestOAuthWatch(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	w.authorize()
	said, end := w.begin("--watch", "-DMns")
	mails := func() int {
		files, _ := filepath.Glob(w.path("inbox/*/*"))
		return len(files)
	}
	w.await("the first messages", func() bool { return mails() == 2 })
	for i := range 2 {
		w.idp.ExpireAccess()
		w.server.Kick(t, "user")
		w.server.Seed(t, "user", "INBOX", testkit.Mail{Body: fmt.Sprintf("Subject: later %d\r\n\r\nHello\r\n", i)})
		w.await("another message", func() bool { return mails() == 3+i })
	}
	if s := w.idp.Stats(); s.Refreshes != 2 || s.Reuses != 0 {
		t.Errorf("%+v", s)
	}
	if text := said(); strings.Contains(text, "login failed") {
		t.Errorf("a failed login was reported:\n%s", text)
	}
	_ = end
	w.note(said())
	w.silent()
}

// The user, or the provider, does not consent; the answer of the browser is not for this
// login.
func TestOAuthNoConsent(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	refusing := w.idp.Browser()
	refusing.Refuse = true
	w.desktop = refusing.Desktop(t)
	w.run(1, []string{"--auth", "work"}, "IMAPAccount \"work\": the provider refused the access: access_denied", "hint: log in again, and allow the access on the page of the provider: mbsync")

	// A wrong state.
	w.desktop.Path = t.TempDir()
	opened := filepath.Join(w.desktop.Path, "opened")
	script := "#!/bin/sh\nprintf %s \"$1\" >" + opened + ".new && mv " + opened + ".new " + opened + "\n"
	if err := os.WriteFile(filepath.Join(w.desktop.Path, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	said, end := w.begin("--auth", "work")
	w.await("the browser", func() bool {
		_, err := os.Stat(opened)
		return err == nil
	})
	port := regexp.MustCompile(`localhost%3A([0-9]+)`).FindStringSubmatch(readFile(t, opened))
	resp, err := http.Get("http://localhost:" + port[1] + "/?code=abc&state=wrong")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if code := end(); code != 1 || resp.StatusCode != http.StatusBadRequest || !strings.Contains(said(), "wrong state") || !strings.Contains(said(), "hint: try again: mbsync ") {
		t.Errorf("exit code %d, status %d:\n%s", code, resp.StatusCode, said())
	}
	if _, err := os.Stat(w.tokenFile()); err == nil {
		t.Error("there is a token")
	}
	w.run(1, []string{"--auth", "work", "--device", "--no-browser"}, "contradict each other")
}

var shownURL = regexp.MustCompile(`https?://127\.0\.0\.1:[0-9]+/\S+`)

// Without a browser the address is shown, with the ssh command for another computer, and the
// address of the last page is pasted. It is not shown.
func TestOAuthNoBrowser(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	for _, args := range [][]string{{"--auth", "work", "--no-browser"}, {"--auth", "work"}} {
		cmd := w.command(args...)
		cmd.Env = append(cmd.Env, "DISPLAY=", "TERM=xterm", "USER=me", "SSH_CONNECTION=192.0.2.1 999 192.0.2.2 22")
		cmd.SysProcAttr = nil
		terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 2000})
		if err != nil {
			t.Skipf("no pseudo terminals: %v", err)
		}
		defer terminal.Close()
		var s screen
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(&s, terminal)
		}()
		w.await("the question", func() bool { return strings.HasSuffix(s.String(), "Address: ") })
		address := shownURL.FindString(s.String())
		last, err := w.idp.Browser().Redirect(address)
		if err != nil {
			t.Fatalf("%v:\n%s", err, s.String())
		}
		if _, err := io.WriteString(terminal, last+"\r"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v:\n%s", err, s.String())
		}
		<-done
		w.note(s.String())
		if text := s.String(); !regexp.MustCompile(`ssh -L ([0-9]+):localhost:[0-9]+ me@192\.0\.2\.2`).MatchString(text) || !strings.Contains(text, "the login to localhost:") {
			t.Errorf("got:\n%s", text)
		}
	}
	w.run(0, []string{"-a"}, "pulled 2 new message(s)")
	w.silent()
}

// A device shows a code, and waits as long as it is told to.
func TestOAuthDevice(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	w.idp.SlowDown(1)
	said, end := w.begin("--auth", "work", "--device", "-DN")
	code := ""
	w.await("the code", func() bool {
		codes := w.idp.UserCodes()
		if len(codes) > 0 && strings.Contains(said(), codes[0]) {
			code = codes[0]
		}
		return code != ""
	})
	w.await("a poll", func() bool { return len(w.idp.Polls(code)) > 0 })
	w.idp.Admit(t, code, "user")
	if got := end(); got != 0 || !strings.Contains(said(), "the login to localhost:") {
		t.Errorf("exit code %d:\n%s", got, said())
	}
	polls := w.idp.Polls(code)
	if len(polls) < 2 || polls[1].Sub(polls[0]) < 5*time.Second {
		t.Errorf("polls at %v", polls)
	}

	said, end = w.begin("--auth", "work", "--device")
	w.await("the code", func() bool { return len(w.idp.UserCodes()) > 0 })
	w.idp.Refuse(t, w.idp.UserCodes()[0])
	if got := end(); got != 1 || !strings.Contains(said(), "access_denied") {
		t.Errorf("exit code %d:\n%s", got, said())
	}
	w.run(0, []string{"-a"}, "pulled 2 new message(s)") // the former token is still there
}

// Tokens in an encrypted file, and with commands.
func TestOAuthStores(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{}, `TokenKeyCmd "echo right"`)
	w.authorize()
	if data := readFile(t, w.tokenFile()); !strings.HasPrefix(data, "age-encryption.org/v1\n") {
		t.Error("the file is not encrypted")
	}
	w.idp.ExpireAccess()
	w.run(0, []string{"-a"}, "pulled 2 new message(s)")
	sealed := readFile(t, w.tokenFile())
	w.configure(`TokenKeyCmd "echo wrong"`)
	w.run(1, []string{"-a"}, "it cannot be decrypted with the passphrase that TokenKeyCmd prints", "hint: make TokenKeyCmd (")
	w.run(1, []string{"--auth", "work"}, "it cannot be decrypted with the passphrase that TokenKeyCmd prints")
	w.configure(`TokenKeyCmd "false"`)
	w.run(1, []string{"-a"}, `command "false": exit status 1`, "hint: run the command of TokenKeyCmd (")
	w.configure()
	w.run(1, []string{"-a"}, "it is encrypted, but TokenKeyCmd is not set", "hint: add TokenKeyCmd")
	if readFile(t, w.tokenFile()) != sealed {
		t.Error("the file has changed")
	}

	kept := w.path("kept")
	w.configure("TokenStore cmd", `TokenLoadCmd "cat `+kept+` 2>/dev/null || :"`, `TokenSaveCmd "umask 77; cat >`+kept+`"`)
	w.run(1, []string{"-a"}, "there is no token for IMAPAccount \"work\" yet")
	w.run(0, []string{"--auth", "work"}, "the token was saved: the commands TokenLoadCmd and TokenSaveCmd")
	w.idp.ExpireAccess()
	w.run(0, []string{"-a"})
	w.run(0, []string{"--auth-forget", "work"})
	if text := readFile(t, kept); text != "" {
		t.Errorf("kept: %d bytes", len(text))
	}
	w.silent()
}

// Tokens in the keyring of the system. One that does not answer is given up after five
// seconds.
func TestOAuthKeyring(t *testing.T) {
	t.Parallel()
	ring := testkit.StartKeyring(t)
	w := newTokenWorld(t, openid.Config{}, "TokenStore keyring")
	run := func(bus string, code int, args []string, texts ...string) {
		t.Helper()
		cmd := w.command(args...)
		cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS="+bus)
		begin := time.Now()
		out, _ := cmd.CombinedOutput()
		w.note(string(out))
		if cmd.ProcessState.ExitCode() != code || time.Since(begin) > testLimit {
			t.Errorf("%v: exit code %d after %v:\n%s", args, cmd.ProcessState.ExitCode(), time.Since(begin), out)
		}
		for _, text := range texts {
			if !strings.Contains(string(out), text) {
				t.Errorf("%v does not say %q:\n%s", args, text, out)
			}
		}
	}
	run(ring.Bus, 0, []string{"--auth", "work"}, "the token was saved: the keyring of the system")
	w.idp.ExpireAccess()
	run(ring.Bus, 0, []string{"-a"}, "pulled 2 new message(s)")
	run("unix:path=/nonexistent", 1, []string{"-a"}, "the keyring of the system: ", "hint: start a keyring service in this session")

	// A bus that accepts and then says nothing.
	silent := w.path("bus")
	l := listenUnix(t, silent)
	defer l.Close()
	run("unix:path="+silent, 1, []string{"-a"}, "it has not answered within 5 seconds; it may be locked", "hint: unlock the keyring")
	run(ring.Bus, 0, []string{"--auth-forget", "work"}, "the token was removed")
	w.silent()
}

// A process that is killed while it refreshes the token leaves a store that works: the token
// is the former one, or the new one.
func TestOAuthKilled(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, openid.Config{})
	w.authorize()
	before := readFile(t, w.tokenFile())
	w.idp.ExpireAccess()
	mend := w.idp.Fail(openid.Token, 0, openid.Fault{Delay: time.Minute, Status: http.StatusServiceUnavailable})
	cmd := w.command("-a")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.await("room for the new token", func() bool {
		files, _ := filepath.Glob(w.tokenFile() + ".*.new")
		return len(files) == 1
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	mend()
	if readFile(t, w.tokenFile()) != before {
		t.Error("the token has changed")
	}
	w.run(0, []string{"-a"}, "pulled 2 new message(s)")
	if files, _ := filepath.Glob(w.tokenFile() + ".*.new"); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}

	// It was killed before the rename.
	w.idp.ExpireAccess()
	w.run(0, []string{"-a"})
	left := w.tokenFile() + ".ABCDEFGHIJKLMNOPQRSTUVWXYZ.new"
	fresh := readFile(t, w.tokenFile())
	if err := os.Rename(w.tokenFile(), left); err != nil {
		t.Fatal(err)
	}
	w.write(".local/state/isync/tokens/work", before)
	// The former access token has expired, and its refresh token must not be sent.
	w.run(0, []string{"-a"})
	if s := w.idp.Stats(); s.Reuses > 0 || readFile(t, w.tokenFile()) != fresh {
		t.Errorf("the new token was not recovered: %+v", s)
	}
	w.silent()
}

// TestSweepOAuthKill kills processes at random moments of a refresh. The store can always be
// read. If the process was killed after the provider has answered, and before the answer was
// saved, the user has to log in again.
func TestSweepOAuthKill(t *testing.T) {
	end := time.Now().Add(sweep(t) / 4)
	w := newTokenWorld(t, openid.Config{})
	w.authorize()
	kills, lost := 0, 0
	for time.Now().Before(end) {
		w.idp.ExpireAccess()
		cmd := w.command("-a")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(400 * time.Millisecond))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		kills++
		again := w.command("-a")
		out, err := again.CombinedOutput()
		w.note(string(out))
		if err == nil {
			continue
		}
		if !strings.Contains(string(out), "hint: log in at the provider: ") || !strings.Contains(string(out), "invalid_grant") {
			t.Fatalf("after %d kills:\n%s", kills, out)
		}
		lost++
		w.authorize()
	}
	t.Logf("%d kills; the user had to log in again %d times", kills, lost)
	w.silent()
}
