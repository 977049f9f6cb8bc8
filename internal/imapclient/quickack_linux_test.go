package imapclient

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestNagle: a server that holds back small pieces until those before them are
// acknowledged does not cost 40 ms for each message.
func TestNagle(t *testing.T) {
	const n = 50
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetNoDelay(false)
		_, _ = io.WriteString(conn, "* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n")
		r := bufio.NewReader(conn)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			tag, rest, _ := strings.Cut(line, " ")
			if strings.HasPrefix(rest, "APPEND") {
				_, _ = io.WriteString(conn, "+ go on\r\n")
				_, _ = r.Discard(len("text\r\n"))
			}
			_, _ = io.WriteString(conn, tag+" OK done\r\n")
		}
	}()
	defer func() {
		_ = ln.Close()
		<-ended
	}()
	c, err := Dial(t.Context(), Options{Host: "127.0.0.1", Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	var appends []*Pending[Appended]
	for range n {
		p, err := c.StartAppend(t.Context(), "x", message("text"))
		if err != nil {
			t.Fatal(err)
		}
		appends = append(appends, p)
	}
	for _, p := range appends {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// 2 s if each waits for a delayed acknowledgment.
	if took := time.Since(begin); took > n*20*time.Millisecond {
		t.Errorf("%d messages took %v", n, took)
	}
}
