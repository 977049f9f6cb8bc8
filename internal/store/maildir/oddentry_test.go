//go:build unix

package maildir_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
)

// oddEntries are things that are found among messages. Each is made under the path
// it is given.
var oddEntries = map[string]func(t *testing.T, path string){
	"link to itself": func(t *testing.T, path string) { check(t, os.Symlink(filepath.Base(path), path)) },
	"dangling link":  func(t *testing.T, path string) { check(t, os.Symlink("nowhere", path)) },
	"directory":      func(t *testing.T, path string) { check(t, os.Mkdir(path, 0o700)) },
	"FIFO":           func(t *testing.T, path string) { check(t, syscall.Mkfifo(path, 0o600)) },
	"device":         func(t *testing.T, path string) { check(t, os.Symlink("/dev/zero", path)) },
	"link to a directory": func(t *testing.T, path string) {
		check(t, os.Symlink("/", path))
	},
	"socket": func(t *testing.T, path string) {
		t.Chdir(filepath.Dir(path)) // or else the path may be too long
		l, err := net.Listen("unix", filepath.Base(path))
		check(t, err)
		t.Cleanup(func() { l.Close() })
	},
}

// openOdd opens the inbox in dir.
func openOdd(t *testing.T, dir string, altMap bool) (m store.Mailbox, warnings *[]string) {
	t.Helper()
	warnings = new([]string)
	s, err := maildir.New(maildir.Options{
		Name: "local", Inbox: dir, Path: dir + "/", SubFolders: maildir.SubFoldersVerbatim, AltMap: altMap, Host: "h",
		Warn: func(f event.Fact) { *warnings = append(*warnings, textOf(f)) },
	})
	check(t, err)
	m, err = s.Open(context.Background(), mail.Inbox, store.OpenRequest{})
	check(t, err)
	t.Cleanup(func() { m.Close(context.Background()) })
	return m, warnings
}

// TestOddEntries: whatever is in the directory of a mailbox, its messages can be
// listed, read, changed and removed; and what cannot be looked at does not look
// deleted.
func TestOddEntries(t *testing.T) {
	ctx := context.Background()
	for name, create := range oddEntries {
		for _, kind := range []string{"new", "with UID", "AltMap", "tmp"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				for _, sub := range []string{"cur", "new", "tmp"} {
					check(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
				}
				check(t, os.WriteFile(filepath.Join(dir, "new", "1.1_1.h"), []byte("Subject: a\n\n"), 0o600))
				check(t, os.WriteFile(filepath.Join(dir, "cur", "3.1_1.h:2,S"), []byte("Subject: b\n\n"), 0o600))
				path, listed := filepath.Join(dir, "cur", "2.1_1.h:2,S"), 2
				switch kind {
				case "with UID":
					path = filepath.Join(dir, "cur", "2.1_1.h,U=7:2,S")
					check(t, os.WriteFile(filepath.Join(dir, ".uidvalidity"), []byte("5\n7\n"), 0o600))
					listed = 3
				case "tmp":
					path = filepath.Join(dir, "tmp", "2.1_1.h")
				}
				create(t, path)
				m, _ := openOdd(t, dir, kind == "AltMap")
				var l *store.Listing
				for _, need := range []store.Need{
					{UIDs: mail.UIDsFrom(1), Flags: true},
					{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1},
					{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1, MessageIDs: true},
					{UIDs: mail.UIDsFrom(1), Flags: true, TUIDs: true},
				} {
					var err error
					l, err = m.Scan(ctx, need)
					check(t, err)
					// A link to nowhere is no message, as soon as it is looked at.
					if n := len(l.Messages); n != listed && !(name == "dangling link" && n == 2) {
						t.Fatalf("%+v: %v", need, l.Messages)
					}
				}
				var items []store.FetchItem
				var changes []store.FlagChange
				for _, meta := range l.Messages {
					items = append(items, store.FetchItem{UID: meta.UID})
					changes = append(changes, store.FlagChange{UID: meta.UID, Add: mail.FlagDeleted})
				}
				fetched := 0
				ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
				defer cancel()
				check(t, m.Fetch(ctx, items, func(in *store.Incoming) error {
					if in.Err == nil {
						fetched++
					}
					return nil
				}))
				if fetched != 2 {
					t.Errorf("%d messages fetched", fetched)
				}
				check(t, m.SetFlags(ctx, changes, func(int, error) {}))
				gone := 0
				_ = m.Remove(ctx, store.RemoveRequest{All: true, Gone: func(mail.UID) { gone++ }})
				if gone < 2 {
					t.Errorf("%d messages removed", gone)
				}
			})
		}
	}
}

// TestLongNames: a name that has no room for a UID, or for a flag, gets a short one.
func TestLongNames(t *testing.T) {
	ctx := context.Background()
	for _, altMap := range []bool{false, true} {
		for _, c := range []struct {
			info string
			fill string
		}{
			{":2,Sab", "x"}, {":2,", "x"}, {"", "x"}, {":2,S", ",x=1"}, {":2,:2,S", "x"}, {":2,S", "\xff"}, {":2,", "\n"}, {":2,", "\x1b["},
		} {
			for _, length := range []int{228, 233, 234, 241, 242, 246, 249, 251, 252, 253, 254, 255} {
				name := "1700000000.1_1.h"
				for len(name)+len(c.fill)+len(c.info) <= length {
					name += c.fill
				}
				name += strings.Repeat("y", length-len(name)-len(c.info)) + c.info
				dir := t.TempDir()
				for _, sub := range []string{"cur", "new", "tmp"} {
					check(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
				}
				check(t, os.WriteFile(filepath.Join(dir, "cur", name), []byte("Subject: a\n\n"), 0o600))
				check(t, os.WriteFile(filepath.Join(dir, "cur", "1.1_1.h"), []byte("Subject: b\n\n"), 0o600))
				where := fmt.Sprintf("AltMap %v, %q, %q, %d bytes", altMap, c.fill, c.info, length)
				flags := mail.AllFlags
				for run := range 2 {
					m, _ := openOdd(t, dir, altMap)
					l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
					check(t, err)
					if len(l.Messages) != 2 || l.Messages[1].UID != 2 {
						t.Fatalf("%s: %v", where, l.Messages)
					}
					if got := l.Messages[1].Flags; run == 0 && got.Has(mail.FlagSeen) != strings.Contains(c.info, "S") || run == 1 && got != flags {
						t.Fatalf("%s: run %d: flags %v", where, run, got)
					}
					check(t, m.SetFlags(ctx, []store.FlagChange{{UID: 2, Add: flags}}, func(_ int, err error) {
						if err != nil {
							t.Errorf("%s: %v", where, err)
						}
					}))
					m.Close(ctx)
				}
				names, err := os.ReadDir(filepath.Join(dir, "cur"))
				check(t, err)
				if len(names) != 2 || !slices.ContainsFunc(names, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "1700000000.") }) {
					t.Errorf("%s: %v", where, names)
				}
				if c.info == ":2,Sab" && !slices.ContainsFunc(names, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ":2,DFPRSTab") }) {
					t.Errorf("%s: letters are lost: %v", where, names)
				}
			}
		}
	}
}
