package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForeignUIDs: a file that a mail client has copied from another mailbox together
// with its UID is a new message, and is copied to the other side. So is the message
// whose UID that is, since it has been here for too short a time to be certain. If .uidvalidity is
// restored alone, nothing is touched until it is corrected.
func TestForeignUIDs(t *testing.T) {
	w := newWorld(t, "MaildirStore far\nInbox far")
	w.write("rc", w.read("rc")+"Expunge Both\n")
	for i := range 3 {
		w.write(fmt.Sprintf("far/cur/170000000%d.1.user:2,S", i), fmt.Sprintf("Subject: %d\nMessage-Id: <%d@x>\n\nHello\n", i, i))
	}
	w.run(0, "c")
	files, _ := filepath.Glob(filepath.Join(w.dir, "near/*/*,U=2*"))
	if len(files) != 1 {
		t.Fatalf("%q", files)
	}
	w.write("near/cur/1600000000.1.client,U=2:2,S", "Subject: 10\n\nfrom elsewhere\n")
	w.write("near/cur/1600000001.1.client,U=99:2,S", "Subject: 11\n\nfrom elsewhere\n")
	w.run(0, "-y", "c")
	w.says(&w.out, "would push 3 new message(s)")
	w.run(0, "c")
	w.says(&w.out, "pushed 3 new message(s)")
	w.says(&w.err, "3 message(s) get a new UID")
	w.run(0, "c")
	if strings.Contains(w.out.String(), "message(s)") {
		t.Errorf("%s", &w.out)
	}
	for _, side := range []string{"far", "near"} {
		if files, _ := filepath.Glob(filepath.Join(w.dir, side, "*/*,U=*")); len(files) != 5 {
			t.Errorf("%s: %q", side, files)
		}
	}

	validity, _, _ := strings.Cut(w.read("near/.uidvalidity"), "\n")
	w.write("near/.uidvalidity", validity+"\n1\n")
	for _, args := range [][]string{{"-y", "c"}, {"c"}, {"c"}} {
		before := w.tree()
		w.run(1, args...)
		w.says(&w.err, "'.uidvalidity' looks restored from a backup; if the messages were not, write 6 in its second line")
		if d := cmp.Diff(before, w.tree()); d != "" {
			t.Errorf("%v has changed something:\n%s", args, d)
		}
	}
	w.write("near/.uidvalidity", validity+"\n6\n")
	w.run(0, "c")
	if strings.Contains(w.out.String(), "message(s)") {
		t.Errorf("%s", &w.out)
	}
}
