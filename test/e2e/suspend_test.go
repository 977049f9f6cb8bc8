//go:build linux

package e2e

import (
	"os"
	"testing"
	"time"
)

// TestSuspendedServer: all processes of the server are suspended in the middle of a run, for
// longer than Timeout, and then continue. Connections to it stay open, and further ones are
// accepted but get no greeting. The run tries again until the server answers, and copies
// everything, once.
func TestSuspendedServer(t *testing.T) {
	t.Parallel()
	suspendServer(t, "Timeout 2", 5*time.Second)
}

// TestSweepSuspendedServer does the same for a minute, with the default Timeout.
func TestSweepSuspendedServer(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("takes minutes: set ISYNC_SWEEP")
	}
	suspendServer(t, "", time.Minute)
}

func suspendServer(t *testing.T, account string, pause time.Duration) {
	t.Helper()
	letters := func(from, n int) (out []letter) {
		for i := range n {
			out = append(out, note(from+i, 8000))
		}
		return out
	}
	for _, tt := range []struct {
		name      string
		far, near int
		progress  meter
	}{
		{"pull", many, 0, files},
		{"push", 0, several, bound('<')},
		{"both", many / 2, several, files},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, slow: true, account: account, channel: "Create Near\nExpunge Both"})
			w.send("INBOX", letters(0, tt.far)...)
			w.deliver("INBOX", letters(many, tt.near)...)
			run := w.start(ours(), "-a")
			begun := max(tt.progress(w), 0)
			for tt.progress(w) < begun+20 && !run.ended() {
				time.Sleep(time.Millisecond)
			}
			resume := w.server.Suspend(t)
			at := time.Now()
			if run.ended() {
				t.Fatal("the run has ended before the server was suspended")
			}
			time.Sleep(pause)
			if run.ended() {
				resume()
				r := run.wait()
				t.Fatalf("the run has not waited: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			if got := len(w.near("INBOX")); got >= tt.far+tt.near && tt.near == 0 {
				t.Errorf("all %d messages were there when the server was suspended", got)
			}
			resume()
			r := run.wait()
			if r.code != 0 {
				t.Fatalf("exit code %d after %v\n%s%s", r.code, time.Since(at), r.stdout, r.stderr)
			}
			all := tt.far + tt.near
			w.holds("INBOX", all, all)
			w.idle(ours(), "INBOX")
			w.holds("INBOX", all, all)
		})
	}
}
