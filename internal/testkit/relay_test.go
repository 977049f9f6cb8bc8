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

func TestRelayLimitsRate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const size = 100 << 10
	var server sync.WaitGroup
	defer server.Wait()
	for range 2 {
		server.Go(func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Write(make([]byte, size))
		})
	}
	r := StartRelay(t, l.Addr().String(), 0)
	const rate = 8 << 20
	r.SetRate(rate)
	begin := time.Now()
	var clients sync.WaitGroup
	for range 2 { // they share the line
		clients.Go(func() {
			c, err := net.Dial("tcp", r.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if n, err := io.Copy(io.Discard, c); n != size || err != nil {
				t.Errorf("read %d bytes, want %d: %v", n, size, err)
			}
		})
	}
	clients.Wait()
	if d, want := time.Since(begin), 2*size*8*time.Second/rate; d < want*95/100 {
		t.Errorf("%d bytes at %d bit/s took %v, want at least %v", 2*size, rate, d, want)
	}
}
