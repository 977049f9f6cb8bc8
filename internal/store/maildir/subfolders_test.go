package maildir_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/maildir"
)

// Sub-folders that are there tell how they are laid out, whatever is asked
// first, in the first run as in those that come after it.
func TestStyleIsFound(t *testing.T) {
	const all = "INBOX "
	for _, c := range []struct {
		name         string
		path         string // below the directory; "-": none
		there        string // mailboxes
		style        string // that is found; "" with an error
		boxes        string // that are listed
		fails, hints string
	}{
		{"nothing", "", "Inbox", "Verbatim", all, "", ""},
		{"no sub-folders", "", "Inbox top .hidden", "Verbatim", all + "top .hidden", "", ""},
		{"verbatim", "", "Inbox top top/sub", "Verbatim", all + "top top/sub", "", ""},
		{"verbatim, in a container", "", "Inbox top/sub/deep", "Verbatim", all + "top/sub/deep", "", ""},
		{"verbatim, in the inbox", "", "Inbox Inbox/sub top", "Verbatim", all + "INBOX/sub top", "", ""},
		{"legacy", "", "Inbox top top/.sub top/.sub/.deep", "Legacy", all + "top top/sub top/sub/deep", "", ""},
		{"legacy, in a container", "", "Inbox top/.sub", "Legacy", all + "top/sub", "", ""},
		{"legacy, in the inbox", "", "Inbox Inbox/.sub top", "Legacy", all + "INBOX/sub top", "", ""},
		{"a name prefix", "w-", "Inbox w-top/.sub other/sub", "Legacy", all + "top/sub", "", ""},
		{"both", "", "Inbox top/.sub other/sub", "", "", "with different layouts", "Verbatim"},
		{"both, in one path", "", "Inbox top/.sub/deep", "", "", "with different layouts", "Verbatim"},
		{"no Path, verbatim", "-", "Inbox Inbox/sub", "Verbatim", all + "INBOX/sub", "", ""},
		{"no Path, dotted", "-", "Inbox Inbox/.sub", "", "", "SubFolders style", "Maildir++"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, first := range []string{"list", "path", "among"} {
				dir := t.TempDir()
				for _, box := range strings.Fields(c.there) {
					for _, sub := range []string{"cur", "new", "tmp"} {
						check(t, os.MkdirAll(filepath.Join(dir, box, sub), 0o700))
					}
				}
				for run := range 2 {
					var notices []string
					o := maildir.Options{
						Name: "local", Inbox: filepath.Join(dir, "Inbox"), Path: dir + "/" + c.path,
						Notice: func(f event.Fact) { notices = append(notices, textOf(f)) },
					}
					if c.path == "-" {
						o.Path = ""
					}
					s, err := maildir.New(o)
					check(t, err)
					switch first {
					case "path":
						_, err = s.BoxPath("INBOX/first")
					case "among":
						_, err = s.InboxAmongOthers(t.Context())
						check(t, err)
					}
					boxes, lerr := s.List(t.Context(), store.ListRequest{Inbox: true, OthersIfAny: true})
					if err == nil {
						err = lerr
					}
					var ne *store.NameError
					if c.fails != "" {
						if err == nil || !strings.Contains(err.Error(), c.fails) || !errors.As(err, &ne) || ne.Style != c.hints {
							t.Errorf("%s: %v, %v", first, boxes, err)
						}
						continue
					}
					check(t, err)
					names := strings.Fields(c.boxes)
					if run > 0 {
						names = append(names, "INBOX/made")
					}
					var got []string
					for _, b := range boxes {
						got = append(got, b.Name)
					}
					slices.Sort(got)
					slices.Sort(names)
					if !slices.Equal(got, names) {
						t.Errorf("%s: listed %q, want %q", first, got, names)
					}
					check(t, s.Create(t.Context(), "INBOX/made"))
					want := "/made"
					if c.style == "Legacy" {
						want = "/.made"
					}
					if p, err := s.BoxPath("INBOX/made"); err != nil || p != o.Inbox+want {
						t.Errorf("%s: %s, %v", first, p, err)
					}
					if len(notices) != 1 || !strings.Contains(notices[0], "add the line 'SubFolders "+c.style+"'") {
						t.Errorf("%s: notices %q", first, notices)
					}
				}
			}
		})
	}
}

// A store whose sub-folders nobody is interested in is not looked through.
func TestStyleIsNotLookedFor(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "Inbox", "cur"), 0o700))
	check(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("deep/", 30)), 0o700))
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: filepath.Join(dir, "Inbox"), Path: dir + "/", Notice: func(f event.Fact) { t.Error(textOf(f)) }})
	check(t, err)
	boxes, err := s.List(t.Context(), store.ListRequest{Inbox: true})
	if err != nil || len(boxes) != 1 {
		t.Errorf("%v, %v", boxes, err)
	}
	if _, err := s.BoxPath("top"); err != nil {
		t.Error(err)
	}
}
