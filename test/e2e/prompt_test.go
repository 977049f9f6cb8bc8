//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"isync/internal/testkit"
)

// screen collects what a program writes to its terminal.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Without user name and password in the configuration, the program asks for both
// on its terminal, once, wherever its standard input is; the password does not
// show. Two stores share the account.
func TestQuestions(t *testing.T) {
	w := newWorld(t, setup{})
	w.server.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"})
	w.configure(fmt.Sprintf("IMAPAccount acc\nHost localhost\nPort %d\nCertificateFile ca.pem\n\n", w.server.Port) +
		"IMAPStore far\nAccount acc\n\nIMAPStore far2\nAccount acc\n\nMaildirStore near\nInbox inbox\n\nMaildirStore near2\nInbox inbox2\n\n" +
		"Channel c\nFar :far:\nNear :near:\nCreate Near\nSyncState state/1\n\nChannel c2\nFar :far2:\nNear :near2:\nCreate Near\nSyncState state/2\n")
	cmd := exec.Command(binary, "-c", w.rcFile(), "-a", "-V")
	cmd.Env, cmd.Dir = append(w.env(), "TERM=xterm"), w.dir
	terminal, err := pty.Start(cmd)
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
	answer := func(question, text string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for !strings.HasSuffix(strings.TrimRight(s.String(), " \r\n"), strings.TrimRight(question, " ")) {
			if time.Now().After(deadline) {
				_ = cmd.Process.Kill()
				t.Fatalf("no question %q:\n%s", question, &s)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := io.WriteString(terminal, text+"\r"); err != nil {
			t.Fatal(err)
		}
	}
	answer("User name (acc/localhost): ", "user")
	answer("Password (acc/localhost): ", testkit.Password)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &s)
	}
	<-done
	for _, want := range []string{"pulled 2 new message(s)", "(acc/localhost): user"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("no %q in:\n%s", want, &s)
		}
	}
	if n := strings.Count(s.String(), "acc/localhost"); n < 2 || strings.Count(s.String(), "Password (") != 1 {
		t.Errorf("%d questions:\n%s", n, &s)
	}
	if strings.Contains(s.String(), testkit.Password) {
		t.Errorf("the password shows:\n%s", &s)
	}
}

// Without a terminal there is an error that says what to add.
func TestNobodyToAsk(t *testing.T) {
	w := newWorld(t, setup{})
	for _, tt := range []struct{ line, want string }{
		{"", "no user name is configured\nhint: add a line User, or UserCmd with a command that prints the user name, to IMAPStore \"far\" ("},
		{"User user\n", "no password is configured, and there is no terminal to ask for one\nhint: add a line PassCmd, with a command that prints the password, to IMAPStore \"far\" ("},
	} {
		w.configure(fmt.Sprintf("IMAPStore far\nHost localhost\nPort %d\nCertificateFile ca.pem\n%s\nMaildirStore near\nInbox inbox\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\n", w.server.Port, tt.line))
		cmd := exec.Command(binary, "-c", w.rcFile(), "-a")
		cmd.Env, cmd.Dir = w.env(), w.dir
		// A session of its own has no terminal.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
