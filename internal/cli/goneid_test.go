package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// TestGoneByID: Cyrus gives each mailbox an identifier (MAILBOXID, RFC 8474), so a
// renamed mailbox is found among others with the same UIDVALIDITY. After the commands
// of the hint, each message is on both sides exactly once.
func TestGoneByID(t *testing.T) {
	srv := testkit.StartCyrus(t, testkit.CyrusConfig{Trixie: true, Modern: true})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN LOGIN\n\n", srv.Host, srv.Port)+
		"MaildirStore near2\n"+verbatim+"\n\nChannel d\nFar :far:\nNear :near2:\nPatterns * !Aaa !Zzz\n")
	w.write("secret", testkit.Password+"\n")
	if err := os.Mkdir(filepath.Join(w.dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"INBOX", "Other", "Work"} {
		for i := range 3 {
			srv.Seed(t, "user", box, testkit.Mail{Body: fmt.Sprintf("Subject: %s%d\r\nMessage-Id: <%s%d@x>\r\n\r\nHello\r\n", box, i, box, i)})
		}
	}
	w.run(0, "-Cn", "d")
	c := srv.Client(t, "user")
	for _, box := range []string{"Aaa", "Zzz"} {
		if err := c.Create(box, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Rename("Work", "Projects", nil).Wait(); err != nil {
		t.Fatal(err)
	}

	g := &goneWorld{world: w}
	w.run(1, "d")
	w.says(&w.err, "far side mailbox 'Work' does not exist any more, but near side mailbox 'Work' holds 3 message(s); it may have been renamed to 'Projects', which has the same MAILBOXID\n")
	g.settle("if 'Work' was renamed to 'Projects', do so")
	var far []string
	for _, box := range []string{"INBOX", "Other", "Projects"} {
		for _, m := range srv.Contents(t, "user", box) {
			_, s, _ := strings.Cut(m.Body, "Subject: ")
			s, _, _ = strings.Cut(s, "\r\n")
			far = append(far, box+" has "+s)
		}
	}
	slices.Sort(far)
	want := []string{
		"INBOX has INBOX0", "INBOX has INBOX1", "INBOX has INBOX2", "Other has Other0", "Other has Other1", "Other has Other2",
		"Projects has Work0", "Projects has Work1", "Projects has Work2",
	}
	if near := g.near(verbatim); !slices.Equal(far, want) || !slices.Equal(near, want) {
		t.Errorf("far side:\n%s\nnear side:\n%s", strings.Join(far, "\n"), strings.Join(near, "\n"))
	}
}
