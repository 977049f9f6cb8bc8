package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newLocalGoneWorld makes two Maildir stores. On the far side, all mailboxes have the same
// UIDVALIDITY, as if they had been made in the same second.
func newLocalGoneWorld(t *testing.T, lines string, boxes ...string) *world {
	t.Helper()
	w := newWorld(t, "MaildirStore far\nPath far/\nInbox far/INBOX\nSubFolders Verbatim\n\n"+
		"MaildirStore near2\nPath near2/\nInbox near2/INBOX\nSubFolders Verbatim\n\nChannel d\nFar :far:\nNear :near2:\nSyncState state/\n"+lines)
	for _, box := range append(boxes, "INBOX") {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.dir, "far", box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w.write(filepath.Join("far", box, ".uidvalidity"), "1700000000\n2\n")
		for i := range 2 {
			w.write(filepath.Join("far", box, "cur", fmt.Sprintf("170000000%d.1_1.h,U=%d:2,S", i, i+1)), "Subject: x\n\nHello\n")
		}
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "near2"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.run(0, "-Cn", "d")
	return w
}

func (w *world) rename(from, to string) {
	w.tb.Helper()
	if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
		w.tb.Fatal(err)
	}
}

// TestGoneSameValidity: if all mailboxes have the same UIDVALIDITY, those that were
// synchronized before are none of the renamed ones; and a renamed folder explains what
// became of all the mailboxes below it. Of what is left, none is picked.
func TestGoneSameValidity(t *testing.T) {
	w := newLocalGoneWorld(t, "Patterns *", "Other", "Work", "Work/a", "Work/b")
	w.rename("far/Work", "far/Projects")
	w.run(1, "d")
	w.says(&w.err, "3 far side mailboxes do not exist any more, but their near side mailboxes hold 6 message(s): 'Work', 'Work/a', 'Work/b'; "+
		"they may have been renamed, according to UIDVALIDITY: 'Work' to 'Projects', 'Work/a' to 'Projects/a', 'Work/b' to 'Projects/b'\n"+
		"hint: if 'Work' was renamed to 'Projects', do so on the near side: ")

	w = newLocalGoneWorld(t, "Patterns *", "Other", "Work")
	w.rename("far/Work", "far/Projects")
	for _, args := range [][]string{{"d"}, {"-y", "-Cn", "d"}, {"d:Work"}} {
		w.run(1, args...)
		w.says(&w.err, "far side mailbox 'Work' does not exist any more, but near side mailbox 'Work' holds 2 message(s); it may have been renamed to 'Projects', which has the same UIDVALIDITY\n")
	}

	w = newLocalGoneWorld(t, "Patterns *", "Other", "Work", "Play")
	w.rename("far/Work", "far/Projects")
	w.rename("far/Play", "far/Games")
	w.run(1, "d")
	w.says(&w.err, "2 far side mailboxes do not exist any more, but their near side mailboxes hold 4 message(s): 'Play', 'Work'\nhint: if 'Play' was renamed to 'NEW', do so")
	w.run(1, "d:Work") // of which nothing else is known
	w.says(&w.err, "it may have been renamed: 'Games', 'Projects' have the same UIDVALIDITY\n")
}

// TestGoneEmptyDirectory: a file system that is not mounted may be that of a single
// mailbox. Nobody is told to remove anything then, or that it was renamed.
func TestGoneEmptyDirectory(t *testing.T) {
	w := newLocalGoneWorld(t, "Patterns *", "Other", "disk/Work")
	for _, side := range []string{"far", "near2"} {
		w.rename(side+"/disk/Work", "away")
		w.run(1, "d")
		w.says(&w.err, "does not exist any more", "directory '"+filepath.Join(w.dir, side, "disk")+"' does not exist or is empty, so a file system may not be mounted there\nhint: if a file system belongs to")
		for _, h := range w.hints() {
			if strings.Contains(h, "rm ") || strings.Contains(h, "-R") || strings.Contains(h, "renamed") {
				t.Errorf("dangerous advice: %s", h)
			}
		}
		w.run(1, "--check", "d")
		w.says(&w.out, "FAIL")
		w.rename("away", side+"/disk/Work")
		w.run(0, "-e", "d")
	}
}
