package cli

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// openTerminal returns both ends of a pseudo terminal.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	// As /dev/tty would be: so that waiting for it can be ended.
	again, err := os.OpenFile(tty.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		again.Close()
		tty.Close()
		keyboard.Close()
	})
	return keyboard, again
}

func TestAskTerminal(t *testing.T) {
	keyboard, tty := openTerminal(t)
	screen := bufio.NewReader(keyboard)
	ask := func(ctx context.Context, input string) (string, error) {
		t.Helper()
		type answer struct {
			text string
			err  error
		}
		c := make(chan answer)
		go func() {
			text, err := askOn(ctx, tty, "Password: ", false)
			c <- answer{text, err}
		}()
		if shown, err := screen.ReadString(':'); err != nil || !strings.HasSuffix(shown, "Password:") {
			t.Fatalf("%q, %v", shown, err)
		}
		if _, err := keyboard.WriteString(input); err != nil {
			t.Fatal(err)
		}
		a := <-c
		return a.text, a.err
	}
	if got, err := ask(t.Context(), "pass wörd\x7fd\r"); err != nil || got != "pass wörd" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := ask(t.Context(), "abc\x03"); !errors.Is(err, errInterrupted) || got != "" {
		t.Errorf("%q, %v after Ctrl-C", got, err)
	}
	if got, err := ask(t.Context(), "\x04"); err == nil || errors.Is(err, errInterrupted) {
		t.Errorf("%q, %v after Ctrl-D", got, err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(stop) })
	if got, err := ask(ctx, "half"); !errors.Is(err, stop) {
		t.Errorf("%q, %v", got, err)
	}
	// What was typed is not on the screen.
	go func() { _, _ = tty.WriteString("end\n") }()
	rest, err := screen.ReadString('d')
	if err != nil || strings.Contains(rest, "wor") || strings.Contains(rest, "abc") {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestAskWithoutTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got, err := askOn(t.Context(), r, "?", false); err == nil {
		t.Errorf("%q", got)
	}
}
