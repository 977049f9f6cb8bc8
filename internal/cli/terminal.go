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

// askTerminal asks a question on the controlling terminal, even if the standard streams are
// redirected.
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

// errInterrupted is the error if the user types Ctrl-C.
var errInterrupted = errors.New("interrupted")

// interrupt sends SIGINT to this process, as Ctrl-C usually does, and waits up to a second for
// the end of ctx.
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

// keyboard reads typed input and detects Ctrl-C, which is an ordinary character while an answer
// is typed.
type keyboard struct {
	*os.File
	interrupted bool
}

func (k *keyboard) Read(p []byte) (int, error) {
	n, err := k.File.Read(p)
	k.interrupted = k.interrupted || bytes.IndexByte(p[:n], 'C'-'@') >= 0
	return n, err
}

// askOn asks on tty, which may be the terminal of a test. echo: the typed text is shown.
func askOn(ctx context.Context, tty *os.File, question string, echo bool) (answer string, err error) {
	return newConsole(tty).ask(ctx, question, echo)
}

// console is a terminal for several questions. Input that was typed ahead answers the next
// question.
type console struct {
	tty   *os.File
	typed *keyboard
	lines *term.Terminal
}

func newConsole(tty *os.File) *console {
	typed := &keyboard{File: tty}
	return &console{tty, typed, term.NewTerminal(typed, "")}
}

// ask asks a question. Between questions, the terminal has its original state.
func (c *console) ask(ctx context.Context, question string, echo bool) (answer string, err error) {
	// Fd would make the file blocking, so that reading could not be stopped.
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

// errNothingEntered is the error if the user types Ctrl-D.
var errNothingEntered = errors.New("nothing was entered")

// hasTerminal reports whether there is a controlling terminal.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}
