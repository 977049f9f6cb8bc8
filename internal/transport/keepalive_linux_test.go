package transport

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKeepAlive: the kernel finds out within two minutes that a silent peer is gone.
func TestKeepAlive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := DialTCP(t.Context(), "127.0.0.1", l.Addr().(*net.TCPAddr).Port, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	get := func(level, opt int) (n int) {
		cerr := raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), level, opt) })
		if cerr != nil || err != nil {
			t.Fatal(cerr, err)
		}
		return n
	}
	on := get(unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	idle, every, count := get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
	if on == 0 || idle != 60 || every != 15 || count != 4 {
		t.Error(on, idle, every, count)
	}
}
