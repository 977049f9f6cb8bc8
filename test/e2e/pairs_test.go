//go:build linux

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// end is a store of a channel, whatever it is.
type end struct {
	w *homeWorld // whose server or directory it is in
	// name of its section. An IMAP store has a server; its delimiter and the
	// prefix of its namespace are those of the server's configuration.
	name   string
	server bool
}

// section configures the store.
func (e end) section(lines string) string {
	if e.server {
		return "IMAPStore " + e.name + "\n" + strings.Join(e.w.accountLines("SSLType"), "\n") + "\n" + lines + "\n"
	}
	return fmt.Sprintf("MaildirStore %s\nPath %s/\nInbox %s\nSubFolders %s\n%s\n",
		e.name, e.w.path("near"), e.w.path("inbox"), e.w.s.subFolders, lines)
}

// onServer is the name of a mailbox there.
func (e end) onServer(box string) string {
	if box == "INBOX" {
		return box
	}
	return e.w.s.server.Prefix + strings.ReplaceAll(box, "/", e.w.s.server.Separator)
}

func (e end) put(box string, letters ...letter) {
	if e.server {
		e.w.send(e.onServer(box), letters...)
		return
	}
	e.w.makeMaildir(box)
	e.w.deliver(box, letters...)
}

func (e end) read(box string) []found {
	e.w.tb.Helper()
	if e.server {
		return e.w.far(e.onServer(box))
	}
	return e.w.near(box)
}

// mark gives the one message with that text other flags.
func (e end) mark(box string, l letter, flags string) {
	e.w.tb.Helper()
	f := e.w.pick(e.read(box), l)
	if e.server {
		e.w.farMark(e.onServer(box), flags, f.uid)
		return
	}
	e.w.mark(f, flags)
}

// remove expunges a message.
func (e end) remove(box string, l letter) {
	e.w.tb.Helper()
	f := e.w.pick(e.read(box), l)
	if e.server {
		e.w.farRemove(e.onServer(box), f.uid)
		return
	}
	e.w.remove(f)
}

// drop deletes a mailbox that is empty.
func (e end) drop(box string) {
	e.w.tb.Helper()
	if e.server {
		c := e.w.server.Client(e.w.tb, e.w.user)
		if err := c.Delete(e.onServer(box)).Wait(); err != nil {
			e.w.tb.Fatal(err)
		}
		e.w.logout(c)
		return
	}
	if err := os.RemoveAll(e.w.boxDir(box)); err != nil {
		e.w.tb.Fatal(err)
	}
}

