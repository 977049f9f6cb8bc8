package check

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// unmentioned are capabilities that the program asks about, but that are not
// worth a line of their own in the report.
var unmentioned = map[string]string{
	"ENABLE":        "is a means to others",
	"IMAP4REV2":     "stands for many others",
	"LOGINDISABLED": "is told by the login",
	"STARTTLS":      "is told by the connection",
	"LITERAL-":      "is told with LITERAL+",
	"UTF8=ONLY":     "is told with UTF8=ACCEPT",
}

// TestCapabilitiesKnown: whatever capability the program makes use of is
// explained to the user, and no other.
func TestCapabilitiesKnown(t *testing.T) {
	used := map[string]bool{}
	asks := regexp.MustCompile(`\bHas\("([A-Z0-9=+-]+)"\)`)
	for _, dir := range []string{"../imapclient", "../store/imap", "../cli"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, file := range files {
			if matched, _ := filepath.Match("*_test.go", filepath.Base(file)); matched {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range asks.FindAllStringSubmatch(string(text), -1) {
				used[m[1]] = true
			}
		}
	}
	told := map[string]bool{}
	for _, k := range capabilities {
		told[k.name] = true
		if !used[k.name] {
			t.Errorf("%s is explained, but nothing asks whether a server has it", k.name)
		}
		if k.gain == "" {
			t.Errorf("%s: no word on what it is good for", k.name)
		}
	}
	for name := range used {
		if told[name] == (unmentioned[name] != "") {
			t.Errorf("%s is made use of: tell in the table what for, or here why not", name)
		}
	}
}

func TestWrap(t *testing.T) {
	var got []string
	r := report{columns: 30, home: "/home/me", line: func(l string) { got = append(got, l) }}
	r.head("Channel", "rc:1")
	r.field("label", "words that do not fit on a line")
	r.field("averylonglabel", "text")
	r.fail("do this", "it is broken in a_very_long_word_that_is_not_taken_apart")
	r.note("", "see %s", r.tilde("/home/me/x"))
	r.ok("%s", r.tildes("open /home/me/x: no"))
	r.head("Next", "a-place-that-is-too-long-for-the-line:12")
	want := []string{
		"Channel                   rc:1",
		"  label      words that do not",
		"             fit on a line",
		"  averylonglabel  text",
		"  FAIL  it is broken in",
		"        a_very_long_word_that_is_not_taken_apart",
		"        hint: do this",
		"  note  see ~/x",
		"  ok    open ~/x: no",
		"",
		"Next (a-place-that-is-too-long-for-the-line:12)",
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("line %d of\n%q\nwant\n%q", i, got, want)
		}
	}
	if r.problems != 1 || r.notes != 1 {
		t.Errorf("%d problems, %d notes", r.problems, r.notes)
	}
	for path, want := range map[string]string{
		"/home/me/a b": "'/home/me/a b'", "/home/me/x": "~/x", "/home/men/x": "/home/men/x", "/it's": `'/it'\''s'`, "": "''",
	} {
		if s := r.shellPath(path); s != want {
			t.Errorf("%q: %q", path, s)
		}
	}
}
