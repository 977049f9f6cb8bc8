package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Mailboxes are completed behind "channel:", from the Maildirs and the sync states. No
// server is asked, and no file is changed.
func TestCompleteBoxes(t *testing.T) {
	const stores = "IMAPStore far\nHost 127.0.0.1\nPort 1\nUser me\nPassCmd \"touch '$DIR/asked'; echo x\"\nTLSType None\nAuthMechs PLAIN\n\n" +
		"IMAPStore far2\nHost 127.0.0.1\nPort 1\nUser you\nPassCmd \"touch '$DIR/asked'; echo x\"\nTLSType None\nAuthMechs PLAIN\n\n" +
		"MaildirStore loc\nPath loc/\nInbox loc/INBOX\nSubFolders Verbatim\n\n" +
		"MaildirStore dots\nPath dots/\nInbox dots/INBOX\nSubFolders Verbatim\nFlatten .\n\n"
	boxes := []string{"INBOX", "Archive/2024", "Archive/two words", "Entwürfe", "Sent", "with,comma"}
	for _, tt := range []struct {
		name, channel string
		files         []string
		word, want    string
	}{
		{"state in the mailbox", "Far :far:\nNear :loc:\nPatterns *\nSyncState *", nil, "m:", "INBOX|Archive/2024|Archive/two words|Entwürfe|Sent"},
		{"begun", "Far :far:\nNear :loc:\nPatterns *\nSyncState *", nil, "m:Arch", "Archive/2024|Archive/two words"},
		{"several", "Far :far:\nNear :loc:\nPatterns *\nSyncState *", nil, "m:Sent,S", ""},
		{"a second one", "Far :far:\nNear :loc:\nPatterns *\nSyncState *", nil, "m:Sent,Archive/t", "Sent,Archive/two words"},
		{"patterns", "Far :far:\nNear :loc:\nPatterns * !Archive*\nSyncState *", nil, "m:", "INBOX|Entwürfe|Sent"},
		{"a prefix", "Far :far:x/\nNear :loc:Archive/\nPatterns *\nSyncState *", nil, "m:", "2024|two words"},
		{
			"states of two servers", "Far :far:\nNear :far2:\nPatterns *\nSyncState st/",
			[]string{"INBOX", "INBOX.journal", "INBOX.lock", "INBOX.isync", "Arch!2024", "two words", "Entwürfe", "Entwürfe.new"},
			"m:", "INBOX|Arch/2024|Entwürfe|two words",
		},
		{
			"with prefixes", "Far :far:f/\nNear :far2:n/\nPatterns *\nSyncState st/",
			[]string{"n!a", "n!b!c", "other"},
			"m:", "a|b/c",
		},
		{
			"one file for each pair", "Far :far:f/\nNear :far2:\nPatterns *",
			[]string{"../home/.local/state/isync/:far:f!a b_:far2:a b", "../home/.local/state/isync/:far:f!x_:other:x", "../home/.local/state/isync/:far:f!a b_:far2:a b.lock"},
			"m:", "a b",
		},
		{"states and a Maildir", "Far :far:\nNear :dots:\nPatterns *\nSyncState st/", []string{"gone.by", "INBOX"}, "m:", "INBOX|gone/by"},
		{"no patterns", "Far :far:\nNear :loc:\nSyncState *", nil, "m:", ""},
		{"no such channel", "Far :far:\nNear :loc:\nPatterns *\nSyncState *", nil, "x:", ""},
		{"damaged files", "Far :far:\nNear :far2:\nPatterns *\nSyncState st/", []string{"", "!", "a!!b"}, "m:", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "")
			w.write("rc", strings.ReplaceAll(stores, "$DIR", w.dir)+"Channel m\n"+tt.channel+"\n")
			for _, b := range boxes {
				w.write("loc/"+b+"/cur/.x", "")
				w.write("loc/"+b+"/new/.x", "")
				w.write("loc/"+b+"/tmp/.x", "")
			}
			for _, f := range tt.files {
				if f != "" {
					w.write("st/"+f, "")
				}
			}
			before := w.tree()
			channel, _, _ := strings.Cut(tt.word, ":")
			want := strings.FieldsFunc(tt.want, func(r rune) bool { return r == '|' })
			less := func(list []string) map[string]int {
				m := map[string]int{}
				for _, s := range list {
					m[s]++
				}
				return m
			}
			for _, head := range []string{"", "--allow-deletions=", "--restore-deleted="} {
				var got []string
				for _, c := range completeLine(w.env, []string{"-c", "rc", head + tt.word}) {
					rest, ok := strings.CutPrefix(c.word, head+channel+":")
					if !ok {
						t.Errorf("%q", c.word)
					}
					got = append(got, rest)
				}
				if d := cmp.Diff(less(want), less(got)); d != "" {
					t.Errorf("%s: %s", head, d)
				}
			}
			if d := cmp.Diff(before, w.tree()); d != "" {
				t.Errorf("changed:\n%s", d)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "asked")); err == nil {
				t.Error("the password was asked for")
			}
		})
	}
}
