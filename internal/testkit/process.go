package testkit

import (
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// process is a server with its own process group.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // result of Wait; valid after done
}

// start starts cmd. One goroutine, locked to its thread, owns the process, because the kernel
// ends the process together with that thread.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = processAttr()
		}
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and all of its children at once, and waits for their end.
func (p *process) kill() error {
	group := p.cmd.Process.Pid
	if err := killGroup(group); err != nil {
		return err
	}
	<-p.done
	deadline := time.Now().Add(10 * time.Second)
	for groupRuns(group) {
		if time.Now().After(deadline) {
			return fmt.Errorf("children of %s (process %d) do not end", p.cmd.Path, group)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}
