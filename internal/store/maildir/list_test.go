package maildir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/ui"
)

// tree makes mailboxes (directories with a cur) below a directory, and returns
// that.
func tree(t *testing.T, boxes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, b := range boxes {
		check(t, os.MkdirAll(filepath.Join(dir, b, "cur"), 0o700))
	}
	return dir
}

func TestListing(t *testing.T) {
	boxes := []string{
		"top", "top/sub", "top/.leg", "top/.leg/.deep", "top/.leg/verb", "top/cur/weird", "top/.a.b",
		".hid", "a.lock", "INBOX", "cont/.x", "cont2/y", "dot..dot", "inbox", "work-foo", "work-foo/sub", "work-",
		"Inbox", "Inbox/sub", "Inbox/.leg", "Inbox/.mpp.sub", "Inbox/..isub", "Inbox/..isub.x", "Inbox/.INBOX.foo",
		"Inbox/.mpp..x", "Inbox/.end.", "Inbox/cur/wd", "tmp/z",
	}
	dir := tree(t, boxes...)
	check(t, os.MkdirAll(filepath.Join(dir, "nocur/new"), 0o700))
	check(t, os.MkdirAll(filepath.Join(dir, "work-half/new"), 0o700))
	check(t, os.MkdirAll(filepath.Join(dir, "work-half/tmp"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "top/subfile"), nil, 0o600))
	check(t, os.MkdirAll(filepath.Join(dir, "bad\xff/cur"), 0o700))

	for _, c := range []struct {
		name   string
		opts   maildir.Options
		inbox  string
		others string
		warn   []string // parts of the warnings, sorted
	}{
		{
			"verbatim",
			maildir.Options{Path: "/", Inbox: "/Inbox", SubFolders: maildir.SubFoldersVerbatim},
			"INBOX INBOX/..isub INBOX/..isub.x INBOX/.INBOX.foo INBOX/.end. INBOX/.leg INBOX/.mpp..x INBOX/.mpp.sub INBOX/sub",
			".hid cont/.x cont2/y dot..dot inbox top top/.a.b top/.leg top/.leg/.deep top/.leg/verb top/sub work- work-foo work-foo/sub",
			[]string{`/INBOX': INBOX is in`, "a.lock", `not valid UTF-8`, "work-half': it has 'new'"},
		},
		{
			"legacy",
			maildir.Options{Path: "/", Inbox: "/Inbox", SubFolders: maildir.SubFoldersLegacy},
			"INBOX INBOX/.isub INBOX/.isub.x INBOX/INBOX.foo INBOX/end. INBOX/leg INBOX/mpp..x INBOX/mpp.sub",
			"cont/x dot..dot inbox top top/a.b top/leg top/leg/deep work- work-foo",
			[]string{`/INBOX': INBOX is in`, "a.lock", `not valid UTF-8`, "work-half': it has 'new'"},
		},
		{
			"maildir++",
			maildir.Options{Inbox: "/Inbox", SubFolders: maildir.SubFoldersMaildirPP},
			"INBOX INBOX/isub INBOX/isub/x",
			"leg mpp/sub",
			[]string{"/.INBOX.foo': sub-folders of INBOX", "/.end.': a part of its name is empty", "/.mpp..x': a part of its name is empty"},
		},
		{
			"prefix",
			maildir.Options{Path: "/work-", Inbox: "/Inbox", SubFolders: maildir.SubFoldersVerbatim},
			"INBOX INBOX/..isub INBOX/..isub.x INBOX/.INBOX.foo INBOX/.end. INBOX/.leg INBOX/.mpp..x INBOX/.mpp.sub INBOX/sub",
			"foo foo/sub",
			[]string{"work-half': it has 'new' and 'tmp', but no 'cur'"},
		},
		{
			"inbox elsewhere",
			maildir.Options{Path: "/top/", Inbox: "/cont2/y", SubFolders: maildir.SubFoldersVerbatim},
			"INBOX", ".a.b .leg .leg/.deep .leg/verb sub", nil,
		},
		{
			"no inbox",
			maildir.Options{Path: "/cont/", Inbox: "/nowhere", SubFolders: maildir.SubFoldersVerbatim},
			"", ".x", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.opts
			o.Name = "local"
			o.Inbox = dir + o.Inbox
			if o.Path != "" {
				o.Path = dir + o.Path
			}
			var warnings []string
			o.Warn = func(f event.Fact) {
				text, hint := ui.Text(f)
				if warnings = append(warnings, text); hint == "" {
					t.Errorf("no advice: %s", text)
				}
			}
			s, err := maildir.New(o)
			check(t, err)
			for range 2 { // the warnings come once
				for _, req := range []store.ListRequest{{Inbox: true}, {Others: true}, {Inbox: true, Others: true}} {
					want := []string{}
					if req.Inbox {
						want = append(want, strings.Fields(c.inbox)...)
					}
					if req.Others {
						want = append(want, strings.Fields(c.others)...)
					}
					slices.Sort(want)
					found, err := s.List(context.Background(), req)
					check(t, err)
					got := []string{}
					for _, b := range found {
						got = append(got, b.Name)
						if p, err := s.BoxPath(b.Name); err != nil {
							t.Errorf("path of %q: %v", b.Name, err)
						} else if _, err := os.Stat(filepath.Join(p, "cur")); err != nil {
							t.Errorf("%q is not where it is said to be: %v", b.Name, err)
						}
					}
					slices.Sort(got)
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%+v: %s", req, d)
					}
				}
			}
			if len(warnings) != len(c.warn) {
				t.Fatalf("warnings: %q", warnings)
			}
			for _, w := range c.warn {
				if !slices.ContainsFunc(warnings, func(s string) bool { return strings.Contains(s, w) }) {
					t.Errorf("no warning about %s: %q", w, warnings)
				}
			}
		})
	}
}

