//go:build unix

package imapclient

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/testkit"
	"isync/internal/transport"
)

// tunnel connects through a command.
func tunnel(t *testing.T, command string, stderr *bytes.Buffer) (*Client, error) {
	t.Helper()
	tun := &transport.Tunnel{Command: command}
	if stderr != nil {
		tun.Stderr = stderr
	}
	c, err := Dial(testContext(t), Options{Dial: tun.Dial, Timeout: 10 * time.Second})
	if c != nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func TestTunnel(t *testing.T) {
	var stderr bytes.Buffer
	c, err := tunnel(t, `echo connecting >&2
		printf '* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n'
		while read tag verb; do
			printf '%s OK done\r\n' "$tag"
			case "$verb" in LOGOUT*) exit 0;; esac
		done`, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Preauth() {
		t.Error("not logged in")
	}
	if err := c.Noop(testContext(t)); err != nil {
		t.Error(err)
	}
	if err := c.Logout(testContext(t)); err != nil {
		t.Error(err)
	}
	if got := stderr.String(); got != "connecting\n" {
		t.Errorf("stderr %q", got)
	}
}

// TestTunnelFails has commands that end, in several ways.
func TestTunnelFails(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		{"at once", "exit 3", `connection lost while waiting for the greeting: tunnel "exit 3" has failed: exit status 3`},
		{"without a reason", "true", `connection lost while waiting for the greeting: tunnel "true" has ended`},
		{"does not exist", "/does/not/exist", `connection lost while waiting for the greeting: tunnel "/does/not/exist" has failed: exit status 127`},
		{"killed", "kill -9 $$", `connection lost while waiting for the greeting: tunnel "kill -9 $$" has failed: signal: killed`},
		{
			"later", `printf '* OK [CAPABILITY IMAP4rev1] hi\r\n'; read x; exit 255`,
			`connection lost while waiting for NOOP: tunnel "printf '* OK [CAPABILITY IMAP4rev1] hi\\r\\n'; read x; exit 255" has failed: exit status 255`,
		},
		{
			"with a goodbye", `printf '* OK [CAPABILITY IMAP4rev1] hi\r\n'; read x; printf '* BYE enough\r\n'; exit 255`,
			`connection lost while waiting for NOOP: server said goodbye: enough`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tunnel(t, tt.command, nil)
			if err == nil {
				err = c.Noop(testContext(t))
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v", err)
			}
		})
	}
}

// gone tells whether a process has ended and was waited for, by us or by init.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err == nil {
		// A child of a child is left to whoever is init here, who may not care.
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(pid, 0) != nil
}

// TestTunnelClose has commands that do not heed the end of their input.
func TestTunnelClose(t *testing.T) {
	for _, tt := range []struct {
		name, command string
		atLeast, most time.Duration
	}{
		{"obedient", `cat >/dev/null`, 0, 2 * time.Second},
		{"deaf", `sleep 1000 & echo $! >$F; wait`, transport.TunnelGrace, transport.TunnelGrace + 2*time.Second},
		{"stubborn", `trap '' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID') >$F; while :; do sleep 1000; done) & wait; wait; sleep 1000`, transport.TunnelGrace + transport.TunnelTerm, transport.TunnelGrace + transport.TunnelTerm + 2*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			c, err := tunnel(t, `printf '* OK [CAPABILITY IMAP4rev1] hi\r\n'; echo $$ >'`+file+`.main'; `+strings.ReplaceAll(tt.command, "$F", "'"+file+"'"), nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // for the files
			start := time.Now()
			_ = c.Close()
			if took := time.Since(start); took < tt.atLeast || took > tt.most {
				t.Errorf("took %v", took)
			}
			if hasTerminal() {
				return // those that it has started are not ours to end then
			}
			for _, name := range []string{file, file + ".main"} {
				data, err := os.ReadFile(name)
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
				if err != nil {
					t.Fatal(err)
				}
				for range 50 {
					if gone(pid) {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				if !gone(pid) {
					t.Errorf("%s: process %d is still there", filepath.Base(name), pid)
				}
			}
		})
	}
}

func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		_ = tty.Close()
	}
	return err == nil
}

// TestTunnelProgress checks that the timeout of a tunnel is about progress.
func TestTunnelProgress(t *testing.T) {
	tun := &transport.Tunnel{Command: `printf '* OK [CAPABILITY IMAP4rev1] hi\r\n'; read tag x
		printf '* 1 FETCH (UID 1 BODY[] {10}\r\n'
		for i in 1 2 3 4 5 6 7 8 9 0; do sleep 0.15; printf $i; done
		printf ')\r\n%s OK\r\n' $tag
		read x; sleep 1000`}
	const limit = 600 * time.Millisecond
	c, err := Dial(testContext(t), Options{Dial: tun.Dial, Timeout: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := ""
	err = c.Fetch(testContext(t), FetchRequest{UIDs: mail.NewUIDSet(1), Body: FullBody}, func(m *Message) error {
		var b bytes.Buffer
		_, err := b.ReadFrom(m.Body)
		got = b.String()
		return err
	})
	if err != nil || got != "1234567890" {
		t.Errorf("%q, %v", got, err)
	}
	wantTimeout(t, c.Noop(testContext(t)), "NOOP", limit)
}

// TestTunnelTLS encrypts what goes through a command, both ways.
func TestTunnelTLS(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{RequireTLS: true})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := transport.TLSOptions{ServerName: d.Host, PEM: d.CA.PEM()}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for security, addr := range map[Security]string{StartTLS: d.Addr(), ImplicitTLS: d.TLSAddr()} {
		tun := &transport.Tunnel{Command: "exec env " + pipeTo + "=" + addr + " " + self, Stderr: os.Stderr}
		c, err := Dial(testContext(t), Options{Dial: tun.Dial, Security: security, TLS: cfg, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if !c.Secure() {
			t.Error("not encrypted")
		}
		if err := c.Login(testContext(t), "user", testkit.Password); err != nil {
			t.Error(err)
		}
		if err := c.Logout(testContext(t)); err != nil {
			t.Error(err)
		}
	}
}

// TestTunnelDovecot talks to a server that is run for us alone.
func TestTunnelDovecot(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{})
	c, err := tunnel(t, d.Tunnel(t, "user"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Preauth() {
		t.Error("not logged in")
	}
	converse(testContext(t), t, c)
	if err := c.Logout(testContext(t)); err != nil {
		t.Error(err)
	}
}
