package cli

import (
	"os"
	"syscall"
)

// systemControl delivers nothing: Windows has no such signals.
func systemControl() (<-chan os.Signal, func()) { return nil, func() {} }

// isReload reports whether a signal asks to read the configuration again.
func isReload(sig os.Signal) bool { return sig == syscall.SIGHUP }
