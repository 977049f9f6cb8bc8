package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestComeBack: messages were expunged from one side, and the other side keeps them. If
// a backup brings their files back, they are no new messages: the other side has them.
// Nor is a message of the other side new if it has no record because it has expired.
func TestComeBack(t *testing.T) {
	for _, x := range []string{"near", "far"} {
		o := map[string]string{"near": "far", "far": "near"}[x]
		for _, why := range []struct {
			name, config string
			expire       bool
		}{
			{"expired", "Expunge Both\nMaxMessages 3\nExpireUnread yes\nExpireSide " + x + "\n", true},
			{"deleted", map[string]string{
				"near": "Sync PullNew PullFlags PushNew\nExpunge Near\n",
				"far":  "Sync PushNew PushFlags PullNew\nExpunge Far\n",
			}[x], false},
		} {
			for _, how := range []struct {
				name string
				do   func(w *world)
			}{
				{"files", func(w *world) { w.bringBack("backup/cur", x+"/cur") }},
				{"files, and the known names are void", func(w *world) {
					w.bringBack("backup/cur", x+"/cur")
					w.age(x + "/.isyncuidmap.names")
				}},
				{"whole backup", func(w *world) { w.bringBack("backup", x) }},
				{"known names of the other side are void", func(w *world) { w.age(o + "/.isyncuidmap.names") }},
			} {
				t.Run(x+"/"+why.name+"/"+how.name, func(t *testing.T) {
					w := newWorld(t, "MaildirStore far\nInbox far")
					w.write("rc", w.read("rc")+why.config)
					if err := os.MkdirAll(filepath.Join(w.dir, "far/cur"), 0o700); err != nil {
						t.Fatal(err)
					}
					deliver := func(from, n int) {
						for i := from; i < from+n; i++ {
							w.write(fmt.Sprintf("%s/cur/17000000%d.1.user:2,S", o, i), fmt.Sprintf("Subject: %d\nMessage-Id: <%d@x>\n\nHello\n", i, i))
						}
					}
					deliver(11, 3)
					w.run(0, "c")
					w.bringBack(x, "backup")
					if !why.expire {
						for _, f := range w.files(x) {
							if err := os.Rename(f, f+"T"); err != nil {
								t.Fatal(err)
							}
						}
					}
					deliver(14, 5)
					w.run(0, "c")
					w.run(0, "c")
					kept, left := len(w.files(o)), len(w.files(x))
					if kept != 8 || left > 5 {
						t.Fatalf("%d and %d messages", kept, left)
					}
					w.age("backup/.isyncuidmap.names")

					how.do(w)
					back := len(w.files(x))
					for range 2 {
						w.run(0, "c")
						if strings.Contains(w.out.String(), "new message(s)") {
							t.Errorf("%s%s", &w.out, &w.err)
						}
						if got := [2]int{len(w.files(o)), len(w.files(x))}; got != [2]int{kept, back} {
							t.Errorf("the sides have %v messages, not %v", got, [2]int{kept, back})
						}
					}
				})
			}
		}
	}
}

// TestSharedMaildir: a channel that only pulls into a Maildir has no records of what another
// channel has put there. These messages keep their UIDs, whatever becomes of the known
// names: otherwise the other channel would take them for deleted.
func TestSharedMaildir(t *testing.T) {
	w := newWorld(t, "MaildirStore far\nInbox far\n\nMaildirStore old\nInbox old")
	w.write("rc", w.read("rc")+"Sync All\nExpunge Both\n\nChannel pulls\nFar :old:\nNear :near:\nSync Pull\nSyncState state2/\n")
	for _, box := range []string{"far", "old"} {
		w.write(fmt.Sprintf("%s/cur/1600000000.1.user:2,S", box), "Subject: "+box+"\nMessage-Id: <"+box+"@x>\n\nHello\n")
	}
	for i := 11; i < 20; i++ {
		box := []string{"far", "old"}[i%2]
		w.write(fmt.Sprintf("%s/cur/17000000%d.1.user:2,S", box, i), fmt.Sprintf("Subject: %d\nMessage-Id: <%d@x>\n\nHello\n", i, i))
		w.run(0, "c", "pulls")
	}
	w.run(0, "c")
	w.age("near/.isyncuidmap.names")
	before := [2][]string{w.files("far"), w.files("near")}
	for range 2 {
		w.run(0, "pulls", "c")
		if d := cmp.Diff(before, [2][]string{w.files("far"), w.files("near")}); d != "" {
			t.Errorf("%s%s%s", &w.out, &w.err, d)
		}
	}
}

// files returns the paths of the messages of a Maildir.
func (w *world) files(box string) []string {
	files, _ := filepath.Glob(filepath.Join(w.dir, box, "*/*:2,*"))
	return files
}

// age makes a file look like one that was written long before it was put there.
func (w *world) age(name string) {
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(w.dir, name), past, past); err != nil {
		w.tb.Fatal(err)
	}
}

// bringBack copies a directory over another one, with the times of its files.
func (w *world) bringBack(from, to string) {
	w.tb.Helper()
	from, to = filepath.Join(w.dir, from), filepath.Join(w.dir, to)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dest := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.MkdirAll(dest, 0o700)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(dest, data, 0o600)
		}
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			err = os.Chtimes(dest, fi.ModTime(), fi.ModTime())
		}
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}
