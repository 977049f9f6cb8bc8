package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// restoring is a server with two mailboxes, a Maildir store, and backups of either.
type restoring struct {
	*world
	srv  *testkit.Dovecot
	next int
}

func newRestoring(t *testing.T, account, near string) *restoring {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n%s\n\n", srv.Host, srv.Port, account)+
		"MaildirStore near2\nPath near2/\nInbox near2/INBOX\nSubFolders Verbatim\n"+near+"\n\nChannel d\nFar :far:\nNear :near2:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n")
	w.write("secret", testkit.Password+"\n")
	if err := os.Mkdir(filepath.Join(w.dir, "near2"), 0o700); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(w.dir, "cache")
	w.env.Config.Getenv = func(name string) string {
		if name == "XDG_CACHE_HOME" {
			return cache
		}
		return ""
	}
	return &restoring{world: w, srv: srv}
}

// seed stores n messages in both mailboxes on the server.
func (r *restoring) seed(n int) {
	var mails []testkit.Mail
	for range n {
		r.next++
		mails = append(mails, testkit.Mail{Body: fmt.Sprintf("Subject: s%d\r\nMessage-Id: <m%d@x>\r\n\r\nHello\r\n", r.next, r.next)})
	}
	for _, box := range []string{"INBOX", "Work"} {
		r.srv.Seed(r.tb, "user", box, mails...)
	}
}

// copyDir makes to a copy of the directory from.
func (r *restoring) copyDir(from, to string) {
	r.tb.Helper()
	if err := os.RemoveAll(to); err != nil {
		r.tb.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		r.tb.Fatalf("%v: %s", err, out)
	}
}

// server changes the server's files while it does not run.
func (r *restoring) server(change func(home string)) {
	r.tb.Helper()
	if err := r.srv.Stop(); err != nil {
		r.tb.Fatal(err)
	}
	change(r.srv.Home("user"))
	r.srv.Restart(r.tb)
}

// subjects returns what the mailboxes of both sides hold, sorted.
func (r *restoring) subjects(box string) (far, near []string) {
	r.tb.Helper()
	for line := range strings.Lines(r.srv.Doveadm(r.tb, "", "fetch", "-u", "user", "hdr.subject", "mailbox", box, "all")) {
		if _, s, ok := strings.Cut(line, "hdr.subject:"); ok {
			far = append(far, strings.TrimSpace(s))
		}
	}
	for _, sub := range []string{"cur", "new"} {
		files, err := filepath.Glob(filepath.Join(r.dir, "near2", box, sub, "*"))
		if err != nil {
			r.tb.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				r.tb.Fatal(err)
			}
			_, s, _ := strings.Cut(string(data), "Subject: ")
			s, _, _ = strings.Cut(s, "\n")
			near = append(near, s)
		}
	}
	slices.Sort(far)
	slices.Sort(near)
	return far, near
}

// whole checks that both sides have messages 1 to n, each once.
func (r *restoring) whole(n int) {
	r.tb.Helper()
	var want []string
	for i := 1; i <= n; i++ {
		want = append(want, fmt.Sprintf("s%d", i))
	}
	slices.Sort(want)
	for _, box := range []string{"INBOX", "Work"} {
		far, near := r.subjects(box)
		if !slices.Equal(far, want) {
			r.tb.Errorf("%s: far has %v, want %v", box, far, want)
		}
		if !slices.Equal(near, want) {
			r.tb.Errorf("%s: near has %v, want %v", box, near, want)
		}
	}
}

// TestRestoredServer: a server that comes back from a backup lacks what came later,
// and gives the UIDs of that to other messages. Whichever way its mailboxes are
// looked at, what it lacks is taken back to it, and what is new arrives.
func TestRestoredServer(t *testing.T) {
	for _, disable := range []string{"", "LIST-STATUS", "QRESYNC", "CONDSTORE QRESYNC UIDPLUS"} {
		for _, quiet := range []bool{false, true} {
			if disable != "" && quiet == (disable == "QRESYNC") {
				continue // that would show nothing else
			}
			t.Run(fmt.Sprintf("without %s, quiet %v", disable, quiet), func(t *testing.T) {
				t.Parallel()
				account := ""
				if disable != "" {
					account = "DisableExtensions " + disable
				}
				r := newRestoring(t, account, "")
				r.seed(25)
				r.run(0, "d")
				backup := filepath.Join(r.srv.Dir(), "backup")
				r.server(func(home string) { r.copyDir(home, backup) })
				r.seed(6)
				r.run(0, "d")
				if quiet { // so that nothing is known to change
					r.run(0, "d")
					r.run(0, "d")
				}
				r.server(func(home string) { r.copyDir(backup, home) })
				r.seed(3)
				r.run(0, "d")
				r.says(&r.err, "was probably restored from a backup: 25 message(s) are the same")
				r.run(0, "d")
				r.whole(34)
				r.run(0, "d")
				if strings.Contains(r.err.String(), "backup") {
					t.Errorf("still: %s", &r.err)
				}
			})
		}
	}
}

