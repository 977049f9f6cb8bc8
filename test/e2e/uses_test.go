//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"isync/internal/testkit"
)

// usesServers are servers that know special uses. A Dovecot gives them to mailboxes with
// these names.
var usesServers = map[string]setup{
	"dovecot": {modern: true, server: testkit.DovecotConfig{Extra: `
		namespace inbox {
			mailbox "[Gmail]/Gesendet" {
				special_use = \Sent
			}
			mailbox "[Gmail]/送信済みメール" {
				special_use = \Sent
			}
			mailbox "[Gmail]/Alle Nachrichten" {
				special_use = \All
			}
			mailbox "[Gmail]/すべてのメール" {
				special_use = \All
			}
			mailbox "[Gmail]/Papierkorb" {
				special_use = \Trash
			}
		}`}},
	"dovecot-2.4": {modern: true, other: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot24(tb)
	}},
	"cyrus": {modern: true, other: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartCyrus(tb, testkit.CyrusConfig{Modern: true})
	}},
	"cyrus-3.10": {modern: true, other: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartCyrus(tb, testkit.CyrusConfig{Trixie: true})
	}},
}

// isCyrus reports whether mailboxes get their uses by commands, and not by their names.
func (w *homeWorld) isCyrus() bool {
	_, ok := w.at.(*testkit.Cyrus)
	return ok
}

