package cli

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// TestDryRunWritesNothing: whatever a dry run finds, it changes no file: neither
// mailboxes, nor states, nor what is remembered of servers.
func TestDryRunWritesNothing(t *testing.T) {
	for _, account := range []bool{false, true} {
		for _, altMap := range []string{"", "AltMap yes\n"} {
			t.Run(fmt.Sprintf("account %v, %s", account, altMap), func(t *testing.T) {
				srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
				head := "IMAPStore far\n"
				if account {
					head = "IMAPAccount acc\n"
				}
				tail := ""
				if account {
					tail = "\nIMAPStore far\nAccount acc\n"
				}
				w := newWorld(t, fmt.Sprintf("%sHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n%s\n", head, srv.Host, srv.Port, tail)+
					"MaildirStore near2\nPath near2/\nInbox near2/INBOX\nSubFolders Verbatim\n"+altMap+"\nChannel d\nFar :far:\nNear :near2:\nPatterns *\nCreate Near\nExpunge Both\nSyncState *\n\n"+
					"Channel e\nFar :far:INBOX\nNear :near2:INBOX\nCreate Near\nSyncState state/\n")
				w.write("secret", testkit.Password+"\n")
				if err := os.Mkdir(filepath.Join(w.dir, "near2"), 0o700); err != nil {
					t.Fatal(err)
				}
				cache := filepath.Join(w.dir, "cache")
				w.env.Config.Getenv = func(name string) string {
					if name == "XDG_CACHE_HOME" {
						return cache
					}
					return ""
				}
				dry := func() {
					t.Helper()
					for _, args := range [][]string{{"-y", "d"}, {"--dry-run", "e"}, {"-y", "-V", "d", "e"}, {"-y", "-D", "d"}} {
						before := w.tree()
						w.runAny(args...)
						if d := cmp.Diff(before, w.tree()); d != "" {
							t.Errorf("%v changed files:\n%s", args, d)
						}
					}
				}
				srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: s1\r\n\r\nHello\r\n"})
				dry()
				w.run(0, "d")
				dry()
				srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: s2\r\n\r\nHello\r\n"})
				w.write("near2/INBOX/new/1700000000.1.user", "Subject: s3\n\nHello\n")
				dry()
				w.runAny("-y", "d", "e")
				if out := w.out.String(); !strings.Contains(out, "would pull 1 new message(s)") && !strings.Contains(out, "would pull 2 new") {
					t.Errorf("%s", out)
				}
				w.write("near2/INBOX/.mbsyncstate.new", "")
				w.write("near2/INBOX/.mbsyncstate.journal", "5\n+ 2 0\n# 2 0 AAAAAAAAAAAA\n")
				w.write("near2/INBOX/.mbsyncstate.isync", "isync notes 1\nvalidity 1 2\nheld far 1 1 1 \"x\"\n")
				dry()
			})
		}
	}
}

// tree describes all files below the directory.
func (w *world) tree() map[string]string {
	w.tb.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || e.IsDir() {
			out[path] = "directory"
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = fmt.Sprintf("%v %v %x", info.Mode(), info.ModTime().UnixNano(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

// sameTree checks that no file has changed since.
func (w *world) sameTree(before map[string]string) {
	w.tb.Helper()
	if d := cmp.Diff(before, w.tree()); d != "" {
		w.tb.Errorf("files have changed:\n%s", d)
	}
}

// read returns the contents of a file.
func (w *world) read(name string) string {
	w.tb.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.tb.Fatal(err)
	}
	return string(data)
}

// TestDryRunCountsOnce: what two channels with the same mailboxes foresee counts once.
func TestDryRunCountsOnce(t *testing.T) {
	s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
	s.add("")
	s.add("")
	w := noisyWorld(t, s)
	data, err := os.ReadFile(filepath.Join(w.dir, "rc"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("rc", string(data)+"\nChannel again\nFar :far:INBOX\nNear :near:INBOX\nCreate Near\nSyncState state/\n")
	w.run(0, "-y", "c", "again")
	w.says(&w.out, "would pull 2 new message(s)")
}