// TestRestoredServerRefused: if too little is left to compare nothing is touched, and
// the user is told.
func TestRestoredServerRefused(t *testing.T) {
	r := newRestoring(t, "", "")
	r.seed(2)
	r.run(0, "d")
	backup := filepath.Join(r.srv.Dir(), "backup")
	r.server(func(home string) { r.copyDir(home, backup) })
	r.seed(8)
	r.run(0, "d")
	r.server(func(home string) { r.copyDir(backup, home) })
	r.run(1, "d")
	r.says(&r.err, "UIDNEXT went back on the far side; unable to recover: only 2 of 10", "hint: the mailbox was probably restored from a backup")
	if far, near := r.subjects("INBOX"); len(far) != 2 || len(near) != 10 {
		t.Errorf("far has %v, near %v", far, near)
	}
}

// TestRestoredMaildir: the same for a Maildir that was restored, but for its state.
func TestRestoredMaildir(t *testing.T) {
	for _, near := range []string{"", "AltMap yes"} {
		t.Run(near, func(t *testing.T) {
			r := newRestoring(t, "", near)
			r.seed(25)
			r.run(0, "d")
			local, backup := filepath.Join(r.dir, "near2"), filepath.Join(r.dir, "backup")
			r.copyDir(local, backup)
			r.seed(6)
			r.run(0, "d")
			for _, box := range []string{"INBOX", "Work"} { // the state is newer
				r.copyDir(filepath.Join(local, box, ".mbsyncstate"), filepath.Join(backup, box, ".mbsyncstate"))
			}
			r.copyDir(backup, local)
			r.run(0, "d")
			r.says(&r.err, "UIDNEXT went back on the near side: it is 26, but UID 31", "6 missing message(s) are to be copied to it again")
			r.run(0, "d")
			r.whole(31)
		})
	}
}

// TestRestoredMaildirWithMail: messages that have arrived in a restored Maildir and have no
// UIDs yet must not get those that the state knows, even if they are so many that
// UIDNEXT would be above all of these afterwards. Nor may they if the state cannot
// be used any more.
func TestRestoredMaildirWithMail(t *testing.T) {
	for _, near := range []string{"", "AltMap yes"} {
		for _, first := range []int{25, 2} { // that is enough to recover, and too little
			t.Run(fmt.Sprintf("%s %d", near, first), func(t *testing.T) {
				r := newRestoring(t, "", near)
				r.seed(first)
				r.run(0, "d")
				local, backup := filepath.Join(r.dir, "near2"), filepath.Join(r.dir, "backup")
				r.copyDir(local, backup)
				r.seed(6)
				r.run(0, "d")
				for _, box := range []string{"INBOX", "Work"} { // the state is newer
					r.copyDir(filepath.Join(local, box, ".mbsyncstate"), filepath.Join(backup, box, ".mbsyncstate"))
				}
				r.copyDir(backup, local)
				n := first + 6
				for range 8 {
					n++
					for _, box := range []string{"INBOX", "Work"} {
						name := filepath.Join(local, box, "new", fmt.Sprintf("1700000000.%d.user", n))
						if err := os.WriteFile(name, []byte(fmt.Sprintf("Subject: s%d\nMessage-Id: <m%d@x>\n\nHello\n", n, n)), 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
				if first < 25 {
					for range 2 {
						r.run(1, "d")
						r.says(&r.err, "unable to recover: only 2 of 8")
						if far, near := r.subjects("INBOX"); len(far) != 8 || len(near) != 10 {
							t.Errorf("far has %v, near %v", far, near)
						}
					}
					return
				}
				r.run(0, "d")
				r.says(&r.err, "UIDNEXT went back on the near side: it is 26, but UID 31", "6 missing message(s) are to be copied to it again")
				r.run(0, "d")
				r.whole(n)
			})
		}
	}
}
