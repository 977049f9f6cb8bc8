//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// shelves is a world with the mailboxes INBOX (letters 1 to 6) and Other (letters 11
// to 13), which are synchronized, and what the user expects to be in them.
type shelves struct {
	*homeWorld
	want map[string]map[int][]string // flags of each copy of a letter, by mailbox and number
}

func newShelves(t *testing.T) *shelves {
	t.Helper()
	w := newWorld(t, setup{channel: "Patterns INBOX Other\nSync All\nCreate Both\nExpunge Both"})
	s := &shelves{homeWorld: w, want: map[string]map[int][]string{"INBOX": {}, "Other": {}}}
	all := map[string][]letter{}
	for n := 1; n <= 13; n++ {
		box := "INBOX"
		switch {
		case n > 10:
			box = "Other"
		case n > 6:
			continue
		}
		l := note(n, 100+10*n)
		l.flags = "S"
		all[box] = append(all[box], l)
		s.want[box][n] = []string{"S"}
	}
	w.sendAll(all)
	s.sync(ours())
	s.check("at first")
	return s
}

// check compares both sides with what is wanted.
func (s *shelves) check(when string) {
	s.tb.Helper()
	for box, want := range s.want {
		for side, letters := range map[string][]found{"near": s.near(box), "far": s.far(box)} {
			got := map[int][]string{}
			for _, f := range letters {
				n := s.number(f)
				got[n] = append(got[n], f.flags)
				slices.Sort(got[n])
			}
			if d := cmp.Diff(want, got); d != "" {
				s.tb.Errorf("%s: %s: %s (-want +got):\n%s", when, side, box, d)
			}
		}
	}
}

var letterSubject = regexp.MustCompile(`(?m)^Subject: letter (\d+)$`)

