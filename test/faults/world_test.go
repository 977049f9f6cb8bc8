package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/ui"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// scenario is what a run begins with, and its rules, in the language of package
// notation.
type scenario struct {
	name             string
	rules            string
	far, near, state string
}

var scenarios = []scenario{
	{"pull", "sync", "1:A 2:B:S 3:C*:FR", "", "!"},
	{"push", "sync", "", "0:A 0:B:S 0:C*:FR", "!"},
	{"both ways", "sync", "1:A 5:B:S", "3:C 0:D:F", "!"},
	{
		"flags", "sync", "1:A:F 2:B 3:C:RS", "1:A 2:B:S 3:C:FR",
		"pulled=3 pushed=3 1-1 2-2 3-3:R",
	},
	{"deletions", "sync", "1:A 3:C", "1:A 2:B", "pulled=3 pushed=3 1-1 2-2 3-3"},
	{
		"expunge", "sync expunge-far expunge-near", "1:A:ST 2:B 3:C 6:F:T", "1:A:S 2:B 4:D:T 5:E",
		"pulled=3 pushed=3 1-1:S 2-2 3-3",
	},
	{
		"trash", "sync expunge-far expunge-near trash-far trash-near", "1:A:ST 2:B 3:C 6:F:T", "1:A:S 2:B 4:D:T 5:E",
		"pulled=3 pushed=3 1-1:S 2-2 3-3",
	},
	{
		"remote trash", "sync expunge-near remotetrash-far", "1:A 2:B", "1:A:T 2:B 3:C:T",
		"pulled=2 pushed=2 1-1 2-2",
	},
	{
		"remote trash near", "sync expunge-far remotetrash-near", "1:A:T 2:B 3:C:T", "1:A 2:B",
		"pulled=2 pushed=2 1-1 2-2",
	},
	{
		"expiration", "sync max=2 unread=yes expunge-near", "1:A:S 2:B:S 3:C 4:D:S", "1:A:S 2:B:S 3:C",
		"pulled=3 pushed=3 1-1:S 2-2:S 3-3",
	},
	{
		"expiration without expunge", "sync max=2 unread=yes", "1:A:S 2:B:S 3:C 4:D:S", "1:A:S 2:B:S 3:C",
		"pulled=3 pushed=3 1-1:S 2-2:S 3-3",
	},
	{
		"expiration taken back", "sync max=1 unread=yes", "1:A:FS 2:B:S", "1:A:ST 2:B:S",
		"pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
	},
	{"placeholders", "sync maxsize-near", "1:A* 2:B 3:C*:FS", "", "!"},
	{
		"upgrade", "sync maxsize-near expunge-near", "1:A*:R 2:B* 3:C", "1:A?:FRS 2:B? 3:C",
		"pulled=3 pushed=3 1-1:>R 2-2:> 3-3",
	},
	{"create near", "sync create-near", "1:A 2:B:S", "!", "!"},
	{"create far", "sync create-far", "!", "1:A 2:B:S", "!"},
	{"remove near", "sync remove-near", "!", "", "pulled=2 pushed=2"},
	{"remove far", "sync remove-far", "", "!", "pulled=2 pushed=2"},
}

const statePath = "/state/pair"

// disk holds everything local: the near Maildir (and perhaps the far one), its
// trash, and the state.
type disk struct{ *vfstest.Mem }

// roots are the directories of the stores; the mailbox is "box" in there.
var roots = [2]string{"/far", "/near"}

