package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// network is one in which addresses answer after a time, or never.
type network struct {
	start time.Time

	mu    sync.Mutex
	tried []string // with the time in milliseconds
	open  int
}

// countedConn counts connections that are open.
type countedConn struct {
	net.Conn
	n *network
}

func (c *countedConn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.open--
	return c.Conn.Close()
}

// dialer returns one for the network. The addresses of the host are given in
// the order of the resolver; the map tells what each does: a time to answer
// after, an error (told after 10 ms), or nil for silence.
func (n *network) dialer(timeout time.Duration, addrs []string, does map[string]any) dialer {
	n.start = time.Now()
	return dialer{
		timeout: timeout,
		lookup: func(context.Context, string, string) ([]netip.Addr, error) {
			var out []netip.Addr
			for _, a := range addrs {
				out = append(out, netip.MustParseAddr(a))
			}
			return out, nil
		},
		dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			n.mu.Lock()
			n.tried = append(n.tried, host+"@"+time.Since(n.start).String())
			n.mu.Unlock()
			wait, result := time.Hour, error(nil)
			switch v := does[host].(type) {
			case time.Duration:
				wait = v
			case error:
				wait, result = 10*time.Millisecond, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", v)}
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("operation was canceled")}
			}
			if result != nil {
				return nil, result
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.open++
			client, server := net.Pipe()
			_ = server.Close()
			return &countedConn{client, n}, nil
		},
	}
}

func TestHappyEyeballs(t *testing.T) {
	const timeout = 20 * time.Second
	refused, unreachable := syscall.ECONNREFUSED, syscall.ENETUNREACH
	for _, tt := range []struct {
		name  string
		addrs []string
		does  map[string]any
		tried string
		took  time.Duration
		err   string
	}{
		{
			"the first is fast",
			[]string{"2001:db8::1", "192.0.2.1"},
			map[string]any{"2001:db8::1": 100 * time.Millisecond},
			"2001:db8::1@0s", 100 * time.Millisecond, "",
		},
		{
			"the first is silent, as is usual for broken IPv6",
			[]string{"2001:db8::1", "2001:db8::2", "192.0.2.1"},
			map[string]any{"192.0.2.1": 30 * time.Millisecond},
			"2001:db8::1@0s 192.0.2.1@250ms", 280 * time.Millisecond, "",
		},
		{
			"the first refuses",
			[]string{"2001:db8::1", "192.0.2.1"},
			map[string]any{"2001:db8::1": unreachable, "192.0.2.1": 30 * time.Millisecond},
			"2001:db8::1@0s 192.0.2.1@10ms", 40 * time.Millisecond, "",
		},
		{
			"a slow one may still win",
			[]string{"192.0.2.1", "2001:db8::1"},
			map[string]any{"192.0.2.1": 400 * time.Millisecond, "2001:db8::1": 5 * time.Second},
			"192.0.2.1@0s 2001:db8::1@250ms", 400 * time.Millisecond, "",
		},
		{
			"two at once",
			[]string{"192.0.2.1", "2001:db8::1"},
			map[string]any{"192.0.2.1": 300 * time.Millisecond, "2001:db8::1": 50 * time.Millisecond},
			"192.0.2.1@0s 2001:db8::1@250ms", 300 * time.Millisecond, "",
		},
		{
			"none",
			[]string{"2001:db8::1", "192.0.2.1", "192.0.2.1", "192.0.2.2"},
			map[string]any{"2001:db8::1": unreachable, "192.0.2.1": refused, "192.0.2.2": refused},
			"2001:db8::1@0s 192.0.2.1@10ms 192.0.2.2@20ms", 30 * time.Millisecond,
			"cannot connect to mail.example.org:993: [2001:db8::1]:993: network is unreachable, 192.0.2.1:993: connection refused, 192.0.2.2:993: connection refused",
		},
		{
			"silence",
			[]string{"2001:db8::1", "192.0.2.1"},
			map[string]any{"192.0.2.1": refused},
			"2001:db8::1@0s 192.0.2.1@250ms", timeout,
			"cannot connect to mail.example.org:993: [2001:db8::1]:993: no answer for 20s, 192.0.2.1:993: connection refused",
		},
		{
			"one address of another notation",
			[]string{"::ffff:192.0.2.1"},
			map[string]any{"192.0.2.1": refused},
			"192.0.2.1@0s", 10 * time.Millisecond,
			"cannot connect to mail.example.org:993: 192.0.2.1:993: connection refused",
		},
		{"no address", nil, nil, "", 0, "cannot find the address of mail.example.org: the name has no address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n network
				d := n.dialer(timeout, tt.addrs, tt.does)
				conn, err := d.connect(t.Context(), "mail.example.org", 993)
				if took := time.Since(n.start); took != tt.took {
					t.Errorf("took %v", took)
				}
				got := ""
				if err != nil {
					got = err.Error()
				}
				if d := cmp.Diff(tt.err, got); d != "" {
					t.Error(d)
				}
				if conn != nil {
					_ = conn.Close()
				}
				if n.open != 0 {
					t.Errorf("%d connections are left", n.open)
				}
				if tried := strings.Join(n.tried, " "); tried != tt.tried {
					t.Errorf("tried %s", tried)
				}
			})
		})
	}
}

// A connection is not waited for any longer than the caller wants.
func TestDialCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		d := n.dialer(time.Minute, []string{"192.0.2.1", "192.0.2.2"}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.connect(ctx, "x", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(n.start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Timeout 0 is none.
func TestDialPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		d := n.dialer(0, []string{"192.0.2.1"}, map[string]any{"192.0.2.1": 30 * time.Minute})
		conn, err := d.connect(t.Context(), "x", 1)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	})
}

// TestDialAddress connects to addresses in all their spellings, and to a name.
func TestDialAddress(t *testing.T) {
	for _, tt := range []struct{ listen, host string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"[::1]:0", "::1"},
		{"[::1]:0", "[::1]"},
		{"127.0.0.1:0", "localhost"},
		{"[::1]:0", "0:0:0:0:0:0:0:1"},
	} {
		t.Run(tt.host, func(t *testing.T) {
			l, err := net.Listen("tcp", tt.listen)
			if err != nil {
				t.Skipf("this test needs %s: %v", tt.listen, err)
			}
			defer l.Close()
			port := l.Addr().(*net.TCPAddr).Port
			conn, err := DialTCP(t.Context(), tt.host, port, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
			_ = l.Close()
			_, err = DialTCP(t.Context(), tt.host, port, 5*time.Second)
			e, ok := errors.AsType[*DialError](err)
			if !ok || !errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(e.Error(), "[[") {
				t.Error(err)
			}
		})
	}
}

// TestLookupFails: the error names the host once, and no resolver.
func TestLookupFails(t *testing.T) {
	d := dialer{lookup: func(context.Context, string, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "x.invalid", Server: "192.0.2.53:53", IsNotFound: true}
	}}
	_, err := d.connect(t.Context(), "x.invalid", 993)
	if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound || err.Error() != "cannot find the address of x.invalid: no such host" {
		t.Error(err)
	}
}
