package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckStateFiles: --check tells what the files beside a state mean, and takes
// none of them for a state.
func TestCheckStateFiles(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	s.add("")
	s.add("")
	s.refuseBody(2)
	w := noisyWorld(t, s)
	for _, box := range []string{"Work", "Work.isync", "Work.isync.new", "Work.journal", "Work.new", "Work.lock.x"} {
		w.write("boxes/"+box+"/cur/x", "")
	}
	w.write("rc", strings.NewReplacer("SyncState *", "SyncState st/", "Patterns *", "Patterns * INBOX").Replace(w.read("rc")))
	check := func(texts ...string) {
		t.Helper()
		tree := w.tree()
		w.run(0, "--check", "-V", "c")
		w.says(bytes.NewBufferString(strings.Join(strings.Fields(w.out.String()), " ")), texts...) // without line breaks
		w.sameTree(tree)
	}
	w.run(1, "c")
	check("1 message was not copied so far; each run tries again", "to list them: mbsync -c rc --list-failed c", "1 of 3 pairs were synchronized before",
		"mailbox 'Work.isync' is ignored: ", "mailbox 'Work.isync.new' is ignored: ", "mailbox 'Work.journal' is ignored: ", "mailbox 'Work.new' is ignored: ")

	w.write("st/INBOX.isync", "something else\n")
	check("cannot read the list of messages that could not be copied: ", filepath.Join("st", "INBOX.isync: unknown version"))
	if strings.Contains(w.out.String(), "was not copied so far") {
		t.Errorf("%s", &w.out)
	}

	s.add("")
	if !w.kill(1, "c:INBOX") {
		t.Fatal("the run was not interrupted")
	}
	check("1 run was interrupted")
}
