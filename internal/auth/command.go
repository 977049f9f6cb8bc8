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
	// maxOutput is the maximum output of a command in bytes. Tokens have a few thousand.
	maxOutput = 64 << 10
	// killDelay is the time between SIGTERM and SIGKILL.
	killDelay = 2 * time.Second
)

// CommandError reports that a command returned no value. It quotes the command, but not its
// output.
type CommandError struct {
	Command string // without the leading '+'
	Err     error
}

// Error quotes the command.
func (e *CommandError) Error() string { return fmt.Sprintf("command %q: %v", e.Command, e.Err) }

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// Errors of a command's output.
var (
	ErrNoOutput  = errors.New("it printed nothing")
	ErrEmptyLine = errors.New("the first line of its output is empty")
	errTooMuch   = fmt.Errorf("it printed more than %d bytes", maxOutput)
	errNUL       = errors.New("it printed a NUL byte")
)

// FirstLine runs a command with "sh -c" and returns the first line of its output. A command with
// a leading '+' uses the terminal exclusively. The error is a *CommandError.
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

// Run is like FirstLine, but returns the complete output, which may be empty. input is the
// command's standard input.
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
	// A command with endless output is stopped, too.
	inner, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(inner, "sh", "-c", line)
	// The command stays in the process group of this program. In another one it could not read
	// from the terminal.
	out := limited{full: stop}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, t.stderr()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// WaitDelay also limits the wait for children that keep the output open.
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case out.exceeded:
		return nil, errTooMuch
	// With ErrWaitDelay the command has succeeded, but a child keeps its output open, usually an
	// agent.
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, err
	}
	return out.data, nil
}

// firstLine returns the first line without its line end. An entry of a password manager often has
// further lines.
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

// limited collects output up to a limit. Beyond it, it calls full and fails. It must not have a
// ReadFrom method, which would bypass the limit.
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
