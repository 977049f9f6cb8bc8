package maildir_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// foldFS is a file system that keeps names as they are, but does not tell
// capital letters from small ones, nor forms of Unicode, as those of macOS.
type foldFS struct{ vfs.FS }

// real returns the path under the names that were given first.
func (f foldFS) real(path string) string {
	fold := func(s string) string { return strings.ToLower(norm.NFC.String(s)) }
	dir, base := filepath.Split(filepath.Clean(path))
	if base == "" {
		return path
	}
	dir = f.real(dir)
	names, err := f.FS.ReadNames(dir)
	if err == nil {
		for _, n := range names {
			if fold(n) == fold(base) {
				return filepath.Join(dir, n)
			}
		}
	}
	return filepath.Join(dir, base)
}

func (f foldFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	return f.FS.OpenFile(f.real(name), flag, perm)
}
func (f foldFS) Mkdir(name string, perm fs.FileMode) error { return f.FS.Mkdir(f.real(name), perm) }
func (f foldFS) Stat(name string) (fs.FileInfo, error)     { return f.FS.Stat(f.real(name)) }
func (f foldFS) ReadNames(dir string) ([]string, error)    { return f.FS.ReadNames(f.real(dir)) }
func (f foldFS) Remove(name string) error                  { return f.FS.Remove(f.real(name)) }

func nameReason(t *testing.T, err error) store.NameReason {
	t.Helper()
	e, ok := errors.AsType[*store.NameError](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	return e.Reason
}

const (
	composed   = "Entw\u00fcrfe"
	decomposed = "Entwu\u0308rfe"
)

// TestFoldedNames: two mailboxes do not land in one directory because the file
// system takes their names for the same.
func TestFoldedNames(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(nil)
	check(t, vfs.MkdirAll(mem, "/mail", 0o700, false))
	newStore := func() *maildir.Store {
		s, err := maildir.New(maildir.Options{
			Name: "local", Path: "/mail/", Inbox: "/inbox", SubFolders: maildir.SubFoldersVerbatim,
			FS: foldFS{mem}, Names: maildir.NameRulesOf("darwin"),
		})
		check(t, err)
		return s
	}
	s := newStore()
	for _, b := range []string{"INBOX", "Work", "Work/Sub", composed} {
		check(t, s.Create(ctx, b))
	}
	for range 2 {
		for _, b := range []string{"Work", "Work/Sub", composed, decomposed} {
			check(t, s.Create(ctx, b))
			m, err := s.Open(ctx, b, store.OpenRequest{})
			check(t, err)
			check(t, m.Close(ctx))
		}
		for _, b := range []string{"work", "WORK/Other", "Work/sub", "ENTWÜRFE"} {
			if got := nameReason(t, s.Create(ctx, b)); got != store.NameTaken {
				t.Errorf("creating %s: %v", b, got)
			}
			if _, err := s.Open(ctx, b, store.OpenRequest{}); nameReason(t, err) != store.NameTaken {
				t.Errorf("opening %s: %v", b, err)
			}
		}
		s = newStore() // which looks by itself
	}
	for _, same := range [][2]string{{"Work", "wORK"}, {composed, decomposed}, {"Work/ÄB", "work/a\u0308b"}} {
		if s.Fold(same[0]) != s.Fold(same[1]) {
			t.Errorf("%q is not %q", same[0], same[1])
		}
	}
	if s.Fold("inbox") == s.Fold("INBOX") {
		t.Error("a mailbox that is called inbox is the inbox")
	}
}

// TestUnfoldedNames: where the file system tells names apart, so does the store.
func TestUnfoldedNames(t *testing.T) {
	ctx := context.Background()
	for _, rules := range []*maildir.NameRules{nil, maildir.NameRulesOf("linux"), {FoldCase: true}} {
		mem := vfstest.NewMem(nil)
		check(t, vfs.MkdirAll(mem, "/mail", 0o700, false))
		s, err := maildir.New(maildir.Options{Name: "local", Path: "/mail/", Inbox: "/inbox", FS: mem, Names: rules})
		check(t, err)
		for _, b := range []string{"INBOX", "Work", "work", composed, "ENTWÜRFE"} {
			check(t, s.Create(ctx, b))
		}
		if s.Fold("Work") == s.Fold("work") {
			t.Error("names are folded")
		}
		found, err := s.List(ctx, store.ListRequest{Inbox: true, Others: true})
		check(t, err)
		if len(found) != 5 {
			t.Errorf("listed %v", found)
		}
	}
}

// TestSystemNames: names that the operating system cannot have are refused, and
// not made into others.
func TestSystemNames(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		box          string
		unix, winnie bool // whether it is possible there
	}{
		{"plain/sub", true, true},
		{"INBOX/sub", true, true},
		{"Entwürfe & Co", true, true},
		{"con", true, false},
		{"a/Nul.txt", true, false},
		{"com1", true, false},
		{"LPT9 .x", true, false},
		{"COM¹", true, false},
		{"comet", true, true},
		{"com", true, true},
		{"console", true, true},
		{"a/end.", true, false},
		{"end /a", true, false},
		{"a:b", true, false},
		{"what?", true, false},
		{`a\b`, true, false},
		{`a|b`, true, false},
		{`"a"`, true, false},
		{"<a>", true, false},
		{"a*", true, false},
		{"tab\tin", true, false},
		{long, false, false},
		{"a/" + long, false, false},
		{long[1:], true, true},
	} {
		for goos, possible := range map[string]bool{"linux": c.unix, "windows": c.winnie} {
			s, err := maildir.New(maildir.Options{
				Name: "local", Path: "/m:x/", Inbox: "/i?", SubFolders: maildir.SubFoldersVerbatim, Names: maildir.NameRulesOf(goos),
			})
			check(t, err)
			_, err = s.BoxPath(c.box)
			if (err == nil) != possible || err != nil && nameReason(t, err) != store.NameSystem {
				t.Errorf("%.20q on %s: %v", c.box, goos, err)
			}
			if err != nil && len(c.box) > 100 && len(errors.Unwrap(err).Error()) > 200 {
				t.Errorf("%s: the error is %d bytes long", goos, len(err.Error()))
			}
		}
	}
}

// TestSystemDelimiter: a colon is nothing for Windows.
func TestSystemDelimiter(t *testing.T) {
	windows := maildir.NameRulesOf("windows")
	for _, c := range []struct {
		rules *maildir.NameRules
		delim byte
		ok    bool
	}{{windows, 0, true}, {windows, ';', true}, {windows, ':', false}, {windows, '?', false}, {maildir.NameRulesOf("linux"), ':', true}} {
		_, err := maildir.New(maildir.Options{Name: "local", Inbox: "/i", InfoDelimiter: c.delim, Names: c.rules})
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "use ';'") {
			t.Errorf("%q: %v", c.delim, err)
		}
	}
}