func newDisk(t testing.TB) disk {
	t.Helper()
	d := disk{vfstest.NewMem(nil)}
	for _, dir := range []string{"/far", "/near", "/state"} {
		if err := d.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d disk) write(t testing.TB, name, text string) {
	t.Helper()
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = io.WriteString(f, text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (d disk) read(name string) (string, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// setMaildir makes the mailbox of a side.
func (d disk) setMaildir(t testing.TB, s syncstate.Side, text string) {
	t.Helper()
	if text == "!" {
		return
	}
	box := roots[s] + "/box"
	for _, dir := range []string{box, box + "/tmp", box + "/new", box + "/cur"} {
		if err := d.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// More UIDs were assigned than there are messages: some are gone.
	highest := mail.UID(6)
	for i, m := range notation.ParseSide(t, text).Messages {
		highest = max(highest, m.UID)
		name := fmt.Sprintf("%d.%d_1.user", 1700000000+i, i)
		if m.UID != 0 {
			name += fmt.Sprintf(",U=%d", m.UID)
		}
		sub := "new"
		if m.Flags != 0 {
			sub = "cur"
		}
		d.write(t, path.Join(box, sub, name+":2,"+m.Flags.String()), notation.Body(m.Name, "\n"))
	}
	d.write(t, box+"/.uidvalidity", fmt.Sprintf("%d\n%d\n", notation.Validity[s], highest))
}

// maildir lists a mailbox of a side; ok is false if there is none.
func (d disk) maildir(s syncstate.Side, box string) (list []notation.Message, ok bool, err error) {
	dir := roots[s] + "/" + box
	if _, err := d.Stat(dir + "/cur"); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, false, err
	}
	for _, sub := range []string{"cur", "new"} {
		names, err := d.ReadNames(path.Join(dir, sub))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		for _, n := range names {
			text, err := d.read(path.Join(dir, sub, n))
			if err != nil {
				return nil, false, err
			}
			base, flags, _ := strings.Cut(n, ":2,")
			m := notation.Message{Name: notation.NameOf(text)}
			m.Flags, _ = mail.ParseFlags(flags)
			if _, u, ok := strings.Cut(base, ",U="); ok {
				uid, err := strconv.Atoi(u)
				if err != nil {
					return nil, false, err
				}
				m.UID = mail.UID(uid)
			}
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b notation.Message) int { return int(int64(a.UID) - int64(b.UID)) })
	return list, true, nil
}

// maildirStore is the store of a side.
func maildirStore(t testing.TB, s syncstate.Side, files vfs.FS) store.Store {
	t.Helper()
	st, err := maildir.New(maildir.Options{
		Name: s.String(), Path: roots[s] + "/", Inbox: roots[s] + "/INBOX", SubFolders: maildir.SubFoldersVerbatim,
		FSync: true, FS: files, Host: "host", NoDelay: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// log keeps what the engine reports as gone wrong.
type log struct {
	failed  int // messages
	trouble []string
}

// Take implements event.Sink.
func (l *log) Take(e event.Event) {
	m, ok := e.(event.Message)
	switch {
	case !ok:
	case m.UID != 0:
		l.failed++
		l.trouble = append(l.trouble, fmt.Sprintf("message %d of %s: %v", m.UID, m.Side, m.Err))
	case m.Severity != event.Notice:
		var text string
		if m.Fact != nil {
			text, _ = ui.Text(m.Fact)
		} else {
			text = m.Err.Error()
		}
		l.trouble = append(l.trouble, text)
	}
}

// text is everything that the user is told about what went wrong.
func (l *log) text(err error) string {
	all := slices.Clone(l.trouble)
	if err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

// farBox names the far mailbox and the far trash.
type farBox struct{ name, trash string }

var onlyBox = farBox{"box", "trash"}

// synchronize runs the engine.
func synchronize(ctx context.Context, c notation.Rules, stores [2]store.Store, far farBox, files vfs.FS, seed uint64) (*log, error) {
	l := &log{}
	_, err := engine.Sync(ctx, &engine.Pair{
		Channel: "c", Store: stores, Box: [2]string{far.name, "box"}, Create: c.Create, Remove: c.Remove, Rules: c.Plan,
		ExpireSide: syncstate.Near, TrashBox: [2]string{far.trash, "trash"},
		StatePath: statePath, FS: files, FSync: true,
		TUIDs: notation.Random(seed), Events: l,
	})
	for _, s := range stores {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}
	return l, err
}

// again are the rules for the run after one that ended with err. Single messages
// that failed in a run that was completed are tried again only if asked for.
func again(c notation.Rules, l *log, err error) notation.Rules {
	if l.failed > 0 && err == nil {
		c.Plan.Ops[0].Old, c.Plan.Ops[1].Old = true, true
	}
	return c
}

// shot is what is left of a world after a run: messages without their UIDs, and
// the state.
type shot struct {
	box     [2][]notation.Message
	missing [2]bool
	trash   [2][]notation.Message
	state   string // "" if there is none
}

// text describes the messages. Whether there are two copies of a message in a
// trash does not matter: better twice than not at all.
func (s *shot) text() string {
	var b strings.Builder
	for _, t := range syncstate.Sides {
		fmt.Fprintf(&b, "%s:", t)
		if s.missing[t] {
			b.WriteString(" missing")
		}
		b.WriteString(listing(s.box[t], false) + "\n")
		fmt.Fprintf(&b, "%s trash:%s\n", t, listing(s.trash[t], true))
	}
	fmt.Fprintf(&b, "state: %v\n", s.state != "")
	return b.String()
}

func listing(list []notation.Message, once bool) string {
	var out []string
	for _, m := range list {
		out = append(out, " "+m.Name+":"+m.Flags.String())
	}
	slices.Sort(out)
	if once {
		out = slices.Compact(out)
	}
	return strings.Join(out, "")
}

// consistent says what is wrong with a state and the mailboxes it is about.
func (s *shot) consistent() error {
	for _, t := range syncstate.Sides {
		seen := map[string]bool{}
		for _, m := range s.box[t] {
			if seen[m.Name] {
				return fmt.Errorf("%s is doubled on the %s side", m.Name, t)
			}
			seen[m.Name] = true
		}
	}
	if s.state == "" {
		return nil
	}
	st, err := syncstate.Parse("state", []byte(s.state), syncstate.Near)
	if err != nil {
		return err
	}
	var used [2]mail.UIDSet
	for r := range st.Live() {
		var names []string
		for _, t := range syncstate.Sides {
			u := r.UID[t]
			if u == 0 {
				continue
			}
			if used[t].Contains(u) {
				return fmt.Errorf("two records for %s message %d", t, u)
			}
			used[t].Add(u)
			for _, m := range s.box[t] {
				if m.UID == u {
					names = append(names, strings.TrimRight(m.Name, "*?"))
				}
			}
		}
		if len(names) == 2 && names[0] != names[1] {
			return fmt.Errorf("record %d-%d pairs %s with %s", r.UID[0], r.UID[1], names[0], names[1])
		}
	}
	return nil
}

func (d disk) stateText() (string, error) {
	text, err := d.read(statePath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return text, err
}

// memSide lists a mailbox of a memory store.
func memSide(d *mem.Disk, box string) (list []notation.Message, ok bool) {
	b, ok := d.Box(box)
	for _, m := range b.Messages {
		list = append(list, notation.Message{UID: m.UID, Name: notation.NameOf(m.Body), Flags: m.Flags})
	}
	return list, ok
}

func setMemSide(t testing.TB, d *mem.Disk, text string) {
	t.Helper()
	if text == "!" {
		return
	}
	s := mem.BoxState{UIDValidity: notation.Validity[0]}
	for _, m := range notation.ParseSide(t, text).Messages {
		s.Messages = append(s.Messages, mem.Message{UID: m.UID, Flags: m.Flags, Body: notation.Body(m.Name, "\r\n")})
	}
	d.Set("box", s)
}

// sweep returns for how long a long sweep may go on.
func sweep(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP to how long it may take")
	}
	return d
}
