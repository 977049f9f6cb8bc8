package cli

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// started signals when something was written for the first time that contains
// a text.
type started struct {
	mu   sync.Mutex
	b    strings.Builder
	text string
	once sync.Once
	c    chan struct{}
}

func (s *started) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
	if strings.Contains(s.b.String(), s.text) {
		s.once.Do(func() { close(s.c) })
	}
	return len(p), nil
}

// A signal ends a run that waits for a server, with one word to the user.
func TestSignal(t *testing.T) {
	for sig, said := range map[syscall.Signal]string{syscall.SIGINT: "interrupted", syscall.SIGTERM: "stopped by signal 'terminated'"} {
		srv := testkit.NewScriptServer(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hi\nstall\n")
		w := newWorld(t, far(srv.Port, "TLSType None\nAuthMechs LOGIN"))
		signals := make(chan os.Signal, 2)
		stopped := false
		w.env.Signals = func() (<-chan os.Signal, func()) { return signals, func() { stopped = true } }
		out := &started{text: "LOGIN", c: make(chan struct{})}
		w.env.Stdout = out
		go func() {
			<-out.c
			signals <- sig
		}()
		w.run(128+int(sig), "-a", "-Dn")
		if got := w.err.String(); strings.Contains(got, "error:") || !strings.Contains(got, "mbsync: warning: "+said+"; run mbsync again to continue [interrupted]\n") {
			t.Errorf("%s", got)
		}
		if !stopped {
			t.Error("signals are still expected")
		}
	}
}

// The second signal does not wait for anything.
func TestSecondSignal(t *testing.T) {
	srv := testkit.NewScriptServer(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hi\nstall\n")
	w := newWorld(t, far(srv.Port, "TLSType None\nAuthMechs LOGIN"))
	signals := make(chan os.Signal, 2)
	w.env.Signals = func() (<-chan os.Signal, func()) { return signals, func() {} }
	exited := make(chan int, 1)
	release := make(chan struct{})
	w.env.Exit = func(code int) {
		exited <- code
		<-release
	}
	// A terminal that takes nothing any more keeps the run from ending.
	blocked := &started{text: "LOGIN", c: make(chan struct{})}
	w.env.Stdout, w.env.Stderr = blocked, blocked
	done := make(chan int)
	go func() { done <- Main(w.env, []string{"mbsync", "-c", "rc", "-a", "-Dn"}) }()
	<-blocked.c
	blocked.mu.Lock()
	signals <- syscall.SIGTERM
	signals <- syscall.SIGINT
	select {
	case code := <-exited:
		if code != 128+int(syscall.SIGINT) {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Error("the second signal was not heeded")
	}
	blocked.mu.Unlock()
	close(release)
	if code := <-done; code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}
