package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValues(t *testing.T) {
	pass := func(s string) func() string { return func() string { return s } }
	tests := []struct {
		name       string
		src        Source
		user, pass string // what is yielded, or the end of an error after "error:"
	}{
		{"fixed", Source{User: "me", Pass: pass("x")}, "me", "x"},
		{"empty password", Source{User: "me", Pass: pass("")}, "me", ""},
		{"nothing", Source{}, "error:no user name is configured", "error:" + ErrNoPrompt.Error()},
		{"commands", Source{UserCmd: "echo me", PassCmd: `printf 'a "b" \\ '`}, "me", `a "b" \ `},
		{"shell", Source{UserCmd: "x=1; echo $((x+1)) | cat", PassCmd: "if true; then echo yes; fi"}, "2", "yes"},
		{"DOS line", Source{UserCmd: `printf 'me\r\n'`, PassCmd: `printf 'a\rb'`}, "me", "a\rb"},
		{"UTF-8", Source{UserCmd: "printf 'j\\303\\266'", PassCmd: "+echo p"}, "j\u00f6", "p"},
		{"silent", Source{UserCmd: "true", PassCmd: "echo"}, `error:command "true": it printed nothing`, `error:command "echo": it printed nothing`},
		{"lines", Source{UserCmd: `printf 'a\nb'`, PassCmd: `echo a; echo`}, "a", "a"},
		{"an entry of pass", Source{UserCmd: `printf 'me\r\nurl: x\n'`, PassCmd: `printf 'secret\nlogin: me\n\0\n'`}, "me", "secret"},
		{"empty first line", Source{UserCmd: `printf '\nme\n'`, PassCmd: `printf '\r\n\n'`}, `error:the first line of its output is empty`, `error:the first line of its output is empty`},
		{"NUL in the first line", Source{UserCmd: `printf 'm\0e\nx'`, Pass: pass("x")}, `error:it printed a NUL byte`, "x"},
		{"status", Source{UserCmd: "echo a; exit 3", PassCmd: "+no-such-command-here 2>/dev/null"}, `error:command "echo a; exit 3": exit status 3`, `error:command "no-such-command-here 2>/dev/null": exit status 127`},
		{"signal", Source{UserCmd: "kill -9 $$", PassCmd: `printf 'a\0b'`}, `error:signal: killed`, `error:it printed a NUL byte`},
		{"too much", Source{UserCmd: "head -c 70000 /dev/zero", PassCmd: "yes"}, `error:it printed more than 65536 bytes`, `error:it printed more than 65536 bytes`},
		{"as much as there may be", Source{UserCmd: "head -c 60000 /dev/zero | tr '\\0' x", Pass: pass("x")}, strings.Repeat("x", 60000), "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.src.Account = "acc"
			c := NewCredentials(tt.src)
			user, err := c.User(t.Context())
			check(t, "user name", user, err, tt.user)
			password, err := c.Password(t.Context())
			check(t, "password", password, err, tt.pass)
		})
	}
}

func check(t *testing.T, what, got string, err error, want string) {
	t.Helper()
	if end, ok := strings.CutPrefix(want, "error:"); ok {
		if err == nil || !strings.HasSuffix(err.Error(), end) || !strings.HasPrefix(err.Error(), "cannot get the "+what+" of acc: ") || got != "" {
			t.Errorf("%s: got %q, %v; want error %q", what, got, err, end)
		}
		return
	}
	if err != nil || got != want {
		t.Errorf("%s: got %q, %v; want %q", what, got, err, want)
	}
}

// TestOutputDoesNotShow: whatever goes wrong, the output is not in the error.
func TestOutputDoesNotShow(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	for _, body := range []string{"echo hunter2; exit 1", "echo; echo hunter3", "printf 'hunter2\\0x'", "while :; do echo hunter2; done", "echo hunter2; kill -15 $$"} {
		if err := os.WriteFile(script, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewCredentials(Source{PassCmd: "sh " + script}).Password(t.Context())
		if err == nil || !strings.Contains(err.Error(), script) {
			t.Errorf("%s: %v", body, err)
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			t.Error("the error carries output")
		}
		if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, "hunter") {
			t.Errorf("%s: %s", body, s)
		}
	}
	c := NewCredentials(Source{Account: "acc", PassCmd: "printf %s%s hunt er2"})
	if p, err := c.Password(t.Context()); err != nil || p != "hunter2" {
		t.Fatal(p, err)
	}
	holder := struct{ c *Credentials }{c}
	for _, x := range []any{c, holder, &holder, []*Credentials{c}} {
		if s := fmt.Sprintf("%v %+v %#v %s", x, x, x, x); strings.Contains(s, "hunter2") {
			t.Errorf("shows: %s", s)
		}
	}
}

