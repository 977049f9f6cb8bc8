package watch

import (
	"context"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNetworkChanges: new addresses and routes are noticed, in a network of its own.
func TestNetworkChanges(t *testing.T) {
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("this test needs ip (iproute2)")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, since it stays locked.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Logf("skipped: a network namespace cannot be made: %v", err)
			return
		}
		run := func(args ...string) {
			t.Helper()
			if out, err := exec.Command(ip, args...).CombinedOutput(); err != nil {
				t.Errorf("ip %v: %v\n%s", args, err, out)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		changes, err := NetworkChanges(ctx)
		if err != nil {
			t.Error(err)
			cancel()
			return
		}
		noticed := func(what string) {
			t.Helper()
			select {
			case <-changes:
			case <-time.After(5 * time.Second):
				t.Errorf("%s was not noticed", what)
			}
			for { // several messages belong to a change
				select {
				case <-changes:
					continue
				case <-time.After(100 * time.Millisecond):
				}
				break
			}
		}
		run("link", "set", "lo", "up")
		noticed("an interface that is up")
		run("addr", "add", "127.0.0.9/32", "dev", "lo")
		noticed("an address")
		run("route", "add", "10.9.0.0/16", "dev", "lo")
		noticed("a route")
		run("route", "del", "10.9.0.0/16", "dev", "lo")
		noticed("a route that is gone")
		cancel()
		for range changes {
		}
	}()
	<-done
}
