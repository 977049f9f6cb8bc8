//go:build !linux

package transport

import "net"

// sendQueue returns 0: the size of the queue is unknown on this system.
func sendQueue(net.Conn) int { return 0 }
