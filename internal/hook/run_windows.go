package hook

import (
	"context"
	"os/exec"
)

// shell returns a command. The end of ctx kills it, so kill does nothing.
func shell(ctx context.Context, command string) (cmd *exec.Cmd, kill func()) {
	return exec.CommandContext(ctx, "cmd", "/C", command), func() {}
}
