//go:build !linux

package transport

import "net"

// ackNow does nothing: this system has no TCP_QUICKACK.
func ackNow(net.Conn) {}
