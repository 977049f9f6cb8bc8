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

// How long the command of a tunnel may take to end by itself after its input
// has been closed, and then after it was asked to end.
const (
	TunnelGrace = 3 * time.Second
	TunnelTerm  = 2 * time.Second
)

// tunnelStderrGrace is how long the standard error of a command that has ended
// may be kept open by others.
const tunnelStderrGrace = time.Second

// A Tunnel is a command that is talked to instead of a server at an address:
// what it reads and writes is the connection.
type Tunnel struct {
	// Command is run by the shell.
	Command string
	// Stderr is where its messages go; nil: nowhere.
	Stderr io.Writer
}

// TunnelError says that the command of a tunnel has ended.
type TunnelError struct {
	Command string
	// Err tells how; nil: successfully.
	Err error
}

func (e *TunnelError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("tunnel %q has ended", e.Command)
	}
	return fmt.Sprintf("tunnel %q has failed: %v", e.Command, e.Err)
}

func (e *TunnelError) Unwrap() error { return e.Err }

// Is tells that a regular end of the command is the end of the connection.
func (e *TunnelError) Is(target error) bool { return target == ErrPeerClosed && e.Err == nil }

// Dial runs the command and returns the connection to it. Close lets the
// command end by itself if it does so in time, else ends it and, with it, all
// of its process group; Wait, a method of the connection, returns when it is
// gone. The group is ours if we have a terminal, since else the command could
// not ask questions there; then only the command itself is ended, and what it
// has started must heed the end of its input.
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

// tunnelConn is the connection to a command. It owns a goroutine, which waits
// for the end of the command.
type tunnelConn struct {
	net.Conn
	other   io.Closer // the command's end, if we hold it
	cmd     *exec.Cmd
	command string
	group   bool // it leads a process group

	closing sync.Once
	closed  chan struct{} // by us
	ended   chan struct{} // the command has
	err     error         // how, once it has

	mu   sync.Mutex
	gone bool
	kill *time.Timer
}

// reap waits for the command.
func (c *tunnelConn) reap() {
	err := c.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it has left something behind, which is its own business
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

// Read implements net.Conn. At the end it tells how the command has ended.
func (c *tunnelConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && err != nil && lineIsDown(err) {
		err = c.ending(io.EOF)
	}
	return n, err
}

// Write implements net.Conn. It, too, tells how the command has ended.
func (c *tunnelConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && lineIsDown(err) {
		err = c.ending(err)
	}
	return n, err
}

// ending tells how the command has ended, once it does not listen or talk any
// more; from that to its end it may take a moment. If it does not end, it
// returns err.
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

// Close implements net.Conn. It does not wait.
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

// endAfter calls end after a while unless the command has ended by then.
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

// Wait returns when the command has ended, which Close leads to.
func (c *tunnelConn) Wait() { <-c.ended }
