//go:build !darwin && !windows

package auth

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// lookUp asks the Secret Service.
func lookUp(_ context.Context, host, user string) (string, error) {
	if !hasSessionBus() {
		return "", ErrNoSessionBus
	}
	return library(host, user)
}

func hasKeychain() bool { return hasSessionBus() }

// hasSessionBus reports whether there is a session bus that the library can find. Without one,
// the library would start a bus that contains no passwords and leave it running.
func hasSessionBus() bool {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return true
	}
	dir := "/run/user/" + strconv.Itoa(os.Getuid())
	for _, name := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(fmt.Sprintf("%s/%s", dir, name)); err == nil {
			return true
		}
	}
	return false
}
