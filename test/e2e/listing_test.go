//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// listing is a configuration of a far store, a near store and a channel, lines
// separated by "; ". Both programs must list the same mailboxes and, in two
// copies of the same world, make the same ones on the near side.
type listing struct {
	far, near, channel string
	// differs says in which way they do not, and what ours lists then.
	differs string
	ours    []string
}

// trees are mailboxes below the home directory, for each layout.
var trees = map[string][]string{
	"": {"mail/a", "mail/w-x", "mail/wz", "mail/.hid", "mail/p.q", "mail/inbox", "mailbox", "in"},
	"Verbatim": {
		"mail/a", "mail/a/b", "mail/a/b/c", "mail/.hid", "mail/w-x", "mail/w-x/y", "mail/wz", "mail/nsub/k", "mail/p.q", "mail/b_c",
		"mail/INBOXES", "mail/inbox", "mail/INBOX", "mail/sp ace ", "mailbox", "in", "in/s", "in/s/t", "mail/deep/in", "mail/deep/in/s",
	},
	"Legacy": {
		"mail/a", "mail/a/.b", "mail/a/.b/.c", "mail/a/v", "mail/.hid", "mail/w-x", "mail/w-x/.y", "mail/wz", "mail/nsub/.k", "mail/p.q",
		"mail/inbox", "in", "in/.s", "in/.s/.t", "in/v",
	},
	"Maildir++": {"in", "in/.a", "in/.a.b", "in/.a.b.c", "in/..s", "in/..s.t", "in/.w-x", "in/.w-x.y", "in/.q_r", "in/v", "in/.a/.z"},
}

const (
	verbatim = "Path ~/mail/; Inbox ~/in; SubFolders Verbatim"
	legacy   = "Path ~/mail/; Inbox ~/in; SubFolders Legacy"
	plusPlus = "Inbox ~/in; SubFolders Maildir++"
	plain    = "Path ~/mail/; Inbox ~/in"
)

var maildirListings = func() (out []listing) {
	for _, far := range []string{verbatim, legacy, plusPlus, plain} {
		for _, patterns := range []string{
			"*", "* INBOX*", "INBOX", "INBOX/*", "INBOX/%", "INBOX% !INBOX/s", "%", "a*", "a/* !a/b", "* !a*", "!a *", "*s", "inbox", `"sp ace "`,
		} {
			if far == plain && strings.Contains(patterns, "/") {
				continue
			}
			out = append(out, listing{far: far, channel: "Patterns " + patterns})
		}
	}
	return append(
		out,
		// Where the inbox is.
		listing{far: "Path ~/mail/; Inbox ~/mail/a; SubFolders Verbatim", channel: "Patterns *"},
		listing{far: "Path ~/mail/; Inbox ~/mail/INBOX; SubFolders Verbatim", channel: "Patterns *"},
		listing{far: "Path ~/mail/; Inbox ~/mail/INBOX; SubFolders Verbatim", channel: "Patterns * !INBOX"},
		listing{far: "Path ~/mail/; Inbox ~/mail/deep/in; SubFolders Verbatim", channel: "Patterns *"},
		listing{far: "Path ~/mail/; Inbox ~/mail/deep/in; SubFolders Verbatim", channel: "Patterns % INBOX/%"},
		listing{far: "Path ~/mail/; Inbox ~/mail/.hid; SubFolders Legacy", channel: "Patterns *"},
		listing{far: "Path ~/mail/a/; Inbox ~/mail/a; SubFolders Verbatim", channel: "Patterns *"},
		listing{far: "Inbox ~/in; SubFolders Verbatim", channel: "Patterns INBOX*"},
		listing{far: "Inbox ~/in; SubFolders Legacy", channel: "Patterns INBOX% !INBOX"},
		listing{far: "Inbox ~/in", channel: "Patterns INBOX"},
		// Names of the inbox, flattened names.
		listing{far: verbatim + "; MapInbox main", channel: "Patterns *"},
		listing{far: verbatim + "; MapInbox main", channel: "Patterns * !main"},
		listing{far: verbatim + "; MapInbox x/y", channel: "Patterns x/%"},
		listing{far: plusPlus, near: "Flatten _; MapInbox home", channel: "Patterns a* !a/b/c"},
		listing{far: verbatim, near: "Flatten +", channel: "Patterns * INBOX*"},
		listing{far: plain + "; Flatten -", near: "", channel: "Patterns *"},
		// Mailboxes of the channel.
		listing{far: verbatim, channel: "Far :m:a/; Patterns *"},
		listing{far: verbatim, channel: "Far :m:a; Near :n:z; Patterns *"},
		listing{far: verbatim, channel: "Far :m:INBOX/; Near :n:in-; Patterns *"},
		listing{far: plusPlus, channel: "Far :m:INBOX; Near :n:in; Patterns *"},
		listing{far: legacy, channel: "Far :m:w-; Near :n:v-; Patterns % !z"},
		listing{far: verbatim, channel: "Far :m:a/b; Near :n:z"},
		listing{far: verbatim, channel: "Near :n:inbox"},
		// Known differences.
		listing{
			far: "Path ~/mail/w-; Inbox ~/in; SubFolders Verbatim", channel: "Patterns *",
			differs: "a Path that ends in a part of a name", ours: []string{"x", "x/y"},
		},
		listing{
			far: "Path ~/mail/w; Inbox ~/in; SubFolders Legacy", channel: "Patterns %",
			differs: "a Path that ends in a part of a name", ours: []string{"-x", "z"},
		},
		listing{far: verbatim, channel: "Patterns %/%", differs: "% before a /", ours: []string{"a/b", "deep/in", "nsub/k", "w-x/y"}},
		listing{
			far: verbatim + "; Flatten .", channel: "Patterns w* !*/*",
			differs: "a mailbox that Flatten leaves out", ours: []string{"w-x", "wz"},
		},
		listing{
			far: plusPlus + "; MapInbox main", channel: "Patterns *",
			differs: "the inbox under two names", ours: []string{"INBOX/s", "INBOX/s/t", "a", "a/b", "a/b/c", "main", "q_r", "w-x", "w-x/y"},
		},
	)
}()