// createUse creates a mailbox with a special use.
func (w *homeWorld) createUse(box string, use imap.MailboxAttr) {
	w.tb.Helper()
	if w.isCyrus() {
		w.createFor(box, use)
		return
	}
	c := w.at.Client(w.tb, w.user) // it has the use by its name
	if err := c.Create(box, nil).Wait(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

// setUse gives a mailbox of a Cyrus a use; "": none.
func (w *homeWorld) setUse(box, use string) {
	w.tb.Helper()
	var value *[]byte
	if use != "" {
		value = new([]byte(use))
	}
	c := w.at.Client(w.tb, w.user)
	if err := c.SetMetadata(w.remote(box), map[string]*[]byte{"/private/specialuse": value}).Wait(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

// farRename renames a mailbox on the server.
func (w *homeWorld) farRename(from, to string) {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	if err := c.Rename(w.remote(from), w.remote(to), nil).Wait(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

// failsUntouched runs the program twice, which must fail, say this, and change nothing.
func (w *homeWorld) failsUntouched(far, near string, texts ...string) {
	w.tb.Helper()
	count := func() [2]int {
		n := [2]int{len(w.far(far)), -1}
		if _, err := os.Stat(w.boxDir(near)); err == nil {
			n[1] = len(w.near(near))
		}
		return n
	}
	before := count()
	for _, args := range [][]string{{"-a", "-y"}, {"-a"}, {"-a", "--restore-deleted", "c"}} {
		r := w.run(ours(), args...)
		for _, s := range texts {
			if r.code != 1 || !strings.Contains(r.stderr, s) {
				w.tb.Errorf("%v: exit code %d, no %q\n%s%s", args, r.code, s, r.stdout, r.stderr)
			}
		}
	}
	if now := count(); now != before {
		w.tb.Errorf("there were %v messages, and are %v now", before, now)
	}
}

// TestUseOfFar: a channel names its far mailbox by its special use. If the server calls the
// mailbox by another name, all goes on; if another mailbox has the use, or none, or several,
// nothing is changed.
func TestUseOfFar(t *testing.T) {
	t.Parallel()
	for name, s := range usesServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.channel = "Far :far:Special:Sent\nNear :near:sent\nCreate Both\nRemove Both\nExpunge Both\nMaxDelete 100%"
			w := newWorld(t, s)
			w.configure(strings.Replace(w.config(), "Far :far:\nNear :near:\n", "", 1))
			l := notes(1, 8)
			german, japanese := "[Gmail]/Gesendet", "[Gmail]/送信済みメール"
			if w.isCyrus() { // which has uses at the top level only
				german, japanese = "Gesendet", "送信済みメール"
			}
			w.failsUntouched("INBOX", "sent", "no mailbox of IMAPStore \"far\" has the special use Sent\n", "hint: write the name of the mailbox instead of Special:Sent (")
			w.createUse(german, imap.MailboxAttrSent)
			w.send(german, l[:3]...)
			w.does("-a")
			w.sameMail(german, "sent", l[:3])
			if r := w.run(ours(), "-l", "c"); !strings.Contains(r.stdout, "Special:Sent <=> sent\n") {
				t.Errorf("the list is\n%s%s", r.stdout, r.stderr)
			}

			// Under another name it is the same mailbox, with the same state.
			w.farRename(german, japanese)
			w.send(japanese, l[3])
			if r := w.run(ours(), "-a"); r.code != 0 || !strings.Contains(r.stderr, "the far side mailbox with the special use Sent is called '"+japanese+"' now, and was '"+german+"' in the last run") {
				t.Errorf("after renaming: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			w.sameMail(japanese, "sent", l[:4])
			w.idle(ours())

			// No mailbox, then another one than before.
			old := japanese
			if w.isCyrus() {
				w.setUse(japanese, "")
			} else {
				old = "Archiv"
				w.farRename(japanese, old)
			}
			w.failsUntouched(old, "sent", "no mailbox of IMAPStore \"far\" has the special use Sent; it was '"+japanese+"' in the last run\n",
				"hint: if the mail is still in '"+japanese+"', give it the use on the server again, ")
			w.createUse(german, imap.MailboxAttrSent)
			w.send(german, l[4:6]...)
			w.failsUntouched(german, "sent", "the special use Sent on the far side belonged to mailbox '"+japanese+"' in the last run, and belongs to '"+german+"' now\n",
				"hint: nothing was changed; give the use to '"+japanese+"' again on the server, ", "to synchronize '"+german+"' from now on, remove the sync state: rm -f ")
			w.sameMail(old, "sent", l[:4])

			// Several; then as it was.
			if !w.isCyrus() { // which gives a use only once
				w.farRename(old, japanese)
				w.failsUntouched(german, "sent", "several mailboxes of IMAPStore \"far\" have the special use Sent: '"+german+"', '"+japanese+"'\n",
					"hint: write the name of one of them instead of Special:Sent (")
				w.farDelete(german)
			} else {
				w.setUse(german, "")
				w.setUse(japanese, `\Sent`)
			}
			w.send(japanese, l[6])
			w.does("-a")
			w.sameMail(japanese, "sent", append(slices.Clone(l[:4]), l[6]))
		})
	}
}

// sameMail checks that both mailboxes hold these letters.
func (w *homeWorld) sameMail(far, near string, letters []letter) {
	w.tb.Helper()
	for side, list := range map[string][]found{"far": w.far(far), "near": w.near(near)} {
		if len(list) != len(letters) {
			w.tb.Errorf("the %s side has %d messages, want %d", side, len(list), len(letters))
			continue
		}
		for _, l := range letters {
			w.pick(list, l)
		}
	}
}

// TestUseInPatterns: the same Patterns fit accounts in any language. The near mailboxes have
// the names of the server.
func TestUseInPatterns(t *testing.T) {
	t.Parallel()
	for name, s := range usesServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.channel = "Patterns * !Special:All Special:Sent\nCreate Near\nExpunge Both"
			for i, boxes := range [][2]string{{"[Gmail]/Gesendet", "[Gmail]/Alle Nachrichten"}, {"[Gmail]/送信済みメール", "[Gmail]/すべてのメール"}} {
				w := newWorld(t, s)
				if w.isCyrus() {
					if i > 0 {
						return
					}
					boxes[0] = "Gesendet" // uses are at the top level only
				}
				w.createUse(boxes[0], imap.MailboxAttrSent)
				w.sendAll(map[string][]letter{"INBOX": notes(1, 1), boxes[0]: notes(2, 2), "Liste": notes(3, 3)})
				if !w.isCyrus() {
					w.createUse(boxes[1], imap.MailboxAttrAll)
				} else {
					// A Cyrus has no mailbox with all messages.
					w.configure(strings.Replace(w.config(), "!Special:All ", "", 1))
				}
				w.does("-a")
				got := w.nearNames()
				want := []string{boxes[0], "Liste"}
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("near mailboxes %q, want %q", got, want)
				}
				w.idle(ours())
				if r := w.run(ours(), "-l", "c:Special:Sent"); r.code != 0 || r.stdout != boxes[0]+"\n" {
					t.Errorf("named on the command line: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
				}
			}
		})
	}
}

// nearNames returns the mailboxes of the near store apart from the inbox.
func (w *homeWorld) nearNames() (out []string) {
	w.tb.Helper()
	top := filepath.Dir(w.boxDir("x"))
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "cur" {
			if name, rerr := filepath.Rel(top, filepath.Dir(path)); rerr == nil && !strings.EqualFold(name, "INBOX") {
				out = append(out, name)
			}
		}
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// TestUseOfTrash: Trash by its special use.
func TestUseOfTrash(t *testing.T) {
	t.Parallel()
	s := usesServers["dovecot"]
	s.account, s.channel = "Trash Special:Trash", "Patterns * !Special:Trash\nCreate Near\nExpunge Both"
	w := newWorld(t, s)
	l := notes(1, 3)
	w.send("Liste", l...)
	r := w.run(ours(), "-a")
	if r.code != 1 || !strings.Contains(r.stderr, "no mailbox of IMAPStore \"far\" has the special use Trash") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	w.createUse("[Gmail]/Papierkorb", imap.MailboxAttrTrash)
	w.does("-a")
	w.remove(w.pick(w.near("Liste"), l[0]))
	w.does("-a")
	if got := len(w.far("[Gmail]/Papierkorb")); got != 1 || len(w.far("Liste")) != 2 {
		t.Errorf("%d messages in the trash", got)
	}
}
