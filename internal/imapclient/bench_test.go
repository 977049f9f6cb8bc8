package imapclient

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// benchFetch fetches over loopback from a peer that answers every command with
// the same data, n messages.
func benchFetch(b *testing.B, data []byte, n int, req FetchRequest, sink func(*Message) error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "* OK hi\r\n")
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			tag, _, _ := strings.Cut(line, " ")
			_, _ = conn.Write(data)
			_, _ = io.WriteString(conn, tag+" OK\r\n")
		}
	}()
	c, err := Dial(b.Context(), Options{Dial: func(context.Context) (net.Conn, error) {
		return net.Dial("tcp", ln.Addr().String())
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		err := c.Fetch(b.Context(), req, func(m *Message) error {
			got++
			return sink(m)
		})
		if err != nil || got != n {
			b.Fatal(err, got)
		}
	}
	_ = c.Close()
	<-ended
}

// BenchmarkListing fetches the flags of 100,000 messages per iteration.
func BenchmarkListing(b *testing.B) {
	var data bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&data, "* %d FETCH (UID %d FLAGS (\\Seen))\r\n", i+1, i+1000)
	}
	metas := make([]mail.Meta, 0, 100_000)
	benchFetch(b, data.Bytes(), 100_000, FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags}, func(m *Message) error {
		if m.UID == 1000 {
			metas = metas[:0]
		}
		metas = append(metas, mail.Meta{UID: m.UID, Flags: m.Flags})
		return nil
	})
}

// BenchmarkBodies fetches 4,000 messages of 26 KB per iteration.
func BenchmarkBodies(b *testing.B) {
	var data bytes.Buffer
	text := bytes.Repeat([]byte("0123456789abcdef01234567\r\n"), 1000)
	for i := range 4000 {
		fmt.Fprintf(&data, "* %d FETCH (UID %d FLAGS (\\Seen) BODY[] {%d}\r\n%s)\r\n", i+1, i+1, len(text), text)
	}
	benchFetch(b, data.Bytes(), 4000, FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags, Body: FullBody}, func(m *Message) error {
		_, err := m.Body.(io.WriterTo).WriteTo(io.Discard)
		return err
	})
}
