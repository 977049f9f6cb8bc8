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

// terminate asks a process to end.
func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }

// killGroup ends all processes of a group at once, if there still are any.
func killGroup(group int) error {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// stopGroup suspends all processes of a group, and continueGroup lets them go on.
func stopGroup(group int) error { return syscall.Kill(-group, syscall.SIGSTOP) }

func continueGroup(group int) error { return syscall.Kill(-group, syscall.SIGCONT) }

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