func TestOnce(t *testing.T) {
	counter := filepath.Join(t.TempDir(), "n")
	for _, end := range []string{"echo x", "exit 1"} {
		c := NewCredentials(Source{PassCmd: fmt.Sprintf("echo >>%s; sleep 0.05; %s", counter, end)})
		var wg sync.WaitGroup
		results := make([]string, 20)
		for i := range results {
			wg.Go(func() {
				p, err := c.Password(t.Context())
				results[i] = fmt.Sprint(p, err)
			})
		}
		wg.Wait()
		for _, r := range results {
			if r != results[0] {
				t.Errorf("%q and %q", r, results[0])
			}
		}
		n, err := os.ReadFile(counter)
		if err != nil || len(n) != 1 {
			t.Errorf("%s: run %d times", end, len(n))
		}
		if err := os.Remove(counter); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	// The command blocks the first time only.
	command := fmt.Sprintf("cd %s; if mkdir started 2>/dev/null; then exec sleep 60; fi; echo x", dir)
	c := NewCredentials(Source{PassCmd: command})
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := c.Password(ctx)
		first <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command was not started")
		}
	}
	// One who waits for the result can give up too.
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := c.Password(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	start := time.Now()
	cancel(cause)
	if err := <-first; !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v to stop", d)
	}
	// That somebody gave up is not remembered.
	if p, err := c.Password(t.Context()); p != "x" || err != nil {
		t.Errorf("got %q, %v", p, err)
	}
	// An ended context starts nothing.
	c = NewCredentials(Source{PassCmd: "touch " + filepath.Join(dir, "wrong")})
	if _, err := c.Password(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "wrong")); err == nil {
		t.Error("a command was run")
	}
}

// TestChildKeepsOutput: a command that leaves an agent behind does not hang.
func TestChildKeepsOutput(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	c := NewCredentials(Source{PassCmd: "echo x; sleep 60 & echo $! >" + pidFile})
	start := time.Now()
	p, err := c.Password(t.Context())
	if p != "x" || err != nil {
		t.Errorf("got %q, %v", p, err)
	}
	if d := time.Since(start); d > killDelay+10*time.Second {
		t.Errorf("took %v", d)
	}
	var pid int
	data, err := os.ReadFile(pidFile)
	if _, scanErr := fmt.Sscan(string(data), &pid); err != nil || scanErr != nil {
		t.Fatal(err, scanErr)
	}
	if proc, err := os.FindProcess(pid); err == nil {
		_ = proc.Kill()
	}
}

// fakeTerminal records what happens on the terminal and finds out if two have it
// at the same time.
type fakeTerminal struct {
	mu     sync.Mutex
	log    []string
	inside atomic.Int32
	t      *testing.T
}

func (f *fakeTerminal) add(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, s)
}

func (f *fakeTerminal) suspend() func() {
	if f.inside.Add(1) != 1 {
		f.t.Error("two at the same time")
	}
	f.add("suspend")
	return func() {
		f.add("resume")
		f.inside.Add(-1)
	}
}

func TestTerminal(t *testing.T) {
	f := &fakeTerminal{t: t}
	term := &Terminal{
		Suspend: f.suspend,
		Prompt: func(_ context.Context, question string, _ bool) (string, error) {
			f.add(question)
			time.Sleep(time.Millisecond)
			return "p", nil
		},
	}
	c := NewCredentials(Source{Account: "acc", UserCmd: "echo u", Terminal: term})
	for range 2 {
		if u, err := c.User(t.Context()); u != "u" || err != nil {
			t.Error(u, err)
		}
		if p, err := c.Password(t.Context()); p != "p" || err != nil {
			t.Error(p, err)
		}
	}
	if got, want := strings.Join(f.log, "|"), "suspend|Password (acc): |resume"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.log = nil
	var wg sync.WaitGroup
	for i := range 10 {
		src := Source{Account: "x", Terminal: term}
		if i%2 == 0 {
			src.PassCmd = "+sleep 0.01; echo p"
		}
		wg.Go(func() {
			if p, err := NewCredentials(src).Password(t.Context()); p != "p" || err != nil {
				t.Error(p, err)
			}
		})
	}
	wg.Wait()
	if got, want := len(f.log), 25; got != want {
		t.Errorf("%d entries, want %d: %v", got, want, f.log)
	}
	// Failures: of the question, of the answer.
	term = &Terminal{Prompt: func(context.Context, string, bool) (string, error) { return "", nil }}
	if _, err := NewCredentials(Source{Account: "a", Terminal: term}).Password(t.Context()); err == nil {
		t.Error("an empty answer was taken")
	}
	wrong := errors.New("no tty")
	term = &Terminal{Prompt: func(context.Context, string, bool) (string, error) { return "x", wrong }}
	if p, err := NewCredentials(Source{Account: "a", Terminal: term}).Password(t.Context()); !errors.Is(err, wrong) || p != "" {
		t.Error(p, err)
	}
}

// TestInheritedStreams: a command reads the standard input and may complain.
func TestInheritedStreams(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	complaints, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer complaints.Close()
	c := NewCredentials(Source{PassCmd: "+read x; echo $x; echo Enter: >&2", Terminal: &Terminal{Stdin: r, Stderr: complaints}})
	if p, err := c.Password(t.Context()); p != "typed" || err != nil {
		t.Error(p, err)
	}
	if data, err := os.ReadFile(complaints.Name()); err != nil || !bytes.Equal(data, []byte("Enter:\n")) {
		t.Errorf("got %q, %v", data, err)
	}
}
