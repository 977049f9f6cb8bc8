package testkit

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

func TestRelayCountsBursts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var echo sync.WaitGroup
	defer echo.Wait()
	echo.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})
	const rtt = 40 * time.Millisecond
	r := StartRelay(t, l.Addr().String(), rtt)
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	buf := make([]byte, 2)
	for range 3 {
		// Two words at once are one burst.
		for range 2 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begin); d < 3*rtt {
		t.Errorf("three round trips took %v, want at least %v", d, 3*rtt)
	}
	_ = c.Close()
	got := r.Take()
	if want := (Traffic{Up: 6, Down: 6, Connections: 1, Bursts: 3}); got != want {
		t.Errorf("relay counted %+v, want %+v", got, want)
	}
}
