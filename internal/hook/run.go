package hook

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
)

// run runs a command for the shell of the system, with input. When ctx ends, the command is
// ended; see shell.
func run(ctx context.Context, command string, env []string, input io.Reader, output io.Writer) error {
	cmd, kill := shell(ctx, command)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, input, output, output
	cmd.WaitDelay = endDelay
	err := cmd.Run()
	if ctx.Err() != nil {
		kill()
		return err
	}
	if errors.Is(err, exec.ErrWaitDelay) || errors.Is(err, syscall.EPIPE) {
		return nil // a child still has its output open, or it has not read its input
	}
	return err
}