// boxes lists the mailboxes that hold or can hold mail.
func (e end) boxes() (out []string) {
	e.w.tb.Helper()
	if !e.server {
		return e.w.nearBoxes()
	}
	c := e.w.server.Client(e.w.tb, e.w.user)
	list, err := c.List("", "*", nil).Collect()
	if err != nil {
		e.w.tb.Fatal(err)
	}
	e.w.logout(c)
	for _, l := range list {
		if slices.ContainsFunc(l.Attrs, func(a imap.MailboxAttr) bool { return strings.EqualFold(string(a), `\Noselect`) }) {
			continue
		}
		name := l.Mailbox
		if name != "INBOX" {
			name = strings.ReplaceAll(strings.TrimPrefix(name, e.w.s.server.Prefix), e.w.s.server.Separator, "/")
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// kinds of pairs of stores.
var kinds = []struct {
	name string
	// the server of each side; nil: a Maildir store. The same one for both:
	// two accounts of one server.
	far, near  *testkit.DovecotConfig
	subFolders string // of the Maildir stores: far, near
}{
	{"two servers", &testkit.DovecotConfig{Separator: "/"}, &testkit.DovecotConfig{Separator: ".", Prefix: "INBOX."}, ""},
	{"two accounts", sameServer, sameServer, ""},
	{"two Maildir stores", nil, nil, "Legacy Verbatim"},
	{"from a Maildir store to a server", nil, &testkit.DovecotConfig{Separator: "."}, "Verbatim"},
}

var sameServer = &testkit.DovecotConfig{Separator: "/", Users: []string{"user", "other"}}

// pairWorld is a world whose channel connects two ends of some kind.
func pairWorld(t *testing.T, i int, channel string) (w *homeWorld, far, near end) {
	t.Helper()
	guard(t, testLimit)
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	k := kinds[i]
	styles := strings.Fields(k.subFolders + " Verbatim")
	ends := [2]end{{name: "far"}, {name: "near"}}
	for side, cfg := range []*testkit.DovecotConfig{k.far, k.near} {
		e := &ends[side]
		switch {
		case cfg == nil:
			e.w = &homeWorld{tb: t, dir: t.TempDir(), s: setup{subFolders: styles[min(side, len(styles)-1)]}}
			if err := os.Mkdir(e.w.path("near"), 0o700); err != nil {
				t.Fatal(err)
			}
		case side == 1 && k.far == k.near:
			e.server, e.w = true, ends[0].w.as("other")
		default:
			e.server, e.w = true, newWorld(t, setup{server: *cfg})
		}
	}
	w = &homeWorld{tb: t, dir: t.TempDir()}
	if err := os.Mkdir(w.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The trash is not a mailbox like others.
	w.configure("SyncState state/\n\n" + ends[0].section("Trash Trash") + "\n" + ends[1].section("Trash Bin") + "\n" +
		"Channel c\nFar :far:\nNear :near:\nPatterns * INBOX !Trash !Bin !secret*\nCreate Both\nRemove Both\n" + channel + "\n")
	return w, ends[0], ends[1]
}

// same checks that both ends hold these letters in a mailbox.
func same(t *testing.T, far, near end, box string, want ...letter) {
	t.Helper()
	for _, e := range []end{far, near} {
		if d := cmp.Diff(lettersAsContents(want), contentsOf(e.read(box))); d != "" {
			t.Errorf("%s on the %s side (-want +got):\n%s", box, e.name, d)
		}
	}
}

func flagged(l letter, flags string) letter {
	l.flags = flags
	return l
}

// TestPairsOfStores: channels between stores of the same kind, and from a
// Maildir store to a server, work like any other.
func TestPairsOfStores(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w, far, near := pairWorld(t, i, "Expunge Both")
			one, two, three, four, five := note(1, 100), flagged(note(2, 5000), "S"), note(3, 0), note(4, 300), flagged(note(5, 10), "FS")
			far.put("INBOX", one, two)
			far.put("lists/go nuts", three)
			far.put("secret/plans", note(6, 6))
			far.put("gone")
			near.put("INBOX", four)
			near.put("Drafts/für später", five)
			w.sync(ours())
			same(t, far, near, "INBOX", one, two, four)
			same(t, far, near, "lists/go nuts", three)
			same(t, far, near, "Drafts/für später", five)
			same(t, far, near, "gone")
			if b := near.boxes(); slices.ContainsFunc(b, func(n string) bool { return strings.HasPrefix(n, "secret") }) {
				t.Errorf("near mailboxes: %q", b)
			}

			// Flags both ways, deletions both ways; the trash of either side, and
			// a mailbox that was removed.
			far.mark("INBOX", one, "FS")
			near.mark("INBOX", four, "RS")
			near.mark("INBOX", two, "ST")
			far.remove("Drafts/für später", five)
			near.mark("lists/go nuts", three, "T")
			near.drop("gone")
			w.sync(ours())
			same(t, far, near, "INBOX", flagged(one, "FS"), flagged(four, "RS"))
			same(t, far, near, "lists/go nuts")
			same(t, far, near, "Drafts/für später")
			if slices.Contains(far.boxes(), "gone") {
				t.Error("the mailbox is still there")
			}
			for _, e := range []struct {
				end   end
				trash string
				want  []letter
			}{{far, "Trash", []letter{two, three}}, {near, "Bin", []letter{two, three, five}}} {
				got := contentsOf(e.end.read(e.trash))
				for key := range got {
					// Whether they keep the mark of deletion differs.
					got[key] = nil
				}
				want := contents{}
				for _, l := range e.want {
					want[flagged(l, "").key()] = nil
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s of the %s side (-want +got):\n%s", e.trash, e.end.name, d)
				}
			}

			// And nothing more.
			before := [2][]found{far.read("INBOX"), near.read("INBOX")}
			r := w.run(ours(), "-a")
			if r.code != 0 || strings.Contains(r.stdout, "pull") || strings.Contains(r.stdout, "push") || strings.Contains(r.stdout, "expung") {
				t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
			}
			if d := cmp.Diff(before, [2][]found{far.read("INBOX"), near.read("INBOX")}, cmp.AllowUnexported(found{}, letter{})); d != "" {
				t.Errorf("a run with nothing to do (-before +after):\n%s", d)
			}
		})
	}
}

// TestPairsCutOff ends the program at one step after the other: it resumes, and
// no letter is lost or doubled.
func TestPairsCutOff(t *testing.T) {
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w, far, near := pairWorld(t, i, "Expunge Both")
			old, doomed := note(1, 1), note(2, 200)
			far.put("INBOX", old, doomed)
			w.sync(ours())
			want := []letter{flagged(old, "S")}
			far.mark("INBOX", old, "S")
			near.mark("INBOX", doomed, "T")
			for n := range 12 {
				l := note(10+n, 40*n)
				want = append(want, l)
				if n%2 == 0 {
					far.put("INBOX", l)
				} else {
					near.put("INBOX", l)
				}
			}
			cut := 0
			// Each run goes further than the one before, as each has to begin by
			// noting what it is about to copy.
			for step := 1; ; step += 5 {
				r := w.run(ours(), fmt.Sprintf("-Tzs%d", step), "-a")
				if r.code == 0 {
					break
				}
				if r.code != 100 || step > 300 {
					t.Fatalf("run %d: exit code %d\n%s%s", step, r.code, r.stdout, r.stderr)
				}
				cut++
				for _, e := range []end{far, near} {
					for key, flags := range contentsOf(e.read("INBOX")) {
						// A copy that the program does not know yet may come twice
						// at last, but not as long as it is being looked for.
						if len(flags) > 2 {
							t.Fatalf("run %d: %d times %s on the %s side", step, len(flags), key, e.name)
						}
					}
				}
			}
			if cut < 5 {
				t.Errorf("only %d runs were cut off", cut)
			}
			same(t, far, near, "INBOX", want...)
			r := w.run(ours(), "-a")
			if r.code != 0 || strings.Contains(r.stdout, "new message") {
				t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
			}
			same(t, far, near, "INBOX", want...)
		})
	}
}
