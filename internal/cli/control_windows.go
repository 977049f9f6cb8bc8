package cli

import (
	"os"
	"syscall"
)

// systemControl delivers nothing: Windows has no such signals.
func systemControl() (<-chan os.Signal, func()) { return nil, func() {} }

// isReload reports whether a signal requests to reload the configuration.
func isReload(sig os.Signal) bool { return sig == syscall.SIGHUP }
