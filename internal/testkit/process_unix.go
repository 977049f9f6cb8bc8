//go:build unix

package testkit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// terminate sends SIGTERM to a process.
func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }

// killGroup kills all processes of a group, if there are any.
func killGroup(group int) error {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// stopGroup suspends all processes of a group, and continueGroup resumes them.
func stopGroup(group int) error { return syscall.Kill(-group, syscall.SIGSTOP) }

func continueGroup(group int) error { return syscall.Kill(-group, syscall.SIGCONT) }

// groupRuns reports whether a process of the group is running. Zombies do not count, because init
// may reap orphans late.
func groupRuns(group int) bool {
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return false
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return true // unknown
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// The format is: pid (name, may contain any bytes) state ppid pgrp …
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && !strings.Contains("ZX", fields[0]) {
			return true
		}
	}
	return false
}

// processGroup returns the group of a process; -1: there is no such process.
func processGroup(pid int) int {
	group, err := syscall.Getpgid(pid)
	if err != nil {
		return -1
	}
	return group
}
