package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"isync/internal/testkit"
)

// goneWorld is a server and a Maildir store that have the mailboxes Work, with another one
// below it, and Other in common.
type goneWorld struct {
	*world
	srv  *testkit.Dovecot
	user string
}

var goneUser atomic.Int32

// newGoneWorld makes one; the channel d has the given lines.
func newGoneWorld(t *testing.T, srv *testkit.Dovecot, near, lines string) *goneWorld {
	t.Helper()
	g := &goneWorld{srv: srv, user: fmt.Sprintf("gone%d", goneUser.Add(1))}
	srv.AddUser(t, g.user)
	g.world = newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser %s\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n\n", srv.Host, srv.Port, g.user)+
		"MaildirStore near2\n"+near+"\n\nChannel d\nFar :far:\nNear :near2:\nExpunge Both\n"+lines)
	g.write("secret", testkit.Password+"\n")
	if err := os.Mkdir(filepath.Join(g.dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, box := range []string{"INBOX", "Other", "Work", "Work/sub"} {
		for i := range 3 {
			g.srv.Seed(t, g.user, box, testkit.Mail{Body: fmt.Sprintf("Subject: %s%d\r\nMessage-Id: <%s%d@x>\r\n\r\nHello\r\n", box, i, box, i)})
		}
	}
	g.run(0, "-Cn", "d")
	return g
}

const (
	verbatim  = "Path mail/\nInbox mail/INBOX\nSubFolders Verbatim"
	legacy    = "Path mail/\nInbox mail/INBOX\nSubFolders Legacy"
	maildirPP = "Inbox mail/\nSubFolders Maildir++"
)

// nearDir returns the directory of a mailbox.
func (g *goneWorld) nearDir(layout, box string) string {
	name := box
	switch layout {
	case legacy:
		name = strings.ReplaceAll(box, "/", "/.")
	case maildirPP:
		name = "." + strings.ReplaceAll(box, "/", ".")
	}
	return filepath.Join(g.dir, "mail", name)
}

func (g *goneWorld) renameFar(from, to string) {
	g.tb.Helper()
	if err := g.srv.Client(g.tb, g.user).Rename(from, to, nil).Wait(); err != nil {
		g.tb.Fatal(err)
	}
}

// renameNear renames Work with what is below it, as a mail reader does.
func (g *goneWorld) renameNear(layout, from, to string) {
	g.tb.Helper()
	for _, below := range []string{"", "/sub"} {
		dir := g.nearDir(layout, from+below)
		if _, err := os.Stat(dir); err != nil {
			continue // it went along
		}
		if err := os.Rename(dir, g.nearDir(layout, to+below)); err != nil {
			g.tb.Fatal(err)
		}
	}
}

// far returns the subjects of all messages on the server, by mailbox.
func (g *goneWorld) far() []string {
	g.tb.Helper()
	var out []string
	box := ""
	for line := range strings.Lines(g.srv.Doveadm(g.tb, "", "fetch", "-u", g.user, "mailbox hdr.subject", "mailbox", "*", "all")) {
		if b, ok := strings.CutPrefix(line, "mailbox: "); ok {
			box = strings.TrimSpace(b)
		}
		if s, ok := strings.CutPrefix(line, "hdr.subject: "); ok {
			out = append(out, box+" has "+strings.TrimSpace(s))
		}
	}
	slices.Sort(out)
	return out
}

// near does that for the Maildirs.
func (g *goneWorld) near(layout string) []string {
	g.tb.Helper()
	var out []string
	for _, box := range []string{"INBOX", "Other", "Work", "Work/sub", "Projects", "Projects/sub", "work", "work/sub"} {
		dir := g.nearDir(layout, box)
		if box == "INBOX" && layout == maildirPP {
			dir = filepath.Join(g.dir, "mail")
		}
		files, _ := filepath.Glob(filepath.Join(dir, "[cn]*", "*,U=*"))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				g.tb.Fatal(err)
			}
			_, s, _ := strings.Cut(string(data), "Subject: ")
			s, _, _ = strings.Cut(s, "\n")
			out = append(out, box+" has "+s)
		}
	}
	slices.Sort(out)
	return out
}

