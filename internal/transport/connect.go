package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attemptDelay is the time after which the next address is tried in parallel (RFC 8305 §5,
// "Connection Attempt Delay").
const attemptDelay = 250 * time.Millisecond

// maxAttempts limits the number of addresses that are tried for a host.
const maxAttempts = 16

// DialError reports that no connection could be made.
type DialError struct {
	// Target is the destination, "host:port".
	Target string
	// Attempts are the addresses that were tried, in this order.
	Attempts []DialAttempt
}

// DialAttempt is an address with the error of its attempt.
type DialAttempt struct {
	Addr netip.AddrPort
	Err  error
}

func (e *DialError) Error() string {
	s := "cannot connect to " + e.Target + ": "
	if len(e.Attempts) == 1 {
		if a := e.Attempts[0]; a.Addr.String() != e.Target {
			s += a.Addr.String() + ": "
		}
		return s + e.Attempts[0].Err.Error()
	}
	for i, a := range e.Attempts {
		if i > 0 {
			s += ", "
		}
		s += a.Addr.String() + ": " + a.Err.Error()
	}
	return s
}

// Unwrap returns the errors of the attempts.
func (e *DialError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// lookupError reports that the address of a name could not be found.
type lookupError struct {
	host string
	err  error
}

func (e *lookupError) Error() string {
	text := e.err.Error()
	if dns, ok := errors.AsType[*net.DNSError](e.err); ok {
		text = dns.Err // without the name and the resolver
	}
	return "cannot find the address of " + e.host + ": " + text
}

func (e *lookupError) Unwrap() error { return e.err }

// ConnectTimeoutError reports that a server did not answer a connection attempt in time.
type ConnectTimeoutError struct{ After time.Duration }

func (e *ConnectTimeoutError) Error() string { return fmt.Sprintf("no answer for %v", e.After) }

// Timeout implements net.Error.
func (e *ConnectTimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *ConnectTimeoutError) Temporary() bool { return true }

// A dialer makes TCP connections. Its functions are those of package net, except in tests.
type dialer struct {
	timeout time.Duration // of the whole attempt; 0: that of the system
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// keepAlive makes the kernel detect that a silent peer is gone: after a minute it sends a probe
// every 15 seconds, four times. A connection may be idle for hours.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

// DialTCP connects to one of the addresses of a host. The host is a name or an address, with or
// without brackets. timeout limits the whole attempt; 0: no limit but that of the system. If all
// attempts fail, the error is a *DialError.
func DialTCP(ctx context.Context, host string, port int, timeout time.Duration) (net.Conn, error) {
	return newDialer(timeout, "ip").connect(ctx, host, port)
}

// DialIPv4 is DialTCP for the IPv4 addresses of a host. It uses the others if the host has no
// IPv4 address.
func DialIPv4(ctx context.Context, host string, port int, timeout time.Duration) (net.Conn, error) {
	return newDialer(timeout, "ip4").connect(ctx, host, port)
}

// newDialer returns a dialer for an address family: "ip" or "ip4".
func newDialer(timeout time.Duration, family string) *dialer {
	return &dialer{
		timeout: timeout,
		lookup: func(ctx context.Context, _, host string) ([]netip.Addr, error) {
			found, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
			if family != "ip" && (err != nil || len(found) == 0) && ctx.Err() == nil {
				found, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			}
			return found, err
		},
		dial: (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext,
	}
}

func (d *dialer) connect(ctx context.Context, host string, port int) (net.Conn, error) {
	host = bareHost(host)
	target := net.JoinHostPort(host, strconv.Itoa(port))
	outer := ctx
	if d.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d.timeout, &ConnectTimeoutError{After: d.timeout})
		defer cancel()
	}
	addrs, err := d.addresses(ctx, host)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if outer.Err() != nil {
			return nil, err
		}
		return nil, &lookupError{host, err}
	}
	return d.race(ctx, target, addrs, port)
}

// bareHost removes the brackets around an IPv6 address.
func bareHost(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			return inner
		}
	}
	return host
}

// errNoAddress is the error for a name without addresses.
var errNoAddress = errors.New("the name has no address")

// addresses returns the addresses of a host in the order of attempts: the system's order, with
// the two families alternating (RFC 8305 §4).
func (d *dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	found, err := d.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNoAddress
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	first := found[0].Is4()
	var families [2][]netip.Addr
	for _, a := range found {
		i := 1
		if a.Is4() == first {
			i = 0
		}
		if !slices.Contains(families[i], a) {
			families[i] = append(families[i], a)
		}
	}
	var order []netip.Addr
	for i := range max(len(families[0]), len(families[1])) {
		for _, f := range families {
			if i < len(f) {
				order = append(order, f[i])
			}
		}
	}
	return order[:min(len(order), maxAttempts)], nil
}

// attempt is the result of attempt n.
type attempt struct {
	n    int
	conn net.Conn
	err  error
}

// race tries the addresses and returns the first connection. The next attempt starts after
// attemptDelay, or as soon as the previous one has failed. race waits until all attempts have
// ended.
func (d *dialer) race(outer context.Context, target string, addrs []netip.Addr, port int) (net.Conn, error) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	failed := &DialError{Target: target}
	results := make(chan attempt)
	running := 0
	start := func() {
		n := len(failed.Attempts)
		addr := netip.AddrPortFrom(addrs[n], uint16(port))
		failed.Attempts = append(failed.Attempts, DialAttempt{Addr: addr})
		running++
		go func() {
			conn, err := d.dial(ctx, "tcp", addr.String())
			results <- attempt{n, conn, err}
		}()
	}
	start()
	delay := time.NewTimer(attemptDelay)
	defer delay.Stop()
	var won net.Conn
	for running > 0 {
		more := won == nil && len(failed.Attempts) < len(addrs) && ctx.Err() == nil
		select {
		case r := <-results:
			running--
			switch {
			case r.err != nil:
				failed.Attempts[r.n].Err = plainError(outer, r.err)
				if more {
					start()
					delay.Reset(attemptDelay)
				}
			case won == nil:
				won = r.conn
				cancel()
			default:
				_ = r.conn.Close()
			}
		case <-delay.C:
			if more {
				start()
				delay.Reset(attemptDelay)
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, failed
}

// plainError removes the address that package net adds to an error. The caller reports it
// separately.
func plainError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	return err
}
