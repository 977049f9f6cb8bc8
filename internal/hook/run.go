package hook

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
)

// run runs a command with the system's shell and an input. The end of ctx ends the command; see
// shell.
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
		return nil // a child has its output open, or the input was not read
	}
	return err
}
