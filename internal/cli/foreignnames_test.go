package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// TestSwitchWithRawNames: near mailboxes that an mbsync before 1.5 has made for names
// that are not valid modified UTF-7 are found again under these names. No mailbox is
// created, on either side, and nothing is copied.
func TestSwitchWithRawNames(t *testing.T) {
	theirs := testkit.FindMbsync(t)
	if !strings.HasPrefix(theirs.Version, "1.4.") {
		t.Skipf("mbsync %s has other names for mailboxes", theirs.Version)
	}
	for _, c := range []struct {
		name  string
		delim string
		boxes []string // as the server tells them
	}{
		{"ampersand", "/", []string{"A&B", "R&D/x", "A&B-", "&", "Tom & Jerry"}},
		{"UTF-8", "/", []string{"Entw\u00fcrfe", "\u041f\u0430\u043f\u043a\u0430/\u0436"}},
		{"not UTF-8", "/", []string{"Entw\xfcrfe", "\xcf\xe0\xef\xea\xe0"}},
		{"Yandex", "|", []string{"Drafts|A&B", "Drafts|template"}},
		{"base64 that is wrong", "/", []string{"x&AGE-", "x&AP", "&AP8A/w-", "&APw-&AOQ-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startNoisy(t, "IMAP4rev1 UIDPLUS LITERAL+")
			s.add("")
			s.add(`\Seen`)
			s.fetched = func(seq int, m *noisyMessage) string {
				return fmt.Sprintf("* %d FETCH (UID %d FLAGS (%s) BODY[] {%d}\r\n%s)", seq, m.uid, m.flags, len(m.body), m.body)
			}
			var made []string
			s.decide = func(cmd string, out []string) ([]string, string) {
				switch f := strings.Fields(cmd); {
				case f[0] == "LIST" && strings.HasSuffix(cmd, `"" ""`):
					return []string{`* LIST (\NoSelect) "` + c.delim + `" ""`}, "OK done"
				case f[0] == "LIST":
					out = []string{`* LIST () "` + c.delim + `" INBOX`}
					for _, b := range c.boxes {
						out = append(out, `* LIST () "`+c.delim+`" "`+b+`"`)
					}
				case f[0] == "SELECT" && strings.Contains(cmd, "&") && !slices.ContainsFunc(c.boxes, func(b string) bool { return strings.Contains(cmd, b) }):
					return nil, "NO no such mailbox"
				case f[0] == "CREATE":
					made = append(made, cmd)
				}
				for i := range out { // which the other program does not understand
					out[i] = modSeqItem.ReplaceAllString(out[i], "")
				}
				return out, "OK done"
			}
			w := noisyWorld(t, s)
			rc := w.read("rc")
			rc = rc[:strings.Index(rc, "Channel c")] + "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
			rc = strings.Replace(rc, "Path boxes/\n", "Path boxes/\nSubFolders Verbatim\n", 1)
			w.write("rc", rc)
			// The C program has other names for what is not tested here.
			w.write("rc.c", strings.NewReplacer("Inbox near", "Inbox "+w.dir+"/near", "Path boxes/", "Path "+w.dir+"/boxes/", "TLSType", "SSLType", "Retries 0\n", "").Replace(rc))
			cmd := exec.Command(theirs.Path, "-c", filepath.Join(w.dir, "rc.c"), "c")
			cmd.Env = append(os.Environ(), "HOME="+w.dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("the other program: %v\n%s", err, out)
			}
			if len(made) > 0 {
				t.Fatalf("the other program has created mailboxes on the server: %q", made)
			}
			before := w.boxes()
			if len(before) < len(c.boxes) {
				t.Fatalf("the other program made only %q", before)
			}
			for range 2 {
				w.run(0, "c")
				if len(made) > 0 {
					t.Errorf("mailboxes were created on the server: %q", made)
				}
				if strings.Contains(w.out.String(), "message(s)") {
					t.Errorf("messages were copied:\n%s", &w.out)
				}
				if d := cmp.Diff(before, w.boxes()); d != "" {
					t.Errorf("near mailboxes (-before +after):\n%s", d)
				}
			}
		})
	}
}

var modSeqItem = regexp.MustCompile(` MODSEQ \(\d+\)`)

// boxes returns the directories of near mailboxes.
func (w *world) boxes() []string {
	w.tb.Helper()
	var out []string
	for path, what := range w.tree() {
		if what == "directory" && filepath.Base(path) == "cur" {
			out = append(out, strings.TrimPrefix(filepath.Dir(path), w.dir+"/"))
		}
	}
	slices.Sort(out)
	return out
}
