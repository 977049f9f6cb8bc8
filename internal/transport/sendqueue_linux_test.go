package transport

import (
	"net"
	"testing"
	"time"
)

// TestSendQueue checks that what the peer has not taken is seen.
func TestSendQueue(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if n := sendQueue(client); n != 0 {
		t.Errorf("%d bytes queued before anything was sent", n)
	}
	for total, n := 0, 1; n > 0; total += n {
		_ = client.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if n, _ = client.Write(make([]byte, 1<<20)); total > 100<<20 {
			t.Skip("the peer takes everything unread")
		}
	}
	if sendQueue(client) == 0 {
		t.Error("nothing queued")
	}
	l := &Link{Conn: client}
	if !l.drained() || l.drained() {
		t.Error("progress is not told from standstill")
	}
}
