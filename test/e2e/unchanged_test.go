//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestUnchangedMailboxes counts what a run costs that finds nothing to do: the
// mailboxes are not even selected, whatever their number, and the program waits
// for the server once or twice in all after its greeting: the login is not waited
// for.
func TestUnchangedMailboxes(t *testing.T) {
	const greeting = 1
	for _, tt := range []struct {
		name    string
		boxes   int // 0: the inbox only
		account string
		waits   int // after the greeting; 0: not counted
		selects int
		status  int // commands
		fetches bool
	}{
		{name: "LIST-STATUS", boxes: 12, waits: 1},
		{name: "STATUS", boxes: 12, account: "DisableExtensions LIST-STATUS", waits: 2, status: 12},
		{name: "one mailbox", waits: 1, selects: 1},
		{name: "no mod-sequences", boxes: 3, account: "DisableExtensions CONDSTORE QRESYNC", selects: 3, fetches: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			channel := "Expunge Both\nCreate Near"
			names := []string{"INBOX"}
			if tt.boxes > 0 {
				channel += "\nPatterns box*"
				names = nil
			}
			for i := range tt.boxes {
				names = append(names, fmt.Sprintf("box%02d", i))
			}
			w := newWorld(t, setup{account: tt.account, channel: channel})
			for i, n := range names {
				w.server.Seed(t, w.user, n, testkit.Mail{Body: note(i, 300).crlf()})
			}
			relay := testkit.StartRelay(t, w.server.Addr(), 0)
			w.configure(strings.Replace(w.config(), fmt.Sprintf("Port %d\n", w.server.Port), fmt.Sprintf("Port %d\n", relay.Port()), 1))
			for range 3 {
				w.sync(ours())
				// What has changed just now is looked at once more.
				time.Sleep(300 * time.Millisecond)
			}
			relay.Take()
			w.server.ForgetCommands(t)
			relay.SetRTT(40 * time.Millisecond)
			w.sync(ours())
			waits := relay.Take().Bursts - greeting
			cmds := w.server.Commands(t, w.user)
			count := func(verb string) (n int) {
				for _, c := range cmds {
					if f := strings.Fields(strings.TrimPrefix(c, "UID ")); f[0] == verb {
						n++
					}
				}
				return n
			}
			if got := count("SELECT"); got != tt.selects {
				t.Errorf("%d SELECTs, want %d", got, tt.selects)
			}
			if got := count("STATUS"); got != tt.status {
				t.Errorf("%d STATUS commands, want %d", got, tt.status)
			}
			if got := count("FETCH"); got > 0 != tt.fetches {
				t.Errorf("%d FETCHes", got)
			}
			if tt.waits > 0 && waits > tt.waits {
				t.Errorf("waited %d times after the greeting, want %d", waits, tt.waits)
			}
			if t.Failed() {
				t.Logf("%q", cmds)
			}

			// It goes on noticing what happens, on either side.
			relay.SetRTT(0)
			w.server.Seed(t, w.user, names[0], testkit.Mail{Body: note(90, 300).crlf()})
			w.sync(ours())
			last := names[len(names)-1]
			w.deliver(last, note(91, 300))
			w.sync(ours())
			if got := len(w.server.Contents(t, w.user, last)); got != 2+btoi(len(names) == 1) {
				t.Errorf("%d messages in '%s' on the server", got, last)
			}
			if got := w.countNear(names[0]); got != 2+btoi(len(names) == 1) {
				t.Errorf("%d messages in '%s' here", got, names[0])
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// countNear counts the messages in a Maildir.
func (w *homeWorld) countNear(box string) int {
	w.tb.Helper()
	files, err := filepath.Glob(filepath.Join(w.boxDir(box), "[cn]*", "*"))
	if err != nil {
		w.tb.Fatal(err)
	}
	return len(slices.Compact(files))
}
