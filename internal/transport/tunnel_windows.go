package transport

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"syscall"
)

// shell leaves the quotes in the command alone.
func shell(command string) *exec.Cmd {
	cmd := exec.Command("cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /s /c "` + command + `"`}
	return cmd
}

// separate does nothing: there are no process groups.
func separate(*exec.Cmd) bool { return false }

// startTunnel starts the command with one end of a pipe in memory, which has
// deadlines, for input and output, and returns the other end. Goroutines of
// package exec copy what comes; they end when that end is closed, after the
// command has ended.
func startTunnel(cmd *exec.Cmd) (conn net.Conn, other io.Closer, err error) {
	ours, theirs := net.Pipe()
	cmd.Stdin, cmd.Stdout = theirs, theirs
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// lineIsDown tells whether an error means that the other side is gone.
func lineIsDown(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) }

// endProcess ends the command; there is no way to ask it.
func endProcess(cmd *exec.Cmd, _, force bool) {
	if force {
		_ = cmd.Process.Kill()
	}
}
