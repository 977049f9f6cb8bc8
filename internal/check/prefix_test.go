package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/ui"
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
		{"E", []string{"E/Archive"}, "E has no slash at the end: mailboxes are not in this directory, but beside it: E"},
		{"E", nil, "E has no slash at the end: mailboxes are created as EArchive, "},
		{"E", []string{"E2"}, "E has no slash at the end"}, // no mailbox
		{"E", []string{"EArchive/cur"}, ""},
		{"E", []string{"E", "EArchive/cur"}, "beside it: EArchive, "},
		{"Mail/work", []string{"Mail/home/cur"}, "Mail/work has no slash at the end"},
		{"Mail/work-", []string{"Mail"}, ""},
		{"Mail/work-", []string{"Mail/work-"}, "not in this directory"},
		{"Mail/.", []string{"Mail"}, ""},
		{"missing/work", nil, "missing/work has no slash at the end"},
	} {
		dir := t.TempDir() + "/"
		for _, d := range test.dirs {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		text, hint := "", ""
		if f, ok := PathPrefix(vfs.OS{}, dir+test.path); ok {
			text, hint = ui.Text(f)
		}
		text = strings.ReplaceAll(text, dir, "")
		if (text != "") != (test.want != "") || !strings.Contains(text, test.want) {
			t.Errorf("%q with %q: %q, want %q", test.path, test.dirs, text, test.want)
		}
		if text != "" && hint != "if that is not intended, write: Path "+dir+test.path+"/" {
			t.Errorf("%q: hint %q", test.path, hint)
		}
	}
}
