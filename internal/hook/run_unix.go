//go:build unix

package hook

import (
	"context"
	"os/exec"
	"syscall"
)

// shell returns a command in a process group of its own. When ctx ends, the group gets
// SIGTERM. kill, which is called after that, sends it SIGKILL.
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