// follow does what a line of advice that begins in this way says.
func (g *goneWorld) follow(begin string) bool {
	g.tb.Helper()
	for _, h := range g.hints() {
		if !strings.HasPrefix(h, begin) {
			continue
		}
		for _, before := range []string{"with a mail program, then: ", ", and: "} {
			if _, then, ok := strings.Cut(h, before); ok {
				h = ": " + then
			}
		}
		_, commands, ok := strings.Cut(h, ": ")
		if !ok {
			g.tb.Fatalf("no command in %q", h)
		}
		for c := range strings.SplitSeq(commands, " && ") {
			if args, ok := strings.CutPrefix(c, "mbsync -c rc "); ok {
				g.run(0, strings.Fields(args)...)
				continue
			}
			cmd := exec.Command("sh", "-c", c)
			cmd.Dir = g.dir
			if out, err := cmd.CombinedOutput(); err != nil {
				g.tb.Fatalf("%s: %v\n%s", c, err, out)
			}
		}
		return true
	}
	return false
}

// mustFollow is follow for advice that must be there.
func (g *goneWorld) mustFollow(begin string) {
	g.tb.Helper()
	if !g.follow(begin) {
		g.tb.Fatalf("no advice that begins with %q in:\n%s", begin, g.err.String())
	}
}

// settle follows the advice of that kind for each mailbox, one after the other.
func (g *goneWorld) settle(begins ...string) {
	g.tb.Helper()
	for range 4 {
		for _, b := range begins {
			g.follow(b)
		}
		if g.run1("d") == 0 {
			return
		}
	}
	g.tb.Fatalf("not settled:\n%s", g.err.String())
}

// run1 runs the program and returns its exit code.
func (g *goneWorld) run1(args ...string) int {
	g.out.Reset()
	g.err.Reset()
	return Main(g.env, append([]string{"mbsync", "-c", "rc"}, args...))
}

// same checks that both sides hold the messages of the beginning, each once, in the
// mailboxes that are given for Work and what is below it; "": nowhere.
func (g *goneWorld) same(layout, work string) {
	g.tb.Helper()
	var want []string
	for _, box := range []string{"INBOX", "Other", "Work", "Work/sub"} {
		at := box
		if rest, ok := strings.CutPrefix(box, "Work"); ok {
			if at = work + rest; work == "" {
				continue
			}
		}
		for i := range 3 {
			want = append(want, fmt.Sprintf("%s has %s%d", at, box, i))
		}
	}
	slices.Sort(want)
	if far := g.far(); !slices.Equal(far, want) {
		g.tb.Errorf("far side:\n%s\nwant\n%s", strings.Join(far, "\n"), strings.Join(want, "\n"))
	}
	if near := g.near(layout); !slices.Equal(near, want) {
		g.tb.Errorf("near side:\n%s\nwant\n%s", strings.Join(near, "\n"), strings.Join(want, "\n"))
	}
	g.run(0, "-e", "d") // nothing is left to do
}

