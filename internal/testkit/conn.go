package testkit

import (
	"errors"
	"net"
	"sync"
)

// ErrCut is the error of a connection that was cut.
var ErrCut = errors.New("testkit: the connection was cut")

// Faults are the faults of a connection. Byte counts start at the first byte; 0: no fault.
type Faults struct {
	// MaxRead is the maximum result of one Read; 1 tests parsers best.
	MaxRead int
	// MaxWrite is the maximum number of bytes that one Write passes to the other side.
	MaxWrite int
	// CutRead and CutWrite close the connection after this number of bytes was read or written. A
	// Write that reaches the limit writes the bytes before it.
	CutRead, CutWrite int64
	// StallRead makes the other side silent after this number of bytes: Read waits for the
	// deadline or for the end of the connection.
	StallRead int64
}

// FaultyConn returns a connection that behaves like c except for the faults. It owns c.
func FaultyConn(c net.Conn, f Faults) net.Conn {
	return &faultyConn{Conn: c, faults: f}
}

// FaultyDialer returns a dial function that applies faults to each connection of dial. faults is
// called with the number of the connection, from 0.
func FaultyDialer(dial func() (net.Conn, error), faults func(n int) Faults) func() (net.Conn, error) {
	var mu sync.Mutex
	n := 0
	return func() (net.Conn, error) {
		c, err := dial()
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		return FaultyConn(c, faults(n-1)), nil
	}
}

type faultyConn struct {
	net.Conn
	faults Faults

	readMu sync.Mutex
	read   int64

	writeMu sync.Mutex
	written int64
}

func (c *faultyConn) Read(b []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if c.faults.MaxRead > 0 {
		b = b[:min(len(b), c.faults.MaxRead)]
	}
	if limit := c.faults.CutRead; limit > 0 {
		if c.read >= limit {
			c.Conn.Close()
			return 0, ErrCut
		}
		b = b[:min(int64(len(b)), limit-c.read)]
	}
	if limit := c.faults.StallRead; limit > 0 {
		if c.read >= limit {
			return 0, c.stall()
		}
		b = b[:min(int64(len(b)), limit-c.read)]
	}
	n, err := c.Conn.Read(b)
	c.read += int64(n)
	return n, err
}

// stall discards received data until the deadline or Close.
func (c *faultyConn) stall() error {
	var buf [4096]byte
	for {
		if _, err := c.Conn.Read(buf[:]); err != nil {
			return err
		}
	}
}

func (c *faultyConn) Write(b []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	total := 0
	for {
		piece := b[total:]
		if c.faults.MaxWrite > 0 {
			piece = piece[:min(len(piece), c.faults.MaxWrite)]
		}
		if limit := c.faults.CutWrite; limit > 0 {
			if c.written >= limit {
				c.Conn.Close()
				return total, ErrCut
			}
			piece = piece[:min(int64(len(piece)), limit-c.written)]
		}
		n, err := c.Conn.Write(piece)
		total += n
		c.written += int64(n)
		if err != nil || total == len(b) {
			return total, err
		}
	}
}