// number returns the number of a letter. Some programs add lines to its header.
func (s *shelves) number(f found) int {
	s.tb.Helper()
	m := letterSubject.FindStringSubmatch(f.text)
	if m == nil {
		s.tb.Fatalf("no letter of ours: %q", f.text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// settle synchronizes what a neighbour has done, twice, and checks it.
func (s *shelves) settle() {
	s.tb.Helper()
	s.sync(ours(), "get a new UID", "UIDNEXT")
	s.check("after the first run")
	s.sync(ours())
	s.check("after the second run")
}

// file returns the path of a letter in a Maildir.
func (s *shelves) file(box string, n int) string {
	s.tb.Helper()
	for _, f := range s.near(box) {
		if s.number(f) == n {
			return f.file
		}
	}
	s.tb.Fatalf("no letter %d in %s", n, box)
	return ""
}

// command runs a program in the home directory, with something to read.
func (s *shelves) command(input, name string, args ...string) string {
	s.tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(input)
	cmd.Env = append(s.env(), "NOTMUCH_CONFIG="+s.path("notmuch-config"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// moved moves what is wanted of a letter to another mailbox.
func (s *shelves) moved(n int, from, to string) {
	s.want[to][n] = append(s.want[to][n], s.want[from][n]...)
	delete(s.want[from], n)
}

// TestMovedFiles: files that are moved and copied with their names, UIDs included, end
// up where the user has put them: in the place of a deleted message, beside the message
// that has the UID, and with UIDs that were never assigned.
func TestMovedFiles(t *testing.T) {
	s := newShelves(t)
	mv := func(n int, from, to string) {
		t.Helper()
		s.command("", "mv", s.file(from, n), filepath.Join(s.boxDir(to), "cur"))
		s.moved(n, from, to)
	}
	// All letters have the UIDs 1, 2, … in their mailbox.
	s.command("", "rm", s.file("Other", 12))
	delete(s.want["Other"], 12)
	mv(2, "INBOX", "Other") // in the place of that
	mv(3, "INBOX", "Other") // there is another one
	mv(6, "INBOX", "Other") // never assigned
	s.command("", "cp", s.file("Other", 11), filepath.Join(s.boxDir("INBOX"), "cur"))
	s.want["INBOX"][11] = []string{"S"}
	s.settle()

	// There and back, between runs and during none.
	mv(2, "Other", "INBOX")
	s.settle()
	mv(2, "INBOX", "Other")
	s.settle()

	// Two letters change places, and the neighbour is the C program.
	mv(1, "INBOX", "Other")
	mv(11, "Other", "INBOX")
	s.settle()
	s.sync(theirs15(t))
	s.check("after a run of the other program")
}

// TestMutt: mutt moves, deletes and flags messages in a terminal.
func TestMutt(t *testing.T) {
	mutt := testkit.FindProgram(t, "mutt", "mutt")
	s := newShelves(t)
	s.write("muttrc", strings.Join([]string{
		"set mbox_type=Maildir", "set folder='" + s.path("near") + "'", "set spoolfile='" + s.path("inbox") + "'",
		"set confirmappend=no", "set confirmcreate=no", "set delete=yes", "set quit=yes", "set move=no", "set wait_key=no", "set mark_old=no",
		"set resolve=no", "set sort=date", "set header_cache=''", "unset save_empty", "set sleep_time=0", "set maildir_trash=no",
		`push "<first-entry><search>~s 'letter 2$'<enter><save-message><kill-line>=Other<enter>` +
			`<search>~s 'letter 3$'<enter><flag-message>` +
			`<search>~s 'letter 4$'<enter><copy-message><kill-line>=Other<enter>` +
			`<search>~s 'letter 5$'<enter><delete-message>` +
			`<search>~s 'letter 6$'<enter><set-flag>r<sync-mailbox><quit>"`,
	}, "\n")+"\n")
	cmd := exec.Command(mutt, "-n", "-F", s.path("muttrc"))
	cmd.Dir, cmd.Env = s.dir, append(s.env(), "TERM=xterm", "LANG=C")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	defer terminal.Close()
	var text screen
	go func() { _, _ = io.Copy(&text, terminal) }()
	late := time.AfterFunc(runLimit, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("mutt: %v\n%s", err, &text)
	}
	s.moved(2, "INBOX", "Other")
	s.want["INBOX"][3] = []string{"FS"}
	s.want["Other"][4] = []string{"S"}
	delete(s.want["INBOX"], 5)
	s.want["INBOX"][6] = []string{"RS"}
	s.settle()
}

// TestNotmuch: notmuch changes flags along with tags.
func TestNotmuch(t *testing.T) {
	notmuch := testkit.FindProgram(t, "notmuch", "notmuch")
	s := newShelves(t)
	s.write("notmuch-config", fmt.Sprintf("[database]\npath=%s\n[new]\ntags=\nignore=rc;ca.pem;state;notmuch-config\n"+
		"[user]\nname=u\nprimary_email=u@example.org\n[maildir]\nsynchronize_flags=true\n", s.dir))
	s.command("", notmuch, "new", "--quiet")
	s.command("", notmuch, "tag", "+flagged", "--", `subject:"letter 2"`)
	s.command("", notmuch, "tag", "+unread", "--", `subject:"letter 3"`)
	s.command("", notmuch, "tag", "+replied", "+flagged", "+draft", "--", `subject:"letter 13"`)
	s.want["INBOX"][2] = []string{"FS"}
	s.want["INBOX"][3] = []string{""}
	s.want["Other"][13] = []string{"DFRS"}
	s.settle()
	s.command("", notmuch, "new", "--quiet")
	s.command("", notmuch, "tag", "-unread", "-flagged", "--", "*")
	s.want["INBOX"][2] = []string{"S"}
	s.want["INBOX"][3] = []string{"S"}
	s.want["Other"][13] = []string{"DRS"}
	s.settle()
}

// TestMu: mu moves messages and changes their flags, with their names as they are and
// with new ones.
func TestMu(t *testing.T) {
	mu := testkit.FindProgram(t, "mu", "maildir-utils")
	s := newShelves(t)
	if err := os.Rename(s.path("inbox"), s.path("near", "INBOX.real")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.path("near", "INBOX.real"), s.path("inbox")); err != nil {
		t.Fatal(err)
	}
	home := "--muhome=" + s.path("mu")
	s.command("", mu, "init", home, "--maildir="+s.path("near"), "--my-address=u@example.org")
	s.command("", mu, "index", home, "--quiet")
	id := func(n int) string { return fmt.Sprintf("%d.%d@e2e.example.org", n, 100+10*n) }
	out := s.command(fmt.Sprintf("(move :msgid %q :maildir \"/Other\" :flags \"+S\")\n", id(2))+
		fmt.Sprintf("(move :msgid %q :maildir \"/Other\" :flags \"+S\" :rename t)\n", id(3))+
		fmt.Sprintf("(move :msgid %q :flags \"+F+R\")\n", id(4))+
		fmt.Sprintf("(move :msgid %q :maildir \"/INBOX.real\" :flags \"-S+F\")\n(quit)\n", id(12)), mu, "server", home)
	if strings.Contains(out, "(:error") {
		t.Fatal(out)
	}
	s.moved(2, "INBOX", "Other")
	s.moved(3, "INBOX", "Other")
	s.want["INBOX"][4] = []string{"FRS"}
	delete(s.want["Other"], 12)
	s.want["INBOX"][12] = []string{"F"}
	s.settle()
}

// TestRestoredOver: a backup of the Maildirs is copied over them. What was deleted since
// is back, also on the server; a message whose flags have changed has two files; nothing
// else happens to the others, those that are not in the backup included.
func TestRestoredOver(t *testing.T) {
	s := newShelves(t)
	backup := s.path("backup")
	s.command("", "mkdir", backup)
	s.command("", "cp", "-a", s.path("inbox"), s.path("near"), backup)
	// Backups are older than a moment.
	s.command("", "find", backup, "-exec", "touch", "-d", "-1 hour", "{}", "+")

	s.command("", "rm", s.file("INBOX", 2))
	delete(s.want["INBOX"], 2)
	f := s.file("INBOX", 3)
	s.command("", "mv", f, strings.TrimSuffix(f, ":2,S")+":2,FS")
	s.want["INBOX"][3] = []string{"FS"}
	s.command("", "mv", s.file("INBOX", 4), filepath.Join(s.boxDir("Other"), "cur"))
	s.moved(4, "INBOX", "Other")
	seven, eight := note(7, 170), note(8, 180)
	s.send("INBOX", seven)
	s.deliver("INBOX", eight)
	s.want["INBOX"][7], s.want["INBOX"][8] = []string{""}, []string{""}
	s.settle()

	s.command("", "cp", "-a", backup+"/.", s.dir)
	s.want["INBOX"][2] = []string{"S"}
	s.want["INBOX"][3] = []string{"FS", "S"}
	s.want["INBOX"][4] = []string{"S"}
	s.settle()
}
