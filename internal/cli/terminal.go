package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"isync/internal/auth"
)

// askTerminal asks a question on the terminal that the program was started from,
// wherever its standard streams go.
func askTerminal(ctx context.Context, question string, echo bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", auth.ErrNoPrompt
	}
	defer tty.Close()
	answer, err := askOn(ctx, tty, question, echo)
	if errors.Is(err, errInterrupted) {
		interrupt(ctx)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return answer, err
}

// errInterrupted says that Ctrl-C was the answer.
var errInterrupted = errors.New("interrupted")

// interrupt does to the program what Ctrl-C does to it elsewhere, and waits a
// moment for that to get through.
func interrupt(ctx context.Context) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil || self.Signal(os.Interrupt) != nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// keyboard is what is typed, which notes Ctrl-C: while an answer is being typed
// it is a character like any other.
type keyboard struct {
	*os.File
	interrupted bool
}

func (k *keyboard) Read(p []byte) (int, error) {
	n, err := k.File.Read(p)
	k.interrupted = k.interrupted || bytes.IndexByte(p[:n], 'C'-'@') >= 0
	return n, err
}

// askOn asks on a terminal, which can be one of a test. What is typed shows only
// with echo.
func askOn(ctx context.Context, tty *os.File, question string, echo bool) (answer string, err error) {
	return newConsole(tty).ask(ctx, question, echo)
}

// console is a terminal on which several questions are asked. What is typed ahead is the
// answer to the next one.
type console struct {
	tty   *os.File
	typed *keyboard
	lines *term.Terminal
}

func newConsole(tty *os.File) *console {
	typed := &keyboard{File: tty}
	return &console{tty, typed, term.NewTerminal(typed, "")}
}

// ask asks a question. Between questions, the terminal is in the state in which it was found.
func (c *console) ask(ctx context.Context, question string, echo bool) (answer string, err error) {
	// Not Fd, which would make it impossible to stop reading.
	raw, err := c.tty.SyscallConn()
	if err != nil {
		return "", err
	}
	var old *term.State
	var terr error
	if err := raw.Control(func(fd uintptr) {
		if old, terr = term.MakeRaw(int(fd)); terr == nil {
			if w, h, err := term.GetSize(int(fd)); err == nil && w > 0 && h > 0 {
				_ = c.lines.SetSize(w, h)
			}
		}
	}); err != nil {
		return "", err
	}
	if terr != nil {
		return "", auth.ErrNoPrompt
	}
	defer func() {
		_ = raw.Control(func(fd uintptr) { terr = term.Restore(int(fd), old) })
		if err == nil {
			err = terr
		}
	}()
	defer context.AfterFunc(ctx, func() { _ = c.tty.SetReadDeadline(time.Unix(1, 0)) })()
	if echo {
		c.lines.SetPrompt(question)
		answer, err = c.lines.ReadLine()
	} else {
		answer, err = c.lines.ReadPassword(question)
	}
	switch {
	case ctx.Err() != nil:
		_, _ = io.WriteString(c.tty, "\r\n")
		return "", context.Cause(ctx)
	case errors.Is(err, io.EOF): // Ctrl-C or Ctrl-D
		_, _ = io.WriteString(c.tty, "\r\n")
		if c.typed.interrupted {
			return "", errInterrupted
		}
		return "", errNothingEntered
	}
	return answer, err
}

// errNothingEntered says that Ctrl-D was the answer.
var errNothingEntered = errors.New("nothing was entered")

// hasTerminal reports whether a question can be asked.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}
