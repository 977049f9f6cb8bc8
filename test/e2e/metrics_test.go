//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMetricsFile: the file has what was done, also by a watcher, and whether the account is
// connected. Nobody sees half of it, and it holds no secret.
func TestMetricsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{modern: true, account: "PollInterval 1s\nRetries 0", channel: "Create Near"})
	metrics := w.path("m.prom")
	w.configure("MetricsFile " + metrics + "\n" + w.config())
	has := func(lines ...string) {
		t.Helper()
		text, err := os.ReadFile(metrics)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if !strings.Contains("\n"+string(text), "\n"+l) {
				t.Errorf("no line %s in\n%s", l, text)
			}
		}
		if strings.Contains(string(text), "pass") || strings.Contains(string(text), w.dir) {
			t.Errorf("%s", text)
		}
		if rest, _ := filepath.Glob(metrics + ".*"); len(rest) > 0 {
			t.Errorf("left: %q", rest)
		}
	}
	l := notes(1, 3)
	w.send("INBOX", l[0])
	w.sync(ours())
	has(`isync_connected{account="far"} 1`, `isync_messages_total{side="near",kind="new"} 1`, `isync_last_success_timestamp_seconds{channel="c"} `)

	x := w.startWatch()
	x.send("INBOX", l[1])
	x.equal("INBOX", l[0], l[1])
	x.end(syscall.SIGTERM)
	has(`isync_connected{account="far"} 1`, `isync_messages_total{side="near",kind="new"} 2`)

	if err := w.server.Stop(); err != nil {
		t.Fatal(err)
	}
	if r := w.run(ours(), "-a"); r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	has(`isync_connected{account="far"} 0`, `isync_errors_total{code="connection-refused"} 1`, `isync_run_exit_code 1`,
		`isync_messages_total{side="near",kind="new"} 2`, `isync_last_success_timestamp_seconds{channel="c"} `)
}
