package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server started by a test, with a process group of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; valid once done is closed
}

// start starts cmd. One goroutine owns the process, on a thread of its own,
// since the death of the thread is what tells the kernel to end the process.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr = processAttr()
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

// kill ends the process and all of its children at once, and returns when none
// of them runs any more.
func (p *process) kill() error {
	group := p.cmd.Process.Pid
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
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

// groupRuns reports whether any process of the group runs. Dead ones do not
// count: whoever inherits orphans may take its time to bury them.
func groupRuns(group int) bool {
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return false
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return true // cannot tell
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// pid (name, which may hold anything) state ppid pgrp …
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && !strings.Contains("ZX", fields[0]) {
			return true
		}
	}
	return false
}

// processGroup returns the group of a process, -1 if there is no such process.
func processGroup(pid int) int {
	group, err := syscall.Getpgid(pid)
	if err != nil {
		return -1
	}
	return group
}
