//go:build linux

// Package setup tests mbsync --setup on a terminal, with real servers: a Dovecot, a web server
// and a name server of the test.
package setup

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"isync/internal/cli"
	"isync/internal/discover"
)

// programEnv makes the test binary the program. It holds the servers to be asked.
const programEnv = "ISYNC_TEST_SETUP"

// asked are the addresses of the servers that the program asks instead of those of the Internet.
type asked struct{ Web, DNS string }

// TestMain is the program, if the environment says so. It differs from the real one only in
// whom it asks for the server of a mail address.
func TestMain(m *testing.M) {
	text := os.Getenv(programEnv)
	if text == "" {
		m.Run()
		return
	}
	var a asked
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		panic(err)
	}
	_ = os.Unsetenv(programEnv)
	to := func(address string) func(ctx context.Context, network, _ string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: to(a.DNS)}
	env := cli.OSEnv()
	env.Discovery = discover.Options{
		Transport: &http.Transport{DialContext: to(a.Web), DisableKeepAlives: true},
		DialDNS:   to(a.DNS),
		Limit:     20 * time.Second,
	}
	os.Exit(cli.Main(env, os.Args))
}
