//go:build !unix

package testkit

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// The servers that tests start do not exist here, so that nothing of this is
// used in earnest; it ends the one process it knows.

func processAttr() *syscall.SysProcAttr { return nil }

func terminate(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// killGroup ends a process and its children.
func killGroup(pid int) error {
	return exec.Command("taskkill", "/t", "/f", "/pid", strconv.Itoa(pid)).Run()
}

func stopGroup(int) error { return errors.ErrUnsupported }

func continueGroup(int) error { return errors.ErrUnsupported }

func groupRuns(int) bool { return false }

func processGroup(pid int) int { return pid }