// TestMaildirListings compares how both programs find mailboxes in Maildirs.
func TestMaildirListings(t *testing.T) {
	guard(t, testLimit)
	their := theirs(t)
	for _, l := range maildirListings {
		t.Run(l.far+"|"+l.near+"|"+l.channel, func(t *testing.T) {
			t.Parallel()
			style := ""
			if _, after, ok := strings.Cut(l.far, "SubFolders "); ok {
				style, _, _ = strings.Cut(after, ";")
			}
			l.compare(t, their, "MaildirStore m\n"+lines(l.far), func(home string) {
				for _, b := range trees[style] {
					makeBox(t, filepath.Join(home, b))
				}
			})
		})
	}
}

// lines are separated by "; ".
func lines(s string) string {
	if s == "" {
		return ""
	}
	return strings.ReplaceAll(s, "; ", "\n") + "\n"
}

func makeBox(tb testing.TB, dir string) {
	tb.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
}

// compare runs both programs, each in a home directory of its own.
func (l listing) compare(t *testing.T, their program, far string, furnish func(home string)) {
	t.Helper()
	channel := lines(l.channel)
	for _, side := range []string{"Near :n:", "Far :m:"} {
		if !strings.Contains(channel, side[:4]) {
			channel = side + "\n" + channel
		}
	}
	rc := "FSync no\nSyncState state/\n\n" + far + "\nMaildirStore n\nPath near/\nInbox nearbox\nSubFolders Verbatim\n" + lines(l.near) +
		"\nChannel c\n" + channel + "Create Near\n"
	var listed, made [2][]string
	var said [2]string
	for i, p := range []program{their, ours()} {
		w := &homeWorld{tb: t, dir: t.TempDir()}
		for _, dir := range []string{"state", "near"} {
			if err := os.Mkdir(w.path(dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		furnish(w.dir)
		if i == 0 {
			// It does not know all that ours does.
			w.configure(strings.ReplaceAll(rc, "DisableExtension LIST-EXTENDED\n", ""))
		} else {
			w.configure(rc)
		}
		r := w.run(p, "-l", "c")
		listed[i] = strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		slices.Sort(listed[i])
		said[i] = r.stderr
		if r.code != 0 {
			listed[i] = []string{fmt.Sprintf("exit code %d", r.code)}
		}
		s := w.run(p, "c")
		said[i] += s.stderr
		made[i] = append(w.boxesBelow("near"), w.boxesBelow("nearbox")...)
		made[i] = append(made[i], w.stateNames()...)
		made[i] = append(made[i], fmt.Sprintf("exit code %d", s.code))
	}
	list, make := cmp.Diff(listed[0], listed[1]), cmp.Diff(made[0], made[1])
	switch {
	case l.differs != "":
		if list == "" && make == "" {
			t.Errorf("no difference, though %s is one: %q", l.differs, listed[1])
		}
		if d := cmp.Diff(l.ours, listed[1]); d != "" {
			t.Errorf("listed (-want +got):\n%s\n%s", d, said[1])
		}
	case list != "" || make != "":
		t.Errorf("%s\nlisted (-theirs +ours):\n%s\nmade:\n%s\ntheirs says: %s\nours says: %s", rc, list, make, said[0], said[1])
	}
}

// boxesBelow returns the Maildirs in a directory of the world.
func (w *homeWorld) boxesBelow(top string) (out []string) {
	w.tb.Helper()
	err := filepath.WalkDir(w.path(top), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "cur" {
			rel, rerr := filepath.Rel(w.dir, filepath.Dir(path))
			out = append(out, rel)
			return rerr
		}
		return nil
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

// stateNames returns the names of the state files.
func (w *homeWorld) stateNames() (out []string) {
	w.tb.Helper()
	entries, err := os.ReadDir(w.path("state"))
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			out = append(out, e.Name())
		}
	}
	return out
}

// serverListings are run against a server with the mailboxes that
// serverBoxes returns. DELIM stands for its hierarchy delimiter, PREFIX for the
// prefix of its namespace.
var serverListings = func() (out []listing) {
	for _, far := range []string{
		"", `Path ""`, "UseNamespace no", "SubscribedOnly yes", "Path PREFIXtopDELIM", "Path PREFIXto",
		"UseNamespace no; PathDelimiter DELIM; Path PREFIX", "SubscribedOnly yes; DisableExtension LIST-EXTENDED",
	} {
		for _, patterns := range []string{"*", "INBOX INBOX/%", "%", "top* !top/sub", "* INBOX* !top"} {
			out = append(out, listing{far: far, channel: "Patterns " + patterns})
		}
	}
	return append(
		out,
		listing{far: "MapInbox main", channel: "Patterns * !INBOX"},
		listing{far: "MapInbox main; SubscribedOnly yes", channel: "Patterns main only/%"},
		listing{near: "Flatten +", channel: "Patterns * INBOX*"},
		listing{channel: "Far :m:top/; Patterns *"},
		listing{channel: "Far :m:top; Near :n:z; Patterns *"},
		listing{channel: "Far :m:INBOX; Near :n:z; Patterns *"},
	)
}()

func serverBoxes(delim, prefix string) (out []string) {
	for _, b := range []string{"top", "top/sub", "top/sub/deep", "alone", "only/child", "sp ace", "x_y", "Inboxes"} {
		out = append(out, prefix+strings.ReplaceAll(b, "/", delim))
	}
	return out
}

// TestServerListings compares how both programs find mailboxes on servers of
// several kinds.
func TestServerListings(t *testing.T) {
	guard(t, testLimit)
	their := theirs(t)
	for _, c := range []testkit.DovecotConfig{
		{Separator: "/"},
		{Separator: "."},
		{Separator: ".", Prefix: "INBOX."},
		{Separator: "/", Prefix: "Mail/", Storage: "maildir:~/mail"},
	} {
		t.Run(c.Separator+c.Prefix, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{server: c})
			boxes := serverBoxes(c.Separator, c.Prefix)
			if c.Prefix != "INBOX." {
				boxes = append(boxes, "INBOX"+c.Separator+"below")
			}
			if c.Prefix == "Mail/" {
				boxes = boxes[:len(boxes)-1] // not within the namespace
			}
			client := w.server.Client(t, w.user)
			for i, b := range boxes {
				err := client.Create(b, nil).Wait()
				if err == nil && i%2 == 0 {
					err = client.Subscribe(b).Wait()
				}
				if err != nil {
					t.Fatalf("%s: %v", b, err)
				}
			}
			w.logout(client)
			account := "IMAPStore m\n" + strings.Join(w.accountLines("SSLType"), "\n") + "\n"
			for _, l := range serverListings {
				for _, s := range []*string{&l.far, &l.channel} {
					*s = strings.ReplaceAll(strings.ReplaceAll(*s, "DELIM", c.Separator), "PREFIX", c.Prefix)
				}
				if strings.HasSuffix(l.far, "Path ") {
					l.far += `""`
				}
				t.Run(l.far+"|"+l.near+"|"+l.channel, func(t *testing.T) {
					l.compare(t, their, account+lines(l.far), func(string) {})
				})
			}
		})
	}
}
