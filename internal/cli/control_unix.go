//go:build unix

package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// systemControl delivers SIGHUP and SIGUSR1.
func systemControl() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGUSR1)
	return c, func() { signal.Stop(c) }
}

// isReload reports whether a signal requests to reload the configuration.
func isReload(sig os.Signal) bool { return sig == syscall.SIGHUP }
