package transport

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"syscall"
)

// shell passes the quotes in the command on unchanged.
func shell(command string) *exec.Cmd {
	cmd := exec.Command("cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /s /c "` + command + `"`}
	return cmd
}

// separate does nothing: this system has no process groups.
func separate(*exec.Cmd) bool { return false }

// startTunnel starts the command with one end of an in-memory pipe as input and output, and
// returns the other end. The pipe supports deadlines. Goroutines of package exec copy the data;
// they end when that end is closed after the command has ended.
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

// lineIsDown reports whether an error means that the other side is gone.
func lineIsDown(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) }

// endProcess kills the command if force is set. Windows has no request to terminate.
func endProcess(cmd *exec.Cmd, _, force bool) {
	if force {
		_ = cmd.Process.Kill()
	}
}
