package hook

import (
	"context"
	"os/exec"
)

// shell returns a command. When ctx ends, it is killed, so there is nothing more to kill.
func shell(ctx context.Context, command string) (cmd *exec.Cmd, kill func()) {
	return exec.CommandContext(ctx, "cmd", "/C", command), func() {}
}
