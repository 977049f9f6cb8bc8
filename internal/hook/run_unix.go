//go:build unix

package hook

import (
	"context"
	"os/exec"
	"syscall"
)

// shell returns a command in its own process group. The end of ctx sends SIGTERM to the group.
// kill, which is called afterwards, sends SIGKILL.
func shell(ctx context.Context, command string) (cmd *exec.Cmd, kill func()) {
	cmd = exec.CommandContext(ctx, "sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return cmd, func() {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}
