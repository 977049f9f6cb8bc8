package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"time"
)

// When a tunnel is closed, its command has TunnelGrace to end by itself after the end of its
// input, and then TunnelTerm to end after SIGTERM.
const (
	TunnelGrace = 3 * time.Second
	TunnelTerm  = 2 * time.Second
)

// tunnelStderrGrace is the time for which other processes may keep the standard error open after
// the command has ended.
const tunnelStderrGrace = time.Second

// A Tunnel is a command that is used instead of a TCP connection. Its standard input and output
// are the connection.
type Tunnel struct {
	// Command is a command line for the shell.
	Command string
	// Stderr receives the standard error of the command; nil: it is discarded.
	Stderr io.Writer
}

// TunnelError reports that the command of a tunnel has ended.
type TunnelError struct {
	Command string
	// Err is the error of the command; nil: it has succeeded.
	Err error
}

func (e *TunnelError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("tunnel %q has ended", e.Command)
	}
	return fmt.Sprintf("tunnel %q has failed: %v", e.Command, e.Err)
}

func (e *TunnelError) Unwrap() error { return e.Err }

// Is reports that a successful end of the command is ErrPeerClosed.
func (e *TunnelError) Is(target error) bool { return target == ErrPeerClosed && e.Err == nil }

// Dial runs the command and returns the connection to it.
//
// Close closes the input of the command. If the command does not end in time, it is terminated
// together with its process group. The connection's method Wait waits for the end of the command.
//
// If there is a terminal, the command has no process group of its own, because it could not read
// from the terminal then. In this case only the command itself is terminated; its children must
// end at the end of their input.
func (t *Tunnel) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	cmd := shell(t.Command)
	cmd.Stderr = t.Stderr
	cmd.WaitDelay = tunnelStderrGrace
	group := separate(cmd)
	conn, other, err := startTunnel(cmd)
	if err != nil {
		return nil, fmt.Errorf("cannot run tunnel %q: %w", t.Command, err)
	}
	c := &tunnelConn{
		Conn: conn, other: other, cmd: cmd, command: t.Command, group: group,
		ended: make(chan struct{}), closed: make(chan struct{}),
	}
	go c.reap()
	return c, nil
}

// tunnelConn is the connection to a command. It owns a goroutine, which waits for the end of the
// command.
type tunnelConn struct {
	net.Conn
	other   io.Closer // the command's end of the connection; nil: only the command has it
	cmd     *exec.Cmd
	command string
	group   bool // the command leads a process group

	closing sync.Once
	closed  chan struct{} // closed by Close
	ended   chan struct{} // closed when the command has ended
	err     error         // error of the command, valid after ended

	mu   sync.Mutex
	gone bool
	kill *time.Timer
}

// reap waits for the end of the command.
func (c *tunnelConn) reap() {
	err := c.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // a child of the command still has its standard error open
	}
	if c.other != nil {
		_ = c.other.Close()
	}
	c.mu.Lock()
	c.gone = true
	if c.kill != nil {
		c.kill.Stop()
	}
	c.mu.Unlock()
	c.err = err
	close(c.ended)
}

// Read implements net.Conn. At the end of the stream, the error is a *TunnelError if the command
// has ended.
func (c *tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && err != nil && lineIsDown(err) {
		err = c.ending(io.EOF)
	}
	return n, err
}

// Write implements net.Conn. If the command has ended, the error is a *TunnelError.
func (c *tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && lineIsDown(err) {
		err = c.ending(err)
	}
	return n, err
}

// ending returns the error of the command after it has closed its end of the connection. The
// command may end a moment later, so ending waits up to a second. If the command does not end by
// then, it returns err.
func (c *tunnelConn) ending(err error) error {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-c.ended:
		return &TunnelError{Command: c.command, Err: c.err}
	case <-c.closed:
	case <-timer.C:
	}
	return err
}

// Close implements net.Conn. It does not wait for the end of the command.
func (c *tunnelConn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
		c.endAfter(TunnelGrace, func() {
			endProcess(c.cmd, c.group, false)
			c.endAfter(TunnelTerm, func() { endProcess(c.cmd, c.group, true) })
		})
	})
	return err
}

// endAfter calls end after the time d, unless the command has ended by then.
func (c *tunnelConn) endAfter(d time.Duration, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.kill = time.AfterFunc(d, func() {
		c.mu.Lock()
		gone := c.gone
		c.mu.Unlock()
		if !gone {
			end()
		}
	})
}

// Wait waits until the command has ended. It must be called after Close.
func (c *tunnelConn) Wait() { <-c.ended }
