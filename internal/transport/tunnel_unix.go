//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
)

func shell(command string) *exec.Cmd { return exec.Command("sh", "-c", command) }

// separate gives the command its own process group, and reports whether it has done so. It does
// not if there is a terminal: a command in another group could not read from it.
func separate(cmd *exec.Cmd) bool {
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0); err == nil {
		_ = tty.Close()
		return false
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return true
}

// startTunnel starts the command with one end of a socket pair as input and output, and returns
// the other end. Unlike a pipe, a socket reports how full its buffers are, and each direction can
// be closed separately.
func startTunnel(cmd *exec.Cmd) (conn net.Conn, other io.Closer, err error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	conn, err = net.FileConn(ours)
	_ = ours.Close() // conn has its own
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	cmd.Stdin, cmd.Stdout = theirs, theirs
	err = cmd.Start()
	_ = theirs.Close() // so does the command
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, nil, nil
}

func socketPair() (a, b *os.File, err error) {
	// Without an atomic close-on-exec for sockets, no process may be started between these calls.
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "tunnel"), os.NewFile(uintptr(fds[1]), "tunnel"), nil
}

// lineIsDown reports whether an error means that the other side is gone. If it left data unread,
// the error is ECONNRESET.
func lineIsDown(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endProcess sends SIGTERM, or SIGKILL if force is set, to the command or to its group.
func endProcess(cmd *exec.Cmd, group, force bool) {
	sig := syscall.SIGTERM
	if force {
		sig = syscall.SIGKILL
	}
	if group {
		_ = syscall.Kill(-cmd.Process.Pid, sig)
		return
	}
	_ = cmd.Process.Signal(sig)
}

// SyscallConn implements syscall.Conn.
func (c *tunnelConn) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn() //nolint:forcetypeassert // see startTunnel
}
