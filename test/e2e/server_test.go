//go:build linux

package e2e

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// remote is the name that a mailbox has on the server, and local what it is
// called everywhere else. They are the same on a Dovecot, whose tests know how
// they have set it up.
func (w *homeWorld) remote(box string) string {
	if box == "INBOX" || w.server != nil {
		return box
	}
	t := w.at.Traits()
	return t.Prefix + strings.ReplaceAll(box, "/", t.Separator)
}

func (w *homeWorld) local(name string) string {
	if w.server != nil {
		return name
	}
	t := w.at.Traits()
	return strings.ReplaceAll(strings.TrimPrefix(name, t.Prefix), t.Separator, "/")
}

// send puts letters into a mailbox of the server.
func (w *homeWorld) send(box string, letters ...letter) {
	w.tb.Helper()
	w.sendAll(map[string][]letter{box: letters})
}

// sendAll puts letters into mailboxes of the server, which are created.
func (w *homeWorld) sendAll(boxes map[string][]letter) {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	for _, box := range slices.Sorted(maps.Keys(boxes)) {
		if box != "INBOX" {
			// It may exist; if anything else is wrong, what follows will show.
			_ = c.Create(w.remote(box), nil).Wait()
		}
		for _, l := range boxes[box] {
			text := l.crlf()
			opts := &imap.AppendOptions{}
			for _, f := range imapFlags(l.flags) {
				opts.Flags = append(opts.Flags, imap.Flag(f))
			}
			cmd := c.Append(w.remote(box), int64(len(text)), opts)
			_, err := io.WriteString(cmd, text)
			if err == nil {
				err = cmd.Close()
			}
			if err == nil {
				_, err = cmd.Wait()
			}
			if err != nil {
				w.tb.Fatalf("append to %s: %v", box, err)
			}
		}
	}
	w.logout(c)
}

// fileStorage keeps the mail of a server where fill can put it.
const fileStorage = "maildir"

// fill puts many letters into the user's INBOX, behind the back of a server
// with fileStorage; it must not have looked there before. UIDs begin with 1.
func (w *homeWorld) fill(n int, write func(i int) letter) {
	w.tb.Helper()
	home := w.server.Home(w.user)
	var dirs []string
	for _, dir := range []string{".", "inbox", "inbox/cur", "inbox/new", "inbox/tmp"} {
		dirs = append(dirs, filepath.Join(home, dir))
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			w.tb.Fatal(err)
		}
	}
	owner, err := os.Stat(filepath.Dir(home))
	if err != nil {
		w.tb.Fatal(err)
	}
	own := func(path string) {
		if st, ok := owner.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			if err := os.Lchown(path, int(st.Uid), int(st.Gid)); err != nil {
				w.tb.Fatal(err)
			}
		}
	}
	for i := range n {
		l := write(i)
		lines := strings.Count(l.text, "\n")
		name := filepath.Join(home, "inbox", "cur", fmt.Sprintf("%d.M%dP1.host,S=%d,W=%d:2,%s",
			1700000000+i, i, len(l.text), len(l.text)+lines, l.flags))
		if err := os.WriteFile(name, []byte(l.text), 0o600); err != nil {
			w.tb.Fatal(err)
		}
		own(name)
	}
	for _, dir := range dirs {
		own(dir)
	}
}

// far returns what is in a mailbox of the server, by UID.
func (w *homeWorld) far(box string) []found {
	w.tb.Helper()
	return w.farAll(box)[box]
}

// farAll returns what is in mailboxes of the server.
func (w *homeWorld) farAll(boxes ...string) map[string][]found {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	out := make(map[string][]found, len(boxes))
	whole := &imap.FetchItemBodySection{Peek: true}
	for _, box := range boxes {
		sel, err := c.Select(w.remote(box), &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			w.tb.Fatalf("select %s: %v", box, err)
		}
		if sel.NumMessages == 0 {
			continue
		}
		all, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{
			UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{whole},
		}).Collect()
		if err != nil {
			w.tb.Fatalf("fetch from %s: %v", box, err)
		}
		for _, m := range all {
			var flags []string
			for _, f := range m.Flags {
				flags = append(flags, string(f))
			}
			text := normal(strings.ReplaceAll(string(m.FindBodySection(whole)), "\r\n", "\n"))
			out[box] = append(out[box], found{letter: letter{text: text, flags: maildirFlags(flags)}, uid: uint32(m.UID)})
		}
		sortFound(out[box])
	}
	w.logout(c)
	return out
}

// selected opens a mailbox on the server with another client.
func (w *homeWorld) selected(box string) *imapclient.Client {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	if _, err := c.Select(w.remote(box), nil).Wait(); err != nil {
		w.tb.Fatalf("select %s: %v", box, err)
	}
	return c
}

// logout ends a session.
func (w *homeWorld) logout(c *imapclient.Client) {
	w.tb.Helper()
	if err := c.Logout().Wait(); err != nil {
		w.tb.Fatal(err)
	}
}

// farMark gives messages on the server other flags.
func (w *homeWorld) farMark(box, flags string, uids ...uint32) {
	w.tb.Helper()
	c := w.selected(box)
	store := &imap.StoreFlags{Op: imap.StoreFlagsSet, Silent: true}
	for _, f := range imapFlags(flags) {
		store.Flags = append(store.Flags, imap.Flag(f))
	}
	if err := c.Store(uidSet(uids), store, nil).Close(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

// farRemove expunges messages from the server.
func (w *homeWorld) farRemove(box string, uids ...uint32) {
	w.tb.Helper()
	w.farMark(box, "T", uids...)
	c := w.selected(box)
	if err := c.UIDExpunge(uidSet(uids)).Close(); err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	return set
}

// farBoxes lists the mailboxes of the account, with / between their parts.
func (w *homeWorld) farBoxes() []string {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	list, err := c.List("", "*", nil).Collect()
	if err != nil {
		w.tb.Fatal(err)
	}
	w.logout(c)
	var out []string
	for _, l := range list {
		out = append(out, w.local(l.Mailbox))
	}
	return out
}

// farDelete deletes a mailbox of the server.
func (w *homeWorld) farDelete(box string) {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	if err := c.Delete(w.remote(box)).Wait(); err != nil {
		w.tb.Fatalf("delete %s: %v", box, err)
	}
	w.logout(c)
}

// dropNear deletes a mailbox of the near store.
func (w *homeWorld) dropNear(box string) {
	w.tb.Helper()
	if err := os.RemoveAll(w.boxDir(box)); err != nil {
		w.tb.Fatal(err)
	}
}
