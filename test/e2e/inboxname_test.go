//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInboxByItsDirectory: a channel names the INBOX of a store by its directory, as
// many configurations do. Each program, in turns, synchronizes it as the INBOX,
// and goes on with the state of the other.
func TestInboxByItsDirectory(t *testing.T) {
	for _, state := range []string{"*", "DIR/state/", "global"} {
		for _, other := range []program{theirs(t), theirs15(t)} {
			for _, order := range [][]program{{ours(), other}, {other, ours()}} {
				t.Run(fmt.Sprintf("%s/%s first/%s", strings.ReplaceAll(state, "/", ""), order[0].name, order[1].name), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					for _, sub := range []string{"far/box/cur", "far/box/new", "far/box/tmp", "Mail", "state"} {
						if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
							t.Fatal(err)
						}
					}
					rc := "FSync no\n"
					if state == "global" {
						rc += "SyncState DIR/state/\n"
					}
					rc += "\nMaildirStore far\nPath DIR/far/\nSubFolders Verbatim\n\nMaildirStore local\nPath DIR/Mail/\nInbox DIR/Mail/Inbox\nSubFolders Verbatim\n\n" +
						"Channel inbox\nFar :far:box\nNear :local:Inbox\nCreate Near\nExpunge Both\n"
					if state != "global" {
						rc += "SyncState " + state + "\n"
					}
					write := func(name, text string) {
						t.Helper()
						if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					write("rc", strings.ReplaceAll(rc, "DIR", dir))
					for i := range 4 {
						p := order[i%2]
						write(fmt.Sprintf("far/box/new/%d.x", i), fmt.Sprintf("Subject: far %d\n\nx\n", i))
						if i > 0 {
							write(fmt.Sprintf("Mail/Inbox/new/%d.x", i), fmt.Sprintf("Subject: near %d\n\nx\n", i))
						}
						cmd := exec.Command(p.path, append(slices.Clone(p.args), "-c", filepath.Join(dir, "rc"), "inbox")...)
						cmd.Env = []string{"HOME=" + dir, "LC_ALL=C", "PATH=" + os.Getenv("PATH")}
						out, err := cmd.CombinedOutput()
						if err != nil {
							t.Fatalf("%s: %v\n%s", p.name, err, out)
						}
						if p.name == "ours" && !strings.Contains(string(out), `mailbox 'Inbox' of MaildirStore "local" is its INBOX`) {
							t.Errorf("it says %s", out)
						}
						for _, box := range []string{"far/box", "Mail/Inbox"} {
							files, err := filepath.Glob(filepath.Join(dir, box, "[cn]*", "*"))
							if err != nil || len(files) != 2*i+1 {
								t.Fatalf("after run %d by %s, %s has %d messages, want %d; %v", i+1, p.name, box, len(files), 2*i+1, err)
							}
						}
					}
				})
			}
		}
	}
}