// TestGoneAdvice: a folder is renamed or removed on one side. Whatever the user wants, the
// commands of the advice lead to it, and no message is lost or doubled.
func TestGoneAdvice(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	for name, layout := range map[string]string{"Verbatim": verbatim, "Maildir++": maildirPP, "Legacy": legacy} {
		for _, state := range []string{"SyncState *", "SyncState state/", "SyncState state/d-"} {
			if layout != verbatim && state == "SyncState state/" || layout == verbatim && state == "SyncState state/d-" {
				continue
			}
			if os.Getenv("ISYNC_SWEEP") == "" && rand.IntN(2) == 0 {
				continue // half of them by chance: over time, all come up
			}
			world := func(t *testing.T) *goneWorld {
				t.Helper()
				t.Parallel()
				return newGoneWorld(t, srv, layout, "Patterns *\n"+state)
			}
			t.Run(name+", "+state, func(t *testing.T) {
				t.Run("far renamed", func(t *testing.T) {
					g := world(t)
					g.renameFar("Work", "Projects")
					g.run(1, "d")
					g.says(&g.err, "2 far side mailboxes do not exist any more, but their near side mailboxes hold 6 message(s): 'Work', 'Work/sub'; "+
						"they may have been renamed, according to UIDVALIDITY: 'Work' to 'Projects', 'Work/sub' to 'Projects/sub'")
					g.settle("if 'Work' was renamed to 'Projects', do so", "if 'Work/sub' was renamed to 'Projects/sub', do so")
					g.same(layout, "Projects")
				})
				t.Run("far deleted, wanted back", func(t *testing.T) {
					g := world(t)
					g.deleteFar("Work/sub", "Work")
					g.run(1, "d")
					g.settle("to create it again on the far side, with the 3 message(s)")
					g.same(layout, "Work")
				})
				t.Run("far deleted on purpose", func(t *testing.T) {
					g := world(t)
					g.deleteFar("Work/sub", "Work")
					g.run(0, "-R", "d") // which does not remove what is not empty
					g.says(&g.err, "warning: channel 'd': 2 far side mailboxes do not exist any more, but their near side mailboxes hold 6 message(s)")
					g.run(1, "d")
					g.settle("to remove 'Work' from the near side, too, with its 3 message(s), permanently", "to remove 'Work/sub' from the near side, too")
					g.same(layout, "")
				})
				if state == "SyncState *" {
					t.Run("near renamed", func(t *testing.T) {
						g := world(t)
						g.renameNear(layout, "Work", "Projects")
						g.run(1, "d")
						g.says(&g.err, "'Projects' to 'Work'", "hint: if the near side mailbox 'Work' was renamed to 'Projects': rename 'Work' to 'Projects' in IMAPStore \"far\" with a mail program\n")
						g.renameFar("Work", "Projects")
						g.run(0, "d")
						g.same(layout, "Projects")
					})
					return
				}
				t.Run("near renamed", func(t *testing.T) {
					g := world(t)
					g.renameNear(layout, "Work", "Projects")
					g.run(1, "d")
					g.says(&g.err, "2 near side mailboxes do not exist any more, but their far side mailboxes hold 6 message(s): 'Work', 'Work/sub'; "+
						"they may have been renamed, according to UIDVALIDITY: 'Work' to 'Projects', 'Work/sub' to 'Projects/sub'")
					g.renameFar("Work", "Projects")
					g.settleStates()
					g.same(layout, "Projects")
				})
				t.Run("near renamed, taken back", func(t *testing.T) {
					g := world(t)
					g.renameNear(layout, "Work", "Projects")
					g.run(1, "d")
					g.settle("to undo the renaming")
					g.same(layout, "Work")
				})
				t.Run("near deleted, wanted back", func(t *testing.T) {
					g := world(t)
					g.deleteNear(layout)
					g.run(1, "d")
					g.settle("to create it again on the near side, with the 3 message(s)")
					g.same(layout, "Work")
				})
				t.Run("near deleted on purpose", func(t *testing.T) {
					g := world(t)
					g.deleteNear(layout)
					g.run(1, "d")
					g.says(&g.err, "hint: to remove 'Work' from the far side, too, with its 3 message(s), permanently: delete these messages in IMAPStore \"far\" with a mail program, then: mbsync -c rc -Rf d:Work\n")
					g.srv.Doveadm(t, "", "expunge", "-u", g.user, "mailbox", "Work", "all")
					g.srv.Doveadm(t, "", "expunge", "-u", g.user, "mailbox", "Work/sub", "all")
					g.settle("to remove 'Work/sub'", "to remove 'Work'")
					g.run(0, "-Rf", "d")
					g.same(layout, "")
				})
			})
		}
	}
}

