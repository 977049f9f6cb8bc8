package channel_test

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// interopConfig has two Maildir stores; lines of a case go to where its keyword
// belongs.
const interopConfig = `FSync no
SyncState state/
FieldDelimiter %s

MaildirStore far
Path far/
Inbox %s
SubFolders Verbatim
%s
MaildirStore near
%sInbox ninbox
SubFolders %s
%s
Channel c
%s
Create Both
`

// TestNamesInterop has another mbsync and this one synchronize the same
// mailboxes. They must come to the same mailboxes, with their states in the
// same places, and each must find nothing to do after the other.
func TestNamesInterop(t *testing.T) {
	theirs := testkit.FindMbsync(t)
	for _, c := range []struct {
		name       string
		far, near  []string // directories of mailboxes below far/ and near/; "INBOX…"
		delimiter  string   // default ":"
		inbox      string   // of the far store, default "finbox"
		farStore   string
		nearStore  string
		subFolders string // of the near store, default Verbatim
		channel    string
		fails      bool
		missing    string // something that must be there, as the test must not compare nothing
	}{
		{
			name: "sub-folders", far: []string{"a", "a/b", "INBOX", "INBOX/sub"}, near: []string{"n"},
			channel: "Far :far:\nNear :near:\nPatterns * INBOX*", missing: "state/:far:INBOX!sub_:near:INBOX!sub",
		},
		{
			name: "wildcard without inbox", far: []string{"a", "INBOX"},
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:a_:near:a",
		},
		{
			name: "inbox among the others", far: []string{"a", "INBOX"}, inbox: "far/in",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:INBOX_:near:INBOX",
		},
		{
			name: "no patterns", far: []string{"INBOX"},
			channel: "Far :far:\nNear :near:", missing: "state/:far:INBOX_:near:INBOX",
		},
		{
			name: "no patterns, but names", far: []string{"x/y"},
			channel: "Far :far:x/y\nNear :near:z/w", missing: "state/:far:x!y_:near:z!w",
		},
		{
			name: "far MapInbox", far: []string{"a", "INBOX", "INBOX/sub"}, farStore: "MapInbox main\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:INBOX_:near:main",
		},
		{
			name: "near MapInbox", far: []string{"a", "main", "INBOX"}, nearStore: "MapInbox main\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:main_:near:INBOX",
		},
		{
			name: "MapInbox on both sides, and INBOX", far: []string{"INBOX"},
			farStore: "MapInbox main\n", nearStore: "MapInbox main\n",
			channel: "Far :far:\nNear :near:\nPatterns * INBOX", missing: "state/:far:INBOX_:near:INBOX",
		},
		{
			name: "near Flatten", far: []string{"a/b/c", "d", "INBOX", "INBOX/sub"}, near: []string{"p_q"}, nearStore: "Flatten _\n",
			channel: "Far :far:\nNear :near:\nPatterns * INBOX*", missing: "state/:far:a!b!c_:near:a_b_c",
		},
		{
			name: "Flatten by several characters", far: []string{"a/b", "c_d"}, nearStore: "Flatten __\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:a!b_:near:a__b",
		},
		{
			name: "far Flatten", far: []string{"a.b"}, near: []string{"c/d"}, farStore: "Flatten .\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:c.d_:near:c!d",
		},
		{
			name: "Flatten and a name it cannot express", far: []string{"a_b", "c/d"}, nearStore: "Flatten _\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:c!d_:near:c_d", fails: true,
		},
		{
			name: "Flatten and MapInbox", far: []string{"a/b", "INBOX"}, nearStore: "Flatten _\nMapInbox a/b\n",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/:far:a!b_:near:INBOX",
		},
		{
			name: "prefixes", far: []string{"x/a/b", "x", "o"}, near: []string{"y-z"},
			channel: "Far :far:x/\nNear :near:y-\nPatterns *", missing: "state/:far:x!a!b_:near:y-a!b",
		},
		{
			name: "state prefix", far: []string{"x/a/b", "x/c"},
			channel: "Far :far:x/\nNear :near:y/\nPatterns *\nSyncState pre/p-", missing: "pre/p-y!a!b",
		},
		{
			name: "state prefix and Flatten", far: []string{"a/b", "INBOX"}, nearStore: "Flatten +\n",
			channel: "Far :far:\nNear :near:\nPatterns * INBOX\nSyncState pre/", missing: "pre/a+b",
		},
		{
			name: "state in the mailbox", far: []string{"a/b", "INBOX"},
			channel: "Far :far:\nNear :near:\nPatterns * INBOX\nSyncState *", missing: "near/a/b/.mbsyncstate",
		},
		{
			name: "state in the mailbox, Maildir++", far: []string{"a/b", "INBOX"}, subFolders: "Maildir++",
			channel: "Far :far:\nNear :near:\nPatterns * INBOX\nSyncState *", missing: "ninbox/.a.b/.mbsyncstate",
		},
		{
			name: "state in the mailbox, Legacy and Flatten", far: []string{"a/b", "INBOX"}, subFolders: "Legacy", nearStore: "Flatten =\n",
			channel: "Far :far:\nNear :near:\nPatterns * INBOX\nSyncState *", missing: "near/a=b/.mbsyncstate",
		},
		{
			name: "delimiter", far: []string{"a/b"}, delimiter: ";",
			channel: "Far :far:\nNear :near:\nPatterns *", missing: "state/;far;a!b_;near;a!b",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			either := func(s, other string) string {
				if s == "" {
					return other
				}
				return s
			}
			sub, path := either(c.subFolders, "Verbatim"), "Path near/\n"
			if sub == "Maildir++" {
				path = ""
			}
			inbox := either(c.inbox, "finbox")
			rc := fmt.Sprintf(interopConfig, either(c.delimiter, ":"), inbox, c.farStore, path, sub, c.nearStore, c.channel)
			makeHome := func() string {
				home := t.TempDir()
				for _, dir := range []string{"far", "near", "state", "pre"} {
					mkdir(t, filepath.Join(home, dir))
				}
				for _, b := range c.far {
					makeBox(t, home, strings.Replace("far/"+b, "far/INBOX", inbox, 1))
				}
				for _, b := range c.near {
					makeBox(t, home, "near/"+b)
				}
				return home
			}
			a, b := makeHome(), makeHome()
			runTheirs := func(home string) {
				t.Helper()
				if r := theirs.Run(t, home, rc, "-Tz", "-a"); (r.ExitCode != 0) != c.fails {
					t.Fatalf("exit code %d of the other program: %s%s", r.ExitCode, r.Stdout, r.Stderr)
				}
			}
			runTheirs(a)
			runOurs(t, b, rc, c.fails)
			want, got := tree(t, a), tree(t, b)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("-theirs +ours:\n%s", d)
			}
			if !slices.Contains(got, c.missing) {
				t.Fatalf("there is no %s in %q", c.missing, got)
			}
			// And now the other way round.
			if sum := runOurs(t, a, rc, c.fails); sum.Counts[0].New+sum.Counts[1].New != 0 {
				t.Errorf("after the other program: %+v", sum)
			}
			runTheirs(b)
			for _, home := range []string{a, b} {
				if d := cmp.Diff(want, tree(t, home)); d != "" {
					t.Errorf("after both (-want +got):\n%s", d)
				}
			}
		})
	}
}

