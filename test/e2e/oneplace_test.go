//go:build linux

package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestOnePlace: two stores may have the same mailbox. A channel between them
// would copy each message to where it is already, and twice as many the next
// time; it is refused, and the mailbox stays as it is.
func TestOnePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	letters := []letter{note(1, 100), note(2, 100)}
	w.makeMaildir("box")
	w.deliver("box", letters...)
	w.send("box", letters...)
	if err := os.Symlink(w.path("near"), w.path("link")); err != nil {
		t.Fatal(err)
	}
	maildir := func(name, path string) string {
		return "MaildirStore " + name + "\nPath " + w.path(path) + "/\nInbox " + w.path("inbox") + "\nSubFolders Verbatim\n\n"
	}
	imap := func(name string) string {
		return "IMAPStore " + name + "\n" + strings.Join(w.accountLines("SSLType"), "\n") + "\n\n"
	}
	for name, stores := range map[string]string{
		"same path":     maildir("one", "near") + maildir("two", "near"),
		"symbolic link": maildir("one", "near") + maildir("two", "link"),
		"same account":  imap("one") + imap("two"),
	} {
		for _, channel := range []string{"Far :one:box\nNear :two:box\n", "Far :one:\nNear :two:\nPatterns box\n"} {
			w.configure("SyncState " + w.path("state") + "/\n" + stores + "Channel c\n" + channel + "Create Both\nExpunge Both\n")
			for range 2 {
				r := w.run(ours(), "-a")
				if r.code != 1 || !strings.Contains(r.stderr, "far and near side are the same mailbox: 'box' of ") {
					t.Errorf("%s: exit code %d, says %s", name, r.code, r.stderr)
				}
			}
		}
	}
	if near, far := len(w.near("box")), len(w.far("box")); near != 2 || far != 2 {
		t.Errorf("%d messages here, %d on the server", near, far)
	}
}