// TestGoneOdd: what is said in other cases, and that nothing else happens.
func TestGoneOdd(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	world := func(t *testing.T, lines string) *goneWorld {
		t.Helper()
		t.Parallel()
		return newGoneWorld(t, srv, verbatim, lines)
	}
	const inDir = "Patterns *\nSyncState state/"
	t.Run("several may be it", func(t *testing.T) {
		g := world(t, inDir)
		valid := strings.TrimSpace(g.srv.Doveadm(t, "", "-f", "flow", "mailbox", "status", "-u", g.user, "uidvalidity", "Work"))
		_, valid, _ = strings.Cut(valid, "uidvalidity=")
		g.renameFar("Work", "Projects")
		g.renameFar("Projects/sub", "Sub")
		mail := testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"}
		g.srv.Seed(t, g.user, "Another", mail, mail, mail, mail)
		g.srv.Seed(t, g.user, "TooFew", mail, mail)
		for _, b := range []string{"Another", "TooFew", "Other"} {
			g.srv.Doveadm(t, "", "mailbox", "update", "-u", g.user, "--uid-validity", valid, b)
		}
		g.run(1, "d:Work")
		g.says(&g.err, "it may have been renamed: 'Another', 'Projects' have the same UIDVALIDITY\nhint: if 'Work' was renamed to 'NEW', do so on the near side: mkdir -p ")
	})
	t.Run("only a parent is left", func(t *testing.T) {
		g := world(t, inDir)
		g.deleteFar("Work")
		g.run(1, "d")
		g.says(&g.err, `channel 'd': far side mailbox 'Work' does not exist any more, but near side mailbox 'Work' holds 3 message(s); only other mailboxes below that name exist (\Noselect)`)
		g.settle("to create it again on the far side")
		g.same(verbatim, "Work")
	})
	t.Run("without LIST-STATUS, a UID map", func(t *testing.T) {
		t.Parallel()
		g := newGoneWorld(t, srv, verbatim+"\nAltMap yes", inDir)
		rc, err := os.ReadFile(filepath.Join(g.dir, "rc"))
		if err != nil {
			t.Fatal(err)
		}
		g.write("rc", strings.Replace(string(rc), "AuthMechs PLAIN\n", "AuthMechs PLAIN\nDisableExtensions LIST-STATUS\n", 1))
		g.renameFar("Other", "Projects")
		g.renameNear(verbatim, "Work/sub", "Sub")
		g.run(1, "d")
		g.says(&g.err, "far side mailbox 'Other' does not exist any more, but near side mailbox 'Other' holds 3 message(s); it may have been renamed to 'Projects', which has the same UIDVALIDITY\n",
			"near side mailbox 'Work/sub' does not exist any more, but far side mailbox 'Work/sub' holds 3 message(s); it may have been renamed to 'Sub', which has the same UIDVALIDITY\n",
			"hint: if this is the new name of a mailbox that does not exist any more, follow the hints for that mailbox; otherwise, Create (-C) creates missing mailboxes\n")
		g.mustFollow("if 'Other' was renamed to 'Projects', do so on the near side: ")
	})
	t.Run("not subscribed", func(t *testing.T) {
		g := world(t, inDir)
		rc, err := os.ReadFile(filepath.Join(g.dir, "rc"))
		if err != nil {
			t.Fatal(err)
		}
		g.write("rc", strings.Replace(string(rc), "AuthMechs PLAIN\n", "AuthMechs PLAIN\nSubscribedOnly yes\n", 1))
		for _, b := range []string{"Other", "Work/sub"} {
			g.srv.Doveadm(t, "", "mailbox", "subscribe", "-u", g.user, b)
		}
		g.run(1, "d")
		g.says(&g.err, "far side mailbox 'Work' does not exist any more, but near side mailbox 'Work' holds 3 message(s); it exists on the server, but it is not subscribed to\n"+
			"hint: subscribe to it with a mail program, or remove SubscribedOnly (rc:8)\n")
	})
	t.Run("only the case has changed", func(t *testing.T) {
		g := world(t, inDir)
		g.renameFar("Work", "work")
		g.run(1, "d")
		g.says(&g.err, "'Work' to 'work', 'Work/sub' to 'work/sub'")
		g.settle("if 'Work' was renamed to 'work', do so", "if 'Work/sub' was renamed to 'work/sub', do so")
		g.same(verbatim, "work")
	})
	t.Run("channel of one pair", func(t *testing.T) {
		g := world(t, inDir)
		rc, err := os.ReadFile(filepath.Join(g.dir, "rc"))
		if err != nil {
			t.Fatal(err)
		}
		g.write("rc", string(rc)+"\nChannel e\nFar :far:Other\nNear :near2:elsewhere\n")
		g.run(0, "-Cn", "e")
		g.renameFar("Other", "My Projects")
		g.run(1, "e")
		g.says(&g.err, `hint: if 'Other' was renamed to 'My Projects': write Far ":far:My Projects" in channel 'e' (rc:32), and: mv -n `)
		g.mustFollow("if 'Other' was renamed to 'My Projects': write")
		g.write("rc", string(rc)+"\nChannel e\nFar \":far:My Projects\"\nNear :near2:elsewhere\n")
		g.run(0, "-e", "e")
	})
	t.Run("copied anew", func(t *testing.T) {
		g := world(t, inDir+"\nCreate Both")
		g.renameFar("Work", "Projects")
		for range 2 { // in the second run, it has a state of its own
			g.run(1, "d:Projects,Work")
			g.says(&g.err, "it may have been renamed to 'Projects', which has the same UIDVALIDITY and is synchronized as another mailbox\n",
				"hint: if 'Work' was renamed to 'Projects': near side mailbox 'Projects' is a new copy of it, and 'Work' is the old copy")
		}
		g.settle("to remove 'Work' from", "to remove 'Work/sub' from")
		g.same(verbatim, "Projects")
	})
	t.Run("folder with many mailboxes", func(t *testing.T) {
		g := world(t, inDir)
		for i := range 20 {
			g.srv.Seed(t, g.user, fmt.Sprintf("Work/%02d", i), testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"})
		}
		g.run(0, "-Cn", "d")
		g.renameFar("Work", "Projects")
		g.run(1, "-y", "-Cn", "d", "-DN")
		lists := 0
		for line := range strings.Lines(g.out.String()) {
			if strings.HasPrefix(line, "n: far") && strings.Contains(line, " > ") && strings.Contains(line, " LIST ") {
				lists++
			}
		}
		if lists != 2 {
			t.Errorf("the mailboxes are listed %d times, want once for all that are gone:\n%s", lists, g.out.String())
		}
		if n := strings.Count(g.err.String(), "error: "); n != 1 || len(g.hints()) > 5 {
			t.Errorf("%d errors, %d hints:\n%s", n, len(g.hints()), g.err.String())
		}
		g.says(&g.err, "22 far side mailboxes do not exist any more, but their near side mailboxes hold 26 message(s): 'Work', 'Work/00', 'Work/01', ...; they may have been renamed, according to UIDVALIDITY: 'Work' to 'Projects', ",
			"hint: these commands are for the first mailbox; mbsync -c rc --check -V --online d shows them for each mailbox\n")
	})
	t.Run("not mounted", func(t *testing.T) {
		for _, remove := range []func(dir string) error{
			os.RemoveAll,
			func(dir string) error { return os.RemoveAll(filepath.Join(dir, "INBOX")) }, // a file is still there
		} {
			g := newGoneWorld(t, srv, verbatim, inDir)
			if err := remove(filepath.Join(g.dir, "mail")); err != nil {
				t.Fatal(err)
			}
			for _, b := range []string{"Other", "Work"} {
				_ = os.RemoveAll(filepath.Join(g.dir, "mail", b))
			}
			if err := os.MkdirAll(filepath.Join(g.dir, "mail"), 0o700); err != nil {
				t.Fatal(err)
			}
			g.run(1, "d")
			g.says(&g.err, "4 near side mailboxes do not exist any more", "so a file system may not be mounted there\nhint: if a file system belongs to")
			for _, h := range g.hints() {
				if strings.Contains(h, "rm ") || strings.Contains(h, "-R") || strings.Contains(h, "delete") || strings.Contains(h, "renamed") {
					t.Errorf("dangerous advice: %s", h)
				}
			}
		}
	})
	t.Run("both gone", func(t *testing.T) {
		g := world(t, inDir)
		g.deleteFar("Work/sub", "Work")
		g.deleteNear(verbatim)
		g.run(0, "d:Work")
		g.says(&g.err, "notice: channel 'd', mailbox 'Work': both mailboxes are gone; their sync state is removed\n")
		g.run(1, "d:Work")
		g.says(&g.err, "neither far side mailbox 'Work' nor near side mailbox 'Work' can be opened")
	})
}

// TestGoneCheck: the check of a configuration says the same as a run, for each mailbox;
// without asking servers, what is missing in the file system.
func TestGoneCheck(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	report := func(g *goneWorld) string { return strings.Join(strings.Fields(g.out.String()), " ") }
	for _, state := range []string{"SyncState state/", "SyncState state/d-", ""} {
		t.Run("near renamed, "+state, func(t *testing.T) {
			t.Parallel()
			g := newGoneWorld(t, srv, verbatim, "Patterns *\n"+state)
			g.run(0, "--check", "d")
			g.run(0, "--check", "--online", "d")
			g.renameNear(verbatim, "Work", "Projects")
			const renamed = " it may have been renamed to 'Projects/sub', which has the same UIDVALIDITY hint: if 'Work/sub' was renamed to 'Projects/sub', do so on the far side: rename 'Work/sub' to 'Projects/sub' in IMAPStore \"far\" with a mail program, then: mv -n "
			g.run(0, "--check", "-V", "d") // the server may have lost them as well
			offline := report(g)
			g.run(1, "--check", "-V", "--online", "d")
			for report, want := range map[string]string{
				offline:   "note near side mailbox 'Work/sub' does not exist any more; it was synchronized with far side mailbox 'Work/sub';" + renamed,
				report(g): "FAIL near side mailbox 'Work/sub' does not exist any more, but far side mailbox 'Work/sub' holds 3 message(s);" + renamed,
			} {
				for _, want := range []string{want, strings.ReplaceAll(want, "/sub", "")} {
					if !strings.Contains(report, want) {
						t.Errorf("%q is not in:\n%s", want, report)
					}
				}
			}
			if want := "hint: if this is the new name of a mailbox that does not exist any more, follow the hints for that mailbox; otherwise, to create them, add the line Create Far"; !strings.Contains(report(g), want) {
				t.Errorf("%q is not in:\n%s", want, report(g))
			}
			g.renameNear(verbatim, "Projects", "Work")
			g.run(0, "-e", "d") // nothing has changed
		})
	}
	t.Run("far renamed", func(t *testing.T) {
		t.Parallel()
		g := newGoneWorld(t, srv, verbatim, "Patterns *\nSyncState *")
		g.renameFar("Other", "Projects")
		g.run(0, "--check", "d")
		g.run(1, "--check", "-V", "--online", "d")
		if text := report(g); !strings.Contains(text, "FAIL far side mailbox 'Other' does not exist any more, but near side mailbox 'Other' holds 3 message(s); it may have been renamed to 'Projects', which has the same UIDVALIDITY hint: if 'Other' was renamed to 'Projects', do so on the near side: mv -n ") {
			t.Error(g.out.String())
		}
	})
	t.Run("channel of one pair", func(t *testing.T) {
		t.Parallel()
		g := newGoneWorld(t, srv, verbatim, "Patterns *\nSyncState state/\n\nChannel e\nFar :far:Other\nNear :near2:elsewhere\nCreate Near\nSyncState state/e-")
		g.run(0, "e")
		if err := os.RemoveAll(filepath.Join(g.dir, "mail", "elsewhere")); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--check", "-V", "e"}, {"--check", "-V", "--online", "e"}} {
			g.run(1, args...)
			if text := report(g); strings.Contains(text, "will be created") || !strings.Contains(text, "FAIL near side mailbox 'elsewhere' does not exist any more") ||
				!strings.Contains(text, "hint: to create it again on the near side, with the ") {
				t.Error(g.out.String())
			}
		}
	})
}

// settleStates moves the states of all mailboxes, one after the other.
func (g *goneWorld) settleStates() {
	g.tb.Helper()
	g.mustFollow("if 'Work' was renamed to 'Projects', do so on the far side: rename 'Work' to 'Projects' in IMAPStore \"far\" with a mail program, then: ")
	// On the far side the second one is not listed any more either.
	files, err := filepath.Glob(filepath.Join(g.dir, "state", "*Work!sub*"))
	if err != nil || len(files) != 1 {
		g.tb.Fatal(files, err)
	}
	if err := os.Rename(files[0], strings.ReplaceAll(files[0], "Work", "Projects")); err != nil {
		g.tb.Fatal(err)
	}
}

func (g *goneWorld) deleteFar(boxes ...string) {
	g.tb.Helper()
	for _, b := range boxes {
		if err := g.srv.Client(g.tb, g.user).Delete(b).Wait(); err != nil {
			g.tb.Fatal(err)
		}
	}
}

func (g *goneWorld) deleteNear(layout string) {
	g.tb.Helper()
	for _, box := range []string{"Work/sub", "Work"} {
		if err := os.RemoveAll(g.nearDir(layout, box)); err != nil {
			g.tb.Fatal(err)
		}
	}
}
