package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput limits what a command may print, in bytes. Tokens take a few
	// thousand.
	maxOutput = 64 << 10
	// killDelay is how long a command may take to end after it was told to.
	killDelay = 2 * time.Second
)

// CommandError tells that a command did not yield a value. It quotes the
// command but nothing of its output.
type CommandError struct {
	Command string // without the leading '+'
	Err     error
}

// Error quotes the command.
func (e *CommandError) Error() string { return fmt.Sprintf("command %q: %v", e.Command, e.Err) }

// Unwrap returns what went wrong.
func (e *CommandError) Unwrap() error { return e.Err }

// What can be wrong with the output of a command.
var (
	ErrNoOutput  = errors.New("it printed nothing")
	ErrEmptyLine = errors.New("the first line of its output is empty")
	errTooMuch   = fmt.Errorf("it printed more than %d bytes", maxOutput)
	errNUL       = errors.New("it printed a NUL byte")
)

// FirstLine runs a command with "sh -c" and returns the first line that it prints. A
// leading '+' says that it talks on the terminal, which it then has to itself. Errors are
// *CommandError.
func (t *Terminal) FirstLine(ctx context.Context, command string) (string, error) {
	out, err := t.run(ctx, command, nil)
	if err == nil {
		out, err = firstLine(out)
		if err != nil {
			err = &CommandError{strings.TrimPrefix(command, "+"), err}
		}
	}
	return string(out), err
}

// Run is like FirstLine, but returns all of the output, which may be empty. The command
// reads input.
func (t *Terminal) Run(ctx context.Context, command string, input []byte) ([]byte, error) {
	return t.run(ctx, command, bytes.NewReader(input))
}

// run runs a command. input replaces the standard input if it is not nil.
func (t *Terminal) run(ctx context.Context, command string, input io.Reader) ([]byte, error) {
	line, interactive := strings.CutPrefix(command, "+")
	if interactive {
		release, err := t.acquire(ctx)
		if err != nil {
			return nil, &CommandError{line, err}
		}
		defer release()
	}
	out, err := t.output(ctx, line, input)
	if err != nil {
		return nil, &CommandError{line, err}
	}
	return out, nil
}

func (t *Terminal) output(ctx context.Context, line string, input io.Reader) ([]byte, error) {
	if input == nil {
		input = t.stdin()
	}
	// One that prints without end is stopped like one that nobody waits for.
	inner, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(inner, "sh", "-c", line)
	// The command stays in our process group: in another one it could not read
	// from the terminal.
	out := limited{full: stop}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, t.stderr()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// It also limits the wait for children that keep the output open.
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.exceeded:
		return nil, errTooMuch
	// With ErrWaitDelay it has succeeded, but left something behind that keeps
	// its output open: an agent for the next time, as a rule.
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, err
	}
	return out.data, nil
}

// firstLine returns the first line without its end. Further lines are ignored:
// an entry of a password manager often has more than the password.
func firstLine(out []byte) ([]byte, error) {
	line, rest, _ := bytes.Cut(out, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0 && len(rest) > 0:
		return nil, ErrEmptyLine
	case len(line) == 0:
		return nil, ErrNoOutput
	case bytes.IndexByte(line, 0) >= 0:
		return nil, errNUL
	}
	return line, nil
}

// limited collects output up to a limit; beyond it, it calls full and fails. It
// must not have a ReadFrom method, which would be used to go around the limit.
type limited struct {
	data     []byte
	full     func()
	exceeded bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.data)+len(p) > maxOutput {
		l.exceeded = true
		l.full()
		return 0, errTooMuch
	}
	l.data = append(l.data, p...)
	return len(p), nil
}
