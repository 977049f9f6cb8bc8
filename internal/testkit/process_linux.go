package testkit

import "syscall"

// processAttr puts a server into a process group of its own, and makes the
// kernel end it when the thread that started it ends, so that nothing survives
// a test binary that was killed.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
