package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForeignUIDs: a file that a mail client has copied from another mailbox together
// with its UID is a new message, and is copied to the other side. The message whose UID
// that is keeps it or, if the known names are lost, is copied as well, since it has been
// here for too short a time to be certain. If .uidvalidity is restored, it is corrected if the
// names are known, or the messages are the same.
func TestForeignUIDs(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost=%v", lost), func(t *testing.T) { foreignUIDs(t, lost) })
	}
}

func foreignUIDs(t *testing.T, lost bool) {
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
	w.write("near/cur/1600000000.1.client,U=2:2,S", "Subject: 10\nMessage-Id: <10@x>\n\nfrom elsewhere\n")
	w.write("near/cur/1600000001.1.client,U=99:2,S", "Subject: 11\nMessage-Id: <11@x>\n\nfrom elsewhere\n")
	lose := func() {
		if lost {
			if err := os.Remove(filepath.Join(w.dir, "near/.isyncuidmap.names")); err != nil {
				t.Fatal(err)
			}
		}
	}
	lose()
	n := 2
	if lost {
		n = 3
	}
	w.run(0, "-y", "c")
	w.says(&w.out, fmt.Sprintf("would push %d new message(s)", n))
	w.run(0, "c")
	w.says(&w.out, fmt.Sprintf("pushed %d new message(s)", n))
	w.says(&w.err, fmt.Sprintf("%d message(s) get a new UID", n))
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
	lose()
	before := w.tree()
	w.run(0, "-y", "c")
	if d := cmp.Diff(before, w.tree()); d != "" {
		t.Errorf("a dry run has changed something:\n%s", d)
	}
	for range 2 {
		w.run(0, "c")
		if strings.Contains(w.out.String(), "message(s)") {
			t.Errorf("%s", &w.out)
		}
	}
	if got, want := w.read("near/.uidvalidity"), fmt.Sprintf("%s\n%d\n", validity, 3+n); got != want {
		t.Errorf(".uidvalidity: %q, not %q", got, want)
	}
	if !lost {
		return
	}

	// If they are not the same messages, nothing is touched.
	names, _ := filepath.Glob(filepath.Join(w.dir, "near/*/*,U=*"))
	for i, name := range names {
		name, err := filepath.Rel(w.dir, name)
		if err != nil {
			t.Fatal(err)
		}
		w.write(name, fmt.Sprintf("Subject: other %d\nMessage-Id: <other%d@x>\n\n", i, i))
	}
	w.write("near/.uidvalidity", validity+"\n1\n")
	lose()
	for _, args := range [][]string{{"-y", "c"}, {"c"}, {"c"}} {
		before := w.tree()
		w.run(1, args...)
		w.says(&w.err, "UIDNEXT went back on the near side")
		if d := cmp.Diff(before, w.tree()); d != "" {
			t.Errorf("%v has changed something:\n%s", args, d)
		}
	}
}
