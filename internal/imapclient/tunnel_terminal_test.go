//go:build unix

package imapclient

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"isync/internal/transport"
)

// askTunnel, in the environment, makes the test a program that connects through
// a command that asks a question on the terminal.
const askTunnel = "ISYNC_TEST_ASK_TUNNEL"

func init() {
	if os.Getenv(askTunnel) == "" {
		return
	}
	var greeting string
	tun := &transport.Tunnel{
		Command: `printf 'word? ' >/dev/tty; read word </dev/tty; printf '* PREAUTH [CAPABILITY IMAP4rev1] %s\r\n' "$word"; cat >/dev/null`,
		Stderr:  os.Stderr,
	}
	opts := Options{Dial: tun.Dial, Timeout: 10 * time.Second, Hooks: Hooks{Trace: func(_ Direction, line string) { greeting = line }}}
	c, err := Dial(context.Background(), opts)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = c.Close()
	fmt.Println("greeting:", greeting)
	os.Exit(0)
}

// TestTunnelTerminal has a command that asks for something on the terminal, as
// ssh asks for passwords.
func TestTunnelTerminal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), askTunnel+"=1")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("this test needs a terminal: %v", err)
	}
	defer tty.Close()
	var said strings.Builder
	answered := false
	buf := make([]byte, 1024)
	for {
		n, err := tty.Read(buf)
		said.Write(buf[:n])
		if !answered && strings.Contains(said.String(), "word? ") {
			answered = true
			if _, err := tty.WriteString("xyzzy\n"); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break // the terminal is gone
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "greeting: * PREAUTH [CAPABILITY IMAP4rev1] xyzzy") {
		t.Errorf("%v: %q", err, said.String())
	}
}
