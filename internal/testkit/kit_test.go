package testkit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a testing.TB that remembers failures instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) finish() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

const greetingScript = `
	# a conversation
	S: * OK hello
	C: $a LOGIN user "p$$"
	S: $a OK in
	C~ (?P<b>\S+) APPEND "x y" .* \{5\}
	S: + go ahead
	L: ab cd
	C:
	S: $b OK [APPENDUID 1 2] done
	C: $c APPEND x {3+}
	L= "\x00\r\n"
	C: ""
	S= "$c NO\r\n"
	C: $d LOGOUT
	S: $d OK bye
	close
`

func TestScript(t *testing.T) {
	conn := ScriptConn(t, greetingScript)
	r := bufio.NewReader(conn)
	if l, err := r.ReadString('\n'); err != nil || l != "* OK hello\r\n" {
		t.Fatalf("%q, %v", l, err)
	}
	got := talk(t, conn, r, `a1 LOGIN user "p$"`)
	if _, err := io.WriteString(conn, "a2 APPEND \"x y\" (\\Seen) {5}\r\n"); err != nil {
		t.Fatal(err)
	}
	if l, err := r.ReadString('\n'); err != nil || l != "+ go ahead\r\n" {
		t.Fatalf("%q, %v", l, err)
	}
	if _, err := io.WriteString(conn, "ab cd\r\n"); err != nil {
		t.Fatal(err)
	}
	l, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	got += l + talk(t, conn, r, "a3 APPEND x {3+}\r\n\x00\r\n\"\"", "a4 LOGOUT")
	if want := "a1 OK in\r\na2 OK [APPENDUID 1 2] done\r\na3 NO\r\na4 OK bye\r\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestScriptFailures(t *testing.T) {
	for _, c := range []struct{ name, script, send, want string }{
		{"other line", "C: $a NOOP\nS: $a OK", "1 NOPE\r\n", `the client sent "1 NOPE"`},
		{"other tag", "C: $a NOOP\nC: $a NOOP", "1 NOOP\r\n2 NOOP\r\n", `line 2 (C: $a NOOP): the client sent "2 NOOP"`},
		{"bare LF", "C: $a NOOP", "1 NOOP\n", "without CR"},
		{"cut", "C: $a NOOP", "1 NO", `the client sent "1 NO", then`},
		{"too much", "C: $a NOOP", "1 NOOP\r\n2 NOOP\r\n", `after its end: the client sent "2 NOOP`},
		{"other literal", "C~ .*\nL: ab", "1 X {2+}\r\nxy\r\n", `the literal is "xy"`},
		{"no literal", "C~ .*\nL: ab", "1 X\r\nxy\r\n", `announces no literal`},
		{"short literal", "C~ .*\nL: ab", "1 X {2+}\r\nx", `1 of 2 bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			conn := ScriptConn(rec, c.script)
			go func() {
				// The server may hang up before it has read everything.
				_, _ = io.WriteString(conn, c.send)
				conn.Close()
			}()
			_, _ = io.Copy(io.Discard, conn)
			rec.finish()
			if len(rec.errors) != 1 || !strings.Contains(rec.errors[0], c.want) {
				t.Errorf("errors %q, want %q", rec.errors, c.want)
			}
		})
	}
}

func TestScriptServer(t *testing.T) {
	rec := &recorder{TB: t}
	s := NewScriptServer(rec, nil, "S: * OK one", "S: * OK two\nstall", "S: * OK never")
	for _, want := range []string{"* OK one\r\n", "* OK two\r\n"} {
		conn, r := dial(t, s.Addr())
		if l, err := r.ReadString('\n'); err != nil || l != want {
			t.Errorf("%q, %v", l, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := r.ReadString('\n'); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("not silent: %v", err)
		}
		conn.Close()
	}
	rec.finish()
	if len(rec.errors) != 1 || !strings.Contains(rec.errors[0], "2 connections, there are 3 scripts") {
		t.Errorf("errors %q", rec.errors)
	}
}

func TestFaultyConn(t *testing.T) {
	pair := func(t *testing.T, f Faults) (conn, other net.Conn) {
		a, b := net.Pipe()
		conn = FaultyConn(a, f)
		t.Cleanup(func() {
			conn.Close()
			b.Close()
		})
		return conn, b
	}
	feed := func(c net.Conn) {
		// Ends with an error where the connection is cut.
		_, _ = io.WriteString(c, "0123456789")
		c.Close()
	}
	t.Run("one byte", func(t *testing.T) {
		c, o := pair(t, Faults{MaxRead: 1})
		go feed(o)
		var buf [5]byte
		if n, err := c.Read(buf[:]); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if rest, err := io.ReadAll(c); string(rest) != "123456789" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
	t.Run("cut reading", func(t *testing.T) {
		c, o := pair(t, Faults{CutRead: 4})
		go feed(o)
		if got, err := io.ReadAll(c); string(got) != "0123" || !errors.Is(err, ErrCut) {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("cut writing", func(t *testing.T) {
		c, o := pair(t, Faults{CutWrite: 4, MaxWrite: 3})
		var got []byte
		var wg sync.WaitGroup
		wg.Go(func() { got, _ = io.ReadAll(o) })
		if n, err := io.WriteString(c, "0123456789"); n != 4 || !errors.Is(err, ErrCut) {
			t.Errorf("%d, %v", n, err)
		}
		wg.Wait()
		if string(got) != "0123" {
			t.Errorf("%q", got)
		}
	})
	t.Run("stall", func(t *testing.T) {
		c, o := pair(t, Faults{StallRead: 4})
		go func() { _, _ = io.WriteString(o, "0123456789") }()
		var buf [10]byte
		if n, err := io.ReadFull(c, buf[:4]); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buf[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestMbsync(t *testing.T) {
	m := FindMbsync(t)
	if m.Version == "" {
		t.Error("no version")
	}
	d := StartDovecot(t, DovecotConfig{})
	d.Seed(t, "user", "INBOX", Mail{Body: "Subject: one\r\n\r\nx\r\n", Flags: []string{`\Seen`}}, Mail{Body: "Subject: two\r\n\r\nx\r\n"})
	home := t.TempDir()
	config := fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPass %q\nSSLType None\n\n"+
		"MaildirStore near\nPath ~/mail/\nInbox ~/mail/inbox\n\n"+
		"Channel c\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n", d.Host, d.Port, Password)
	if err := os.Mkdir(filepath.Join(home, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := m.Run(t, home, config, "-a")
	if r.ExitCode != 0 {
		t.Fatalf("exit code %d\n%s", r.ExitCode, r.Stderr)
	}
	files, err := filepath.Glob(filepath.Join(home, "mail/inbox/*/*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%q, %v", files, err)
	}
	if r := m.Run(t, home, "Nonsense yes\n", "-a"); r.ExitCode != 1 || !strings.Contains(r.Stderr, "Nonsense") {
		t.Errorf("a bad configuration: %+v", r)
	}
	if got := d.Contents(t, "user", "INBOX"); len(got) != 2 || got[1].Body != "Subject: one\r\n\r\nx\r\n" {
		t.Errorf("on the server: %v", got)
	}
}

// talk sends lines, each after the tagged answer to the one before, and returns
// all answers.
func talk(t *testing.T, conn net.Conn, r *bufio.Reader, lines ...string) string {
	t.Helper()
	var all strings.Builder
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(conn, "%s\r\n", l); err != nil {
			t.Fatal(err)
		}
		tag, _, _ := strings.Cut(l, " ")
		for {
			answer, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("after %q: %v", l, err)
			}
			all.WriteString(answer)
			if strings.HasPrefix(answer, tag+" ") {
				break
			}
		}
	}
	return all.String()
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}
