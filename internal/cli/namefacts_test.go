package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNameAdvice runs the program on trees whose mailboxes cannot be
// synchronized because of their names: it says which line to add or to change.
func TestNameAdvice(t *testing.T) {
	for _, c := range []struct {
		name       string
		far, near  string // lines of the stores
		channel    string
		boxes      []string // directories of mailboxes
		args       string
		code       int
		say        string // in one line that is an error or a warning
		hint       string
		furtherOut string // in the output
	}{
		{
			name: "no SubFolders", far: "Path far/", near: "Path near/", channel: "Patterns *",
			boxes: []string{"far/a", "far/a/b"}, args: "-l c", code: 0,
			say: "using Verbatim, as in",
		},
		{
			name: "no SubFolders, with dots", far: "Path far/", near: "Path near/", channel: "Patterns *",
			boxes: []string{"far/a", "far/a/.b"}, args: "-l c", code: 0,
			say: "add the line 'SubFolders Legacy'",
		},
		{
			name: "no SubFolders, no Path", near: "Path near/", channel: "Patterns INBOX*",
			boxes: []string{"farbox", "farbox/.b"}, args: "-l c", code: 1,
			say:  "farbox/.b', but the store does not specify a SubFolders style",
			hint: `add to MaildirStore "far" (MaildirStore far): SubFolders Maildir++`,
		},
		{
			name: "no SubFolders where a mailbox is to be made", far: "Path far/\nSubFolders Verbatim", near: "Path near/", channel: "Patterns *\nCreate Both",
			boxes: []string{"far/a", "far/a/b"}, args: "c", code: 0,
			say: "using Verbatim, as there are no sub-folders yet: add the line 'SubFolders Verbatim'",
		},
		{
			name: "no Path", near: "Path near/", channel: "Patterns *",
			boxes: []string{"farbox"}, args: "-l c", code: 1,
			say:  "the store has no Path",
			hint: `add a line Path to MaildirStore "far" (MaildirStore far)`,
		},
		{
			name: "a dot in Maildir++", far: "Path far/", near: "SubFolders Maildir++", channel: "Patterns *\nCreate Near",
			boxes: []string{"far/v1.2", "near"}, args: "c", code: 1,
			say:  "with SubFolders Maildir++ a mailbox name cannot contain '.'",
			hint: "set SubFolders Verbatim (SubFolders Maildir++), which allows any name",
		},
		{
			name: "Flatten, and its character in a name", far: "Path far/", near: "Path near/\nFlatten _", channel: "Patterns *\nCreate Near",
			boxes: []string{"far/a_b"}, args: "c", code: 1,
			say:  "with Flatten '_', this name means 'a/b'",
			hint: `set Flatten (Flatten _) to a delimiter that no name contains, or exclude it: add "!a_b" to Patterns (Patterns *)`,
		},
		{
			name: "Flatten, and a mailbox within another", far: "Path far/", near: "Path near/\nFlatten _\nSubFolders Verbatim", channel: "Patterns *",
			boxes: []string{"near/a/b"}, args: "-l c", code: 0,
			say:  "warning: channel 'c': mailbox 'a/b' of MaildirStore \"near\" is ignored",
			hint: `set Flatten (Flatten _) to a delimiter that no name contains, or exclude it: add "!a/b" to Patterns (Patterns *)`,
		},
		{
			name: "MapInbox, and a mailbox of that name", far: "Path far/\nMapInbox main", near: "Path near/", channel: "Patterns *",
			boxes: []string{"far/main", "farbox"}, args: "-l c", code: 0,
			say:  "MapInbox uses its name for INBOX",
			hint: "choose another MapInbox (MapInbox main), or rename the mailbox", furtherOut: "main\n",
		},
		{
			name: "the inbox twice", far: "Path far/\nMapInbox main", near: "Path near/", channel: "Patterns * INBOX\nCreate Near",
			boxes: []string{"farbox"}, args: "-l c", code: 0,
			say:  "is already synchronized as 'main', and not again as 'INBOX'",
			hint: `exclude it: add "!INBOX" to Patterns (Patterns * INBOX)`,
		},
		{
			name: "named like the prefix", far: "Path far/\nSubFolders Verbatim", near: "Path near/\nSubFolders Verbatim", channel: "Far :far:a\nPatterns *",
			boxes: []string{"far/a", "nearbox"}, args: "c", code: 1,
			say:  "mailbox 'a' of MaildirStore \"far\" cannot be synchronized",
			hint: "give it a channel of its own, without Patterns, and exclude it here: add \"!\" at the end of Patterns",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := func(name, lines string) string {
				text := "MaildirStore " + name + "\nInbox " + name + "box\n"
				if lines != "" {
					text += lines + "\n"
				}
				return text + "\n"
			}
			rc := store("far", c.far) + store("near", c.near) + "Channel c\n"
			if !strings.Contains(c.channel, "Far ") {
				rc += "Far :far:\n"
			}
			rc += "Near :near:\n" + c.channel + "\nSyncState *\n"
			w := newWorld(t, "")
			w.write("rc", rc)
			for _, dir := range []string{"far", "near"} {
				if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, b := range c.boxes {
				for _, sub := range []string{"cur", "new", "tmp"} {
					if err := os.MkdirAll(filepath.Join(w.dir, b, sub), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.run(c.code, strings.Fields(c.args)...)
			// Lines of the configuration instead of their numbers.
			said := w.err.String()
			for i, line := range strings.Split(rc, "\n") {
				said = strings.ReplaceAll(said, fmt.Sprintf("(rc:%d)", i+1), "("+line+")")
			}
			if !strings.Contains(said, c.say) || c.hint != "" && !strings.Contains(said, "\nhint: "+c.hint) || !strings.Contains(w.out.String(), c.furtherOut) {
				t.Errorf("%s\n%s\n%s", rc, &w.out, said)
			}
		})
	}
}
