package testkit

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
)

// TLSServer starts a server on a loopback port that makes the TLS handshake with a certificate
// and closes the connection. It returns its address.
func TLSServer(tb testing.TB, cert *Certificate) string {
	tb.Helper()
	return TLSServerWith(tb, &tls.Config{Certificates: []tls.Certificate{cert.TLS()}})
}

// TLSServerWith is TLSServer with a configuration.
func TLSServerWith(tb testing.TB, cfg *tls.Config) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				// The client may refuse the certificate, which is the purpose of some tests.
				_ = tls.Server(conn, cfg).Handshake()
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}
