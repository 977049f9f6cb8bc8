package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"isync/internal/config"
)

// errNoDisplay reports that no browser can be shown.
var errNoDisplay = errors.New("there is no display")

// browserFails is the time within which a failure of the command that opens a browser is
// detected. The command ends at once, unless it is the browser itself.
const browserFails = 2 * time.Second

// openBrowser shows a URL in the browser of the user.
func openBrowser(ctx context.Context, env config.Env, address string) error {
	var words []string
	switch runtime.GOOS {
	case "darwin":
		words = []string{"open"}
	case "windows":
		words = []string{"rundll32", "url.dll,FileProtocolHandler"}
	default:
		if env.Getenv == nil || env.Getenv("DISPLAY") == "" && env.Getenv("WAYLAND_DISPLAY") == "" {
			return errNoDisplay
		}
		words = []string{"xdg-open"}
	}
	// The browser must outlive the login, so ctx does not apply to it.
	cmd := exec.Command(words[0], append(words[1:], address)...) //nolint:gosec // the address is an argument, and no shell is involved
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timeout := time.NewTimer(browserFails)
	defer timeout.Stop()
	select {
	case err := <-ended:
		return err
	case <-timeout.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tunnelCommand returns the command that makes a local port reachable for a browser on another
// computer; "": this is probably the computer of the user.
func tunnelCommand(env config.Env, port int) string {
	if env.Getenv == nil {
		return ""
	}
	connection := strings.Fields(env.Getenv("SSH_CONNECTION"))
	display := env.Getenv("DISPLAY") != "" || env.Getenv("WAYLAND_DISPLAY") != "" || runtime.GOOS == "darwin" || runtime.GOOS == "windows"
	if len(connection) != 4 && display {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		host = "HOST"
	}
	options := ""
	if len(connection) == 4 {
		if net.ParseIP(connection[2]) != nil {
			host = connection[2]
		}
		if connection[3] != "22" {
			if _, err := strconv.ParseUint(connection[3], 10, 16); err == nil {
				options = "-p " + connection[3] + " "
			}
		}
	}
	if user := env.Getenv("USER"); user != "" {
		host = user + "@" + host
	}
	n := strconv.Itoa(port)
	return "ssh " + options + "-L " + n + ":localhost:" + n + " " + shellQuote(host)
}
