package maildir_test

import (
	"errors"
	"testing"

	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// TestReservedNames: no mailbox gets a directory where a Maildir has files of its
// own, in any layout, and others whose names are similar do.
func TestReservedNames(t *testing.T) {
	const (
		verbatim = maildir.SubFoldersVerbatim
		legacy   = maildir.SubFoldersLegacy
		plusPlus = maildir.SubFoldersMaildirPP
	)
	for _, c := range []struct {
		style     maildir.SubFolders
		path      string
		fold      bool
		good, bad []string
	}{
		{
			verbatim, "/mail/", false,
			[]string{"Work/mbsyncstate", "Work/News", "Work/New", "new", ".mbsyncstate", ".mbsyncstate/x", "INBOX/.MbSyncState"},
			[]string{
				"Work/.mbsyncstate", "Work/.mbsyncstate.lock", "Work/.mbsyncstate.isync", "Work/.uidvalidity", "Work/.isyncuidmap.db", "Work/.isyncuidmap",
				"Work/new", "Work/cur", "Work/tmp", "Work/new/x", "Work/x/tmp/y", "INBOX/new", "INBOX/.mbsyncstate", "INBOX/.uidvalidity/x",
			},
		},
		{verbatim, "/mail/", true, []string{"Work/Newer", "NEW"}, []string{"Work/New", "Work/.MbSyncState", "INBOX/CUR", "Work/.UidValidity/x"}},
		{verbatim, "/inbox/", false, []string{"Work"}, []string{"new", "cur/x", ".mbsyncstate", ".uidvalidity.lock"}},
		{
			legacy, "/mail/", false,
			[]string{"Work/new", "Work/.mbsyncstate", "Work/x.uidvalidity"},
			[]string{"Work/mbsyncstate", "Work/uidvalidity", "Work/isyncuidmap.db", "INBOX/mbsyncstate", "Work/mbsyncstate/x"},
		},
		{plusPlus, "", false, []string{"new", "cur", "INBOX/mbsyncstate"}, []string{"mbsyncstate", "uidvalidity", "isyncuidmap", "mbsyncstate/lock", "isyncuidmap/db"}},
	} {
		mem := vfstest.NewMem(nil)
		check(t, vfs.MkdirAll(mem, "/mail", 0o700, false))
		opts := maildir.Options{Name: "local", Path: c.path, Inbox: "/inbox", SubFolders: c.style, FS: mem}
		if c.fold {
			opts.FS, opts.Names = foldFS{mem}, maildir.NameRulesOf("darwin")
		}
		s, err := maildir.New(opts)
		check(t, err)
		check(t, s.Create(t.Context(), "INBOX"))
		for _, b := range c.good {
			if _, err := s.BoxPath(b); err != nil {
				t.Errorf("style %v, path %q: %v", c.style, c.path, err)
			}
		}
		for _, b := range c.bad {
			_, err := s.BoxPath(b)
			if e, ok := errors.AsType[*store.NameError](err); !ok || e.Reason != store.NameReserved {
				t.Errorf("style %v, path %q: %q: %v", c.style, c.path, b, err)
			}
		}
	}
}
