package imap_test

import (
	"fmt"
	"strings"
	"testing"

	"isync/internal/store"
	"isync/internal/store/imap"
)

// germanGmail is how Gmail lists the mailboxes of a German account.
const germanGmail = `S: * LIST (\HasNoChildren) "/" "INBOX"
S: * LIST (\HasChildren \Noselect) "/" "[Gmail]"
S: * LIST (\All \HasNoChildren) "/" "[Gmail]/Alle Nachrichten"
S: * LIST (\Drafts \HasNoChildren) "/" "[Gmail]/Entw&APw-rfe"
S: * LIST (\HasNoChildren \sent) "/" "[Gmail]/Gesendet"
S: * LIST (\Flagged \HasNoChildren) "/" "[Gmail]/Markiert"
S: * LIST (\HasNoChildren \Trash) "/" "[Gmail]/Papierkorb"
S: * LIST (\HasNoChildren \Junk) "/" "[Gmail]/Spam"
S: * LIST (\HasNoChildren \Important) "/" "[Gmail]/Wichtig"
S: * LIST (\HasNoChildren) "/" "Sent"
`

// TestFindUses: the server is asked once in a run for all mailboxes with their attributes.
func TestFindUses(t *testing.T) {
	t.Parallel()
	const (
		plain    = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS] hi\n"
		extended = "S: * PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS LIST-EXTENDED SPECIAL-USE] hi\n"
		simple   = "C: $l LIST \"\" \"*\"\n"
		with     = "C: $l LIST \"\" \"*\" RETURN (SPECIAL-USE)\n"
		ok       = "S: $l OK done\n"
		gmail    = "INBOX; [Gmail]/Alle Nachrichten all; [Gmail]/Entwürfe drafts; [Gmail]/Gesendet sent; [Gmail]/Markiert flagged; " +
			"[Gmail]/Papierkorb trash; [Gmail]/Spam junk; [Gmail]/Wichtig important; Sent"
	)
	known := map[string]string{"sent": "Sent", "junk": "Spam"}
	for _, tt := range []struct{ name, script, want string }{
		{"gmail", extended + with + germanGmail + ok + goodby, gmail},
		{"plain", plain + simple + germanGmail + ok + goodby, gmail},
		{"refused", extended + with + "S: $l BAD no\nC: $m LIST \"\" \"*\"\n" + germanGmail + "S: $m OK done\n" + goodby, gmail},
		{"several", plain + simple + "S: * LIST (\\Sent) \"/\" A\nS: * LIST (\\Sent \\Archive \\X \\sent) \"/\" B\n" + ok + goodby, "A sent; B sent archive"},
		{"inbox", plain + simple + "S: * LIST (\\All) \"/\" Inbox\n" + ok + goodby, "INBOX"},
		// What the provider's users have, only if the server gives no uses.
		{"known", plain + simple + "S: * LIST () \"/\" Sent\nS: * LIST () \"/\" Trash\n" + ok + goodby, "Sent sent; Trash"},
		{"not known", plain + simple + "S: * LIST () \"/\" Sent\nS: * LIST (\\Trash) \"/\" Trash\n" + ok + goodby, "Sent; Trash trash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := scripted(t, func(o *imap.Options) { o.KnownFolders = known }, tt.script)
			finder, _ := store.As[store.UseFinder](s)
			for range 2 {
				boxes, err := finder.FindUses(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, b := range boxes {
					got = append(got, strings.TrimSpace(fmt.Sprint(b.Name, " ", strings.Join(b.Uses, " "))))
				}
				if text := strings.Join(got, "; "); text != tt.want {
					t.Errorf("got  %s\nwant %s", text, tt.want)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	// A LIST that fails is an error. It does not mean that there are no special uses.
	s, _ := scripted(t, nil, extended+with+"S: $l NO [UNAVAILABLE] later\nC: $m LIST \"\" \"*\"\nS: $m NO [UNAVAILABLE] later\n"+goodby)
	finder, _ := store.As[store.UseFinder](s)
	if boxes, err := finder.FindUses(t.Context()); err == nil {
		t.Errorf("no error, but %v", boxes)
	}
}
