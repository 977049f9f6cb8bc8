package testkit

import "syscall"

// processAttr gives a server its own process group. It also makes the kernel end the server with
// the thread that started it, so that no server survives a killed test binary.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