// runOurs synchronizes as the program does.
func runOurs(t *testing.T, home, rc string, fails bool) channel.Summary {
	t.Helper()
	cfg, _, err := config.Parse(filepath.Join(home, "mbsyncrc"), []byte(rc), config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	obs := newCrowd()
	o := channel.Options{
		Global: cfg.Global, FS: vfs.OS{}, TUIDs: rand.Reader, Events: obs,
		Open: func(s *config.Store) (store.Store, error) {
			m := s.Maildir
			return maildir.New(maildir.Options{
				Name: s.Name, Path: s.Path, Inbox: m.Inbox, InfoDelimiter: m.InfoDelimiter,
				SubFolders: map[config.SubFolders]maildir.SubFolders{
					config.SubFoldersVerbatim:  maildir.SubFoldersVerbatim,
					config.SubFoldersMaildirPP: maildir.SubFoldersMaildirPP,
					config.SubFoldersLegacy:    maildir.SubFoldersLegacy,
				}[m.SubFolders],
				FS: vfs.OS{}, NoDelay: true,
			})
		},
	}
	var sel []channel.Selection
	for _, c := range cfg.Channels {
		sel = append(sel, channel.Selection{Channel: c, Ops: c.Ops})
	}
	sum := channel.Run(t.Context(), sel, o)
	if sum.Failed != fails {
		t.Fatalf("our run: %+v %v", sum, obs.errs)
	}
	return sum
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// makeBox makes a Maildir with a message.
func makeBox(t *testing.T, home, box string) {
	t.Helper()
	for _, d := range []string{"cur", "new", "tmp"} {
		mkdir(t, filepath.Join(home, box, d))
	}
	if err := os.WriteFile(filepath.Join(home, box, "new", "1700000000.1_1.host"), []byte(message(box)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tree returns the mailboxes, how many messages are in them, and all files
// that are not in one of their three directories.
func tree(t *testing.T, home string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(home, path)
		if err != nil {
			return err
		}
		switch name := e.Name(); {
		case name == "cur":
			n := 0
			for _, d := range []string{"cur", "new"} {
				files, err := os.ReadDir(filepath.Join(filepath.Dir(path), d))
				if err != nil {
					return err
				}
				n += len(files)
			}
			out = append(out, fmt.Sprintf("%s (%d)", filepath.Dir(rel), n))
			return fs.SkipDir
		case name == "new" || name == "tmp":
			return fs.SkipDir
		case !e.IsDir() && name != "mbsyncrc" && name != ".uidvalidity" && name != ".isyncuidmap.names":
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
