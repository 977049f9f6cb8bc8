//go:build linux

package e2e

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// names of mailboxes that begin their life on one side or on the other.
type names struct{ far, near []string }

var (
	asciiNames = names{
		far:  []string{"plain", "a/b/c/d", "With spaces in it", "tilde~", "(odd) {9} [x]", "INBOX/below/the inbox"},
		near: []string{"Near/far", `quote"d`, "a/b/e", "INBOX/more"},
	}
	// The other program takes the encoding of these for their names.
	foreignNames = names{
		far:  []string{"Entwürfe", "Entwürfe/2024/März", "日本語/メール", "R&D", "☕ & 🐧", "INBOX/Ö"},
		near: []string{"Neu/Ærø", "Neu/&-", "日本語/下書き", "&", "INBOX/übrig"},
	}
)

// TestNames creates on each side the mailboxes of the other, with all that
// names may hold, for each way of having mailboxes within mailboxes. Both
// programs agree about where they are.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name, subFolders  string
		separator, prefix string
	}{
		{"Verbatim", "Verbatim", "/", ""},
		{"Verbatim, prefix INBOX.", "Verbatim", ".", "INBOX."},
		{"Maildir++", "Maildir++", "/", ""},
		{"Legacy", "Legacy", "/", ""},
		{"Legacy, dots", "Legacy", ".", ""},
	} {
		for _, v := range []struct {
			name  string
			names names
			order []program
		}{
			{"ours", asciiNames, []program{ours(), theirs(t)}},
			{"theirs", asciiNames, []program{theirs(t), ours()}},
			{"foreign", foreignNames, []program{ours()}},
		} {
			t.Run(c.name+"/"+v.name, func(t *testing.T) {
				t.Parallel()
				patterns := "* INBOX*"
				if c.subFolders == "Maildir++" {
					patterns = "*" // the inbox is among the others
				}
				w := newWorld(t, setup{
					server:     testkit.DovecotConfig{Separator: c.separator, Prefix: c.prefix},
					subFolders: c.subFolders,
					channel:    "Patterns " + patterns + "\nCreate Both\nExpunge Both",
				})
				// onServer is the name of a mailbox there.
				onServer := func(name string) string {
					name = strings.ReplaceAll(name, "/", c.separator)
					if name != "INBOX" {
						name = c.prefix + name
					}
					return name
				}
				far, near := slices.Clone(v.names.far), slices.Clone(v.names.near)
				if c.prefix != "" {
					// What is below the inbox of such a server is beside it for us.
					below := func(n string) bool { return strings.HasPrefix(n, "INBOX/") }
					far, near = slices.DeleteFunc(far, below), slices.DeleteFunc(near, below)
				}
				if c.separator == "/" && c.subFolders == "Verbatim" {
					far = append(far, "v1.2/release.notes") // nowhere a dot separates
				}
				want := map[string][]letter{"INBOX": {note(200, 0), note(201, 0)}}
				sent := map[string][]letter{"INBOX": want["INBOX"][:1]}
				for i, name := range far {
					want[name] = []letter{note(i, 50*i), note(i+50, 10)}
					sent[onServer(name)] = want[name]
				}
				w.sendAll(sent)
				for i, name := range near {
					want[name] = []letter{note(i+100, 50*i)}
					w.deliver(name, want[name]...)
				}
				w.deliver("INBOX", want["INBOX"][1])

				w.sync(v.order[0])
				all := slices.Sorted(maps.Keys(want))
				var server []string
				for _, name := range all {
					server = append(server, onServer(name))
				}
				w.sameBoxes(server)
				if d := cmp.Diff(all, w.nearBoxes()); d != "" {
					t.Errorf("mailboxes of the Maildir store (-want +got):\n%s", d)
				}
				if t.Failed() {
					return
				}
				onFar := w.farAll(server...)
				for i, name := range all {
					onNear := w.near(name)
					w.compare(name, want[name], onFar[server[i]], onNear)
					w.checkLimits(name, onFar[server[i]], onNear)
				}
				w.idle(v.order[len(v.order)-1], server...)
				w.idle(v.order[0], server...)
			})
		}
	}
}

// TestOldNames: the other program takes the encoding of a name for the name.
// Ours does not take what that has made for another mailbox, and says what to
// do. Once it is done, all is well.
func TestOldNames(t *testing.T) {
	t.Parallel()
	const name, old = "Entwürfe", "Entw&APw-rfe"
	w := newWorld(t, setup{channel: "Patterns *\nCreate Both\nExpunge Both"})
	letters := []letter{note(1, 1), note(2, 2)}
	w.send(name, letters...)
	w.sync(theirs(t))
	files, boxes := w.tracks(), w.farBoxes()

	r := w.run(ours(), "-a")
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	want := "mailbox '" + old + `' of MaildirStore "near" seems to be '` + name + "' under the name that versions before 1.5 gave it; rename its directory, and its sync state"
	alone := "mailbox '" + name + "': not synchronized until mailbox '" + old + `' of MaildirStore "near", named by a version before 1.5, is renamed`
	for _, c := range complaints(r.stderr) {
		if !strings.Contains(c, want) && !strings.Contains(c, alone) {
			t.Errorf("it says %s", c)
		}
	}
	for _, text := range []string{want, alone} {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("it does not say %s", text)
		}
	}
	if d := cmp.Diff(files, w.tracks()); d != "" {
		t.Errorf("it touches files:\n%s", d)
	}
	if d := cmp.Diff(boxes, w.farBoxes()); d != "" {
		t.Errorf("it changes the server:\n%s", d)
	}

	for from, to := range map[string]string{
		w.boxDir(old): w.boxDir(name),
		strings.ReplaceAll(w.stateFile(name), name, old): w.stateFile(name),
	} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	w.idle(ours(), name)
	w.agree(name, letters)
}

// sameBoxes checks that the server has these mailboxes, and none but those
// above them.
func (w *homeWorld) sameBoxes(want []string) {
	w.tb.Helper()
	got := w.farBoxes()
	for _, b := range want {
		if !slices.Contains(got, b) {
			w.tb.Errorf("the server does not have %q", b)
		}
	}
	for _, b := range got {
		if !slices.ContainsFunc(want, func(name string) bool { return strings.HasPrefix(name, b) }) {
			w.tb.Errorf("the server has %q", b)
		}
	}
}

// nearBoxes returns the names of the mailboxes of the near store.
func (w *homeWorld) nearBoxes() []string {
	w.tb.Helper()
	var out []string
	for _, top := range []string{"near", "inbox"} {
		err := filepath.WalkDir(w.path(top), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.Name() != "cur" {
				return nil
			}
			rel, err := filepath.Rel(w.path(top), filepath.Dir(path))
			if err != nil {
				return err
			}
			out = append(out, w.boxName(top, filepath.ToSlash(rel)))
			return fs.SkipDir
		})
		if err != nil {
			w.tb.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// boxName is the name of the mailbox in a directory below near or inbox.
func (w *homeWorld) boxName(top, rel string) string {
	if rel == "." {
		return "INBOX"
	}
	switch w.s.subFolders {
	case "Maildir++":
		if sub, ok := strings.CutPrefix(rel, ".."); ok {
			return "INBOX/" + strings.ReplaceAll(sub, ".", "/")
		}
		return strings.ReplaceAll(strings.TrimPrefix(rel, "."), ".", "/")
	case "Legacy":
		rel = strings.ReplaceAll(strings.TrimPrefix(rel, "."), "/.", "/")
	}
	if top == "inbox" {
		return "INBOX/" + rel
	}
	return rel
}
