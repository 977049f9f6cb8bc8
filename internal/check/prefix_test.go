package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/vfs"
)

func TestPathPrefix(t *testing.T) {
	for _, test := range []struct {
		path string   // below the directory
		dirs []string // that exist
		want string   // in the warning, with the directory in front; "": none
	}{
		{"Mail/", []string{"Mail"}, ""},
		{"Mail/", nil, ""},
		{"", nil, ""},
		{"E", []string{"E/Archive"}, "E does not end in a slash: mailboxes are not in this directory, but beside it, as E"},
		{"E", nil, "E does not end in a slash: mailboxes are made as EArchive, "},
		{"E", []string{"E2"}, "E does not end in a slash"}, // no mailbox
		{"E", []string{"EArchive/cur"}, ""},
		{"E", []string{"E", "EArchive/cur"}, "beside it, as EArchive, "},
		{"Mail/work", []string{"Mail/home/cur"}, "Mail/work does not end in a slash"},
		{"Mail/work-", []string{"Mail"}, ""},
		{"Mail/work-", []string{"Mail/work-"}, "not in this directory"},
		{"Mail/.", []string{"Mail"}, ""},
		{"missing/work", nil, "missing/work does not end in a slash"},
	} {
		dir := t.TempDir() + "/"
		for _, d := range test.dirs {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		text, hint := PathPrefix(vfs.OS{}, dir+test.path)
		text = strings.ReplaceAll(text, dir, "")
		if (text != "") != (test.want != "") || !strings.Contains(text, test.want) {
			t.Errorf("%q with %q: %q, want %q", test.path, test.dirs, text, test.want)
		}
		if text != "" && hint != "write: Path "+dir+test.path+"/" {
			t.Errorf("%q: hint %q", test.path, hint)
		}
	}
}
