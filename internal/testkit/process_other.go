//go:build !unix

package testkit

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// The servers of the tests do not exist on this system, so these functions only have to compile.

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
