package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendQueue returns the number of bytes in the kernel that are not yet sent or not yet
// acknowledged; 0: unknown.
func sendQueue(conn net.Conn) int {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = v
		}
	})
	return n
}
