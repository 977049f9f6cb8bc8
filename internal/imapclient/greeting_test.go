package imapclient

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOtherProtocols: the greeting of another protocol ends it at once, and is
// quoted, in whatever pieces it comes.
func TestOtherProtocols(t *testing.T) {
	for _, c := range []struct {
		name, says string
		protocol   string
		line       string // quoted
		waits      bool   // until the server has been silent for too long
	}{
		{"POP3", "+OK Dovecot ready.\r\n", "POP3", "+OK Dovecot ready.", false},
		{"POP3 that is busy", "-ERR too many\r\n", "POP3", "-ERR too many", false},
		{"SMTP", "220 mx.example ESMTP\r\n", "SMTP or FTP", "220 mx.example ESMTP", false},
		{"SMTP with more lines", "\r\n220-mx.example\r\n220 hi\r\n", "SMTP or FTP", "220-mx.example", false},
		{"SMTP that refuses", "554 no\r\n", "SMTP or FTP", "554 no", false},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "HTTP", "HTTP/1.1 400 Bad Request", false},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "SSH", "SSH-2.0-OpenSSH_9.2", false},
		{"Sieve", "\"IMPLEMENTATION\" \"x\"\r\n", "ManageSieve", `"IMPLEMENTATION" "x"`, false},
		{"control characters", "220 \x1b]0;evil\x07\xff\n", "SMTP or FTP", "220 \x1b]0;evil\x07?", false},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x46", "", "", false},
		{"MySQL", "\x4a\x00\x00\x00\x0a8.0.36\x00", "", "", false},
		{"an endless line", "220 " + strings.Repeat("x", 1000), "SMTP or FTP", "220 " + strings.Repeat("x", 196), false},
		{"something else", "Welcome!\r\n", "", "Welcome!", true},
	} {
		for _, piece := range []int{1, 7, 10000} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				go func() {
					for rest := c.says; rest != ""; {
						n := min(piece, len(rest))
						if _, err := server.Write([]byte(rest[:n])); err != nil {
							break
						}
						rest = rest[n:]
					}
				}()
				start := time.Now()
				_, err := Dial(t.Context(), Options{Timeout: timeout, Security: PlainText, Dial: func(context.Context) (net.Conn, error) { return client, nil }})
				e, ok := errors.AsType[*ProtocolError](err)
				if !ok || e.Protocol != c.protocol || e.Line != c.line {
					t.Errorf("%s, %d bytes at a time: %v", c.name, piece, err)
				}
				if waited := time.Since(start) > 0; waited != c.waits {
					t.Errorf("%s, %d bytes at a time: after %v", c.name, piece, time.Since(start))
				}
				if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
					t.Errorf("%s: %q", c.name, err.Error())
				}
				_ = server.Close()
			})
		}
	}
}

// TestOddGreetings: what comes before a greeting does no harm.
func TestOddGreetings(t *testing.T) {
	for _, says := range []string{"* PREAUTH hi\r\n", "\r\n* PREAUTH hi\r\n", "Welcome!\r\n* PREAUTH hi\r\n", "* OK [CAPABILITY IMAP4rev1] 220 +OK\r\n"} {
		for _, piece := range []int{1, 10000} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				go func() {
					for rest := says; rest != ""; {
						n := min(piece, len(rest))
						_, _ = server.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
				}()
				c, err := Dial(t.Context(), Options{Timeout: timeout, Security: PlainText, Dial: func(context.Context) (net.Conn, error) { return client, nil }})
				if err != nil {
					t.Fatalf("%q: %v", says, err)
				}
				_ = server.Close()
				_ = c.Close()
			})
		}
	}
}
