package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ackNow acknowledges received data without the usual delay.
func ackNow(conn net.Conn) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		// TCP_QUICKACK is not permanent: the kernel returns to delayed acknowledgements by
		// itself.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
