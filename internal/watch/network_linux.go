package watch

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NetworkChanges returns a channel that receives a value when addresses or routes of the computer
// have changed. It is closed when ctx ends. On systems without rtnetlink(7), it is nil.
func NetworkChanges(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	// A non-blocking descriptor, so that Close ends a Read.
	f := os.NewFile(uintptr(fd), "rtnetlink")
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	changes := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	go func() {
		defer close(changes)
		defer stop()
		buf := make([]byte, 64<<10)
		for {
			// The contents of a message do not matter. ENOBUFS reports lost messages, which are
			// changes, too.
			_, err := f.Read(buf)
			if ctx.Err() != nil || err != nil && !isLost(err) {
				_ = f.Close()
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, nil
}

// isLost reports whether messages were lost because the socket's buffer was full.
func isLost(err error) bool { return errors.Is(err, unix.ENOBUFS) }