func TestListingErrors(t *testing.T) {
	both := store.ListRequest{Inbox: true, Others: true}
	for _, c := range []struct {
		name string
		opts maildir.Options
		want string
	}{
		{"no style", maildir.Options{Path: "/a/", Inbox: "/a"}, "does not specify a SubFolders style"},
		{"no Path", maildir.Options{Inbox: "/Inbox", SubFolders: maildir.SubFoldersVerbatim}, "has no Path"},
		{"missing Path", maildir.Options{Path: "/none/", Inbox: "/Inbox", SubFolders: maildir.SubFoldersVerbatim}, "mkdir -p"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, "Inbox", "a", "a/b")
			o := c.opts
			o.Name, o.Inbox = "local", dir+o.Inbox
			if o.Path != "" {
				o.Path = dir + o.Path
			}
			s, err := maildir.New(o)
			check(t, err)
			_, err = s.List(context.Background(), both)
			var se *store.StoreError
			if !errors.As(err, &se) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestBoxPath(t *testing.T) {
	for _, c := range []struct {
		style      maildir.SubFolders
		path, box  string
		want, fail string
	}{
		{maildir.SubFoldersVerbatim, "/m/", "INBOX", "/i", ""},
		{maildir.SubFoldersVerbatim, "/m/", "INBOX/a/b", "/i/a/b", ""},
		{maildir.SubFoldersVerbatim, "/m/", "top/sub", "/m/top/sub", ""},
		{maildir.SubFoldersVerbatim, "/m/w-", "top/sub", "/m/w-top/sub", ""},
		{maildir.SubFoldersLegacy, "/m/", "top/sub/x", "/m/top/.sub/.x", ""},
		{maildir.SubFoldersLegacy, "/m/", "INBOX/sub", "/i/.sub", ""},
		{maildir.SubFoldersMaildirPP, "", "top/sub", "/i/.top.sub", ""},
		{maildir.SubFoldersMaildirPP, "", "INBOX/a/b", "/i/..a.b", ""},
		{maildir.SubFoldersUnset, "/m/", "top", "/m/top", ""},
		{maildir.SubFoldersUnset, "/m/", "top/sub", "/m/top/sub", ""},
		{maildir.SubFoldersUnset, "/m/", "INBOX/sub", "/i/sub", ""},
		{maildir.SubFoldersUnset, "", "INBOX/sub", "/i/sub", ""},
		{maildir.SubFoldersUnset, "/i/", "INBOX/sub", "", "SubFolders style"},
		{maildir.SubFoldersUnset, "/i/.", "top/sub", "", "SubFolders style"},
		{maildir.SubFoldersVerbatim, "", "top", "", "no Path"},
		{maildir.SubFoldersMaildirPP, "", "a.b", "", "cannot contain '.'"},
		{maildir.SubFoldersLegacy, "/m/", ".top", "", "cannot begin with '.'"},
		{maildir.SubFoldersVerbatim, "/m/", "top/cur", "", "reserved name"},
		{maildir.SubFoldersVerbatim, "/", "i", "", "that of INBOX"},
		{maildir.SubFoldersVerbatim, "/m/", "../x", "", "invalid"},
		{maildir.SubFoldersVerbatim, "/m/", "a/../../x", "", "invalid"},
		{maildir.SubFoldersVerbatim, "/m/", "a//b", "", "invalid"},
		{maildir.SubFoldersVerbatim, "/m/", "a/./b", "", "invalid"},
		{maildir.SubFoldersVerbatim, "/m/", "", "", "invalid"},
		{maildir.SubFoldersVerbatim, "/m/", "a\x00b", "", "invalid"},
	} {
		s, err := maildir.New(maildir.Options{Name: "local", Path: c.path, Inbox: "/i/", SubFolders: c.style})
		check(t, err)
		got, err := s.BoxPath(c.box)
		switch {
		case c.fail == "" && (err != nil || filepath.ToSlash(got) != c.want):
			t.Errorf("%q: %q, %v; want %q", c.box, got, err, c.want)
		case c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)):
			t.Errorf("%q: %q, %v; want an error", c.box, got, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		opts maildir.Options
		want string
	}{
		{maildir.Options{}, "no Inbox"},
		{maildir.Options{Inbox: "/i", Path: "/p/", SubFolders: maildir.SubFoldersMaildirPP}, "Path cannot be combined"},
	} {
		if _, err := maildir.New(c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.opts, err)
		}
	}
}
