package discover

import (
	"context"
	"net"
)

// newResolver returns a resolver whose questions end at once when their context does. dial
// may be nil.
func newResolver(dial func(ctx context.Context, network, address string) (net.Conn, error)) *net.Resolver {
	r := &net.Resolver{PreferGo: dial != nil}
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		// The resolver itself looks at the deadline only.
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		return conn, nil
	}
	return r
}
