package maildir_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/ui"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// fixture is a store on a memory file system with INBOX in /in.
type fixture struct {
	t       *testing.T
	mem     *vfstest.Mem
	fault   *vfstest.Fault
	opts    maildir.Options
	mu      sync.Mutex
	now     time.Time
	notices []string
}

// newFixture makes it with the given files; those with a "/" at the end are
// directories.
func newFixture(t *testing.T, files ...string) *fixture {
	x := &fixture{t: t, now: time.Unix(1_700_000_000, 500)}
	x.mem = vfstest.NewMem(x.clock)
	x.fault = vfstest.NewFault(x.mem)
	for _, d := range []string{"/in", "/in/cur", "/in/new", "/in/tmp"} {
		check(t, x.mem.Mkdir(d, 0o700))
	}
	x.opts = maildir.Options{
		Name: "local", Inbox: "/in", Path: "/", SubFolders: maildir.SubFoldersVerbatim, FSync: true,
		FS: x.fault, Clock: x.clock, Host: "host.example.org", Pid: 4711, Notice: x.note, Warn: x.note,
	}
	for _, f := range files {
		x.place(f)
	}
	x.mem.SyncAll()
	x.pass(time.Hour)
	return x
}

func (x *fixture) clock() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now
}

func (x *fixture) pass(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.now.Add(d)
}

// textOf returns the text of a fact.
func textOf(f event.Fact) string {
	text, _ := ui.Text(f)
	return text
}

func (x *fixture) note(f event.Fact) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notices = append(x.notices, textOf(f))
}

// place makes "name" or "name=contents" in /in.
func (x *fixture) place(file string) {
	x.t.Helper()
	name, text, ok := strings.Cut(file, "|")
	if !ok {
		text = "Subject: " + filepath.Base(name) + "\n\n"
	}
	if d, isDir := strings.CutSuffix(name, "/"); isDir {
		check(x.t, x.mem.Mkdir("/in/"+d, 0o700))
		return
	}
	put(x.t, x.mem, "/in/"+name, text)
}

func (x *fixture) move(from, to string) {
	x.t.Helper()
	check(x.t, x.mem.Rename("/in/"+from, "/in/"+to))
}

func (x *fixture) open(req store.OpenRequest) (store.Mailbox, error) {
	x.t.Helper()
	s, err := maildir.New(x.opts)
	check(x.t, err)
	return s.Open(context.Background(), mail.Inbox, req)
}

func (x *fixture) mustOpen() store.Mailbox {
	x.t.Helper()
	m, err := x.open(store.OpenRequest{})
	check(x.t, err)
	return m
}

// files lists the files in new and cur, and .uidvalidity.
func (x *fixture) files() []string {
	x.t.Helper()
	var out []string
	for _, d := range []string{"cur", "new"} {
		names, err := x.mem.ReadNames("/in/" + d)
		check(x.t, err)
		for _, n := range names {
			out = append(out, d+"/"+n)
		}
	}
	slices.Sort(out)
	b, err := vfs.ReadFile(x.mem, "/in/.uidvalidity")
	if err == nil {
		out = append(out, strings.ReplaceAll(string(b), "\n", " "))
	} else if !errors.Is(err, fs.ErrNotExist) {
		check(x.t, err)
	}
	return out
}

func (x *fixture) wantFiles(want ...string) {
	x.t.Helper()
	if d := cmp.Diff(want, x.files()); d != "" {
		x.t.Errorf("files: %s", d)
	}
}

// noticed checks that exactly one notice or warning holds each of the texts.
func (x *fixture) noticed(want ...string) {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.notices) != len(want) {
		x.t.Errorf("notices: %q, want %q", x.notices, want)
		return
	}
	for i, w := range want {
		if !strings.Contains(x.notices[i], w) {
			x.t.Errorf("notice %q, want %q", x.notices[i], w)
		}
	}
}

func all() store.Need { return store.Need{UIDs: mail.UIDsFrom(1), Flags: true} }

func scanned(t *testing.T, m store.Mailbox) map[mail.UID]string {
	t.Helper()
	l, err := m.Scan(context.Background(), all())
	check(t, err)
	out := make(map[mail.UID]string)
	for _, msg := range l.Messages {
		out[msg.UID] = msg.Flags.String()
	}
	return out
}

func wantScan(t *testing.T, m store.Mailbox, want map[mail.UID]string) {
	t.Helper()
	if d := cmp.Diff(want, scanned(t, m)); d != "" {
		t.Errorf("messages: %s", d)
	}
}

func TestNumbering(t *testing.T) {
	x := newFixture(t,
		".uidvalidity|123\n9\n", "cur/1.1_1.h,U=4:2,FSab", "new/2.1_10.h", "new/2.1_9.h", "cur/1.9_9.h:2,zS", "new/0.1_1.h,U=0",
		"cur/.hidden", "cur/dir/")
	m := x.mustOpen()
	wantScan(t, m, map[mail.UID]string{4: "FS", 10: "", 11: "S", 12: "", 13: ""})
	x.wantFiles("cur/.hidden", "cur/1.1_1.h,U=4:2,FSab", "cur/1.9_9.h,U=11:2,zS", "cur/dir",
		"new/0.1_1.h,U=10", "new/2.1_10.h,U=13", "new/2.1_9.h,U=12", "123 13 ")
	x.noticed("/in/cur/dir': not a file")
	if i := m.Info(); i.UIDValidity != 123 || i.UIDNext != 14 || i.Flags != mail.AllFlags {
		t.Errorf("Info %+v", i)
	}
	// Once more: nothing to do.
	x.fault.Inject(vfstest.Rule{})
	wantScan(t, m, map[mail.UID]string{4: "FS", 10: "", 11: "S", 12: "", 13: ""})
	wantScan(t, x.mustOpen(), map[mail.UID]string{4: "FS", 10: "", 11: "S", 12: "", 13: ""})
	if n := x.fault.Count(vfstest.OpChanges &^ vfstest.OpCreate); n != 0 {
		t.Errorf("%d changes when there was nothing to do", n)
	}
}

func TestNewUIDValidity(t *testing.T) {
	x := newFixture(t, "cur/1.1_1.h,U=4:2,S", "new/2.1_1.h", "cur/3.1_1.h,U=7:2,", "cur/4.1_1.h,U=7:2,F", "new/5.1_1.h,U=4294967295")
	m := x.mustOpen()
	x.noticed("no UIDVALIDITY")
	wantScan(t, m, map[mail.UID]string{4: "S", 8: "", 9: "", 10: "F", 11: ""})
	x.wantFiles("cur/1.1_1.h,U=4:2,S", "cur/3.1_1.h,U=9:2,", "cur/4.1_1.h,U=10:2,F", "new/2.1_1.h,U=8", "new/5.1_1.h,U=11",
		fmt.Sprintf("%d 11 ", x.clock().Unix()))
	if fi, err := x.mem.Stat("/in/.uidvalidity"); err != nil || fi.Mode() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestBadUIDs(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		open  bool // the error comes on opening
		want  []string
	}{
		{"above", []string{".uidvalidity|123\n5\n", "cur/a,U=6:2,S"}, false, []string{"UID 6 of 'cur/a,U=6:2,S' is above the highest assigned UID 5", "rename it to 'a:2,S'"}},
		{"far above", []string{".uidvalidity|123\n5\n", "new/a,U=99999999999"}, false, []string{"'new/a,U=99999999999' is above"}},
		{"garbage", []string{".uidvalidity|garbage\n"}, true, []string{"/in/.uidvalidity: cannot read UIDVALIDITY", "garbage"}},
		{"no UIDs left", []string{".uidvalidity|123\n4294967290\n", "new/1", "new/2", "new/3", "new/4", "new/5"}, false, []string{"no UIDs left"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, ro := range []bool{false, true} {
				x := newFixture(t, c.files...)
				before := x.files()
				m, err := x.open(store.OpenRequest{ReadOnly: ro})
				if err == nil && !c.open {
					_, err = m.Scan(context.Background(), all())
				}
				var be *store.BoxError
				if !errors.As(err, &be) || be.Box != mail.Inbox {
					t.Fatalf("error %v", err)
				}
				for _, w := range c.want {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %v does not say %q", err, w)
					}
				}
				x.wantFiles(before...)
			}
		})
	}
}

func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	for _, files := range [][]string{
		{"new/2.1_1.h", "cur/1.1_1.h:2,S", "cur/0.1_1.h,U=7:2,F", "cur/9.1_1.h,U=8:2,", "cur/9.1_2.h,U=8:2,", ".uidvalidity|"},
		{"new/2.1_1.h", "cur/1.1_1.h:2,S", "cur/0.1_1.h,U=7:2,F", ".uidvalidity|123\n8\n"},
	} {
		x := newFixture(t, files...)
		put(t, x.mem, "/in/tmp/stale", "")
		x.pass(48 * time.Hour)
		check(t, x.mem.Remove("/in/.uidvalidity"))
		if text, ok := strings.CutPrefix(files[len(files)-1], ".uidvalidity|"); ok && text != "" {
			x.place(files[len(files)-1])
		}
		x.fault.Inject(vfstest.Rule{Ops: vfstest.OpChanges | vfstest.OpLock, Nth: 1, Every: true, Err: syscall.EROFS})
		m, err := x.open(store.OpenRequest{ReadOnly: true})
		check(t, err)
		got := scanned(t, m)
		if m.Info().UIDNext <= slices.Max(slices.Collect(maps.Keys(got))) || m.Info().UIDValidity == 0 {
			t.Errorf("Info %+v", m.Info())
		}
		texts, _, err := contents(ctx, m)
		check(t, err)
		if _, err := m.Append(ctx, func(store.AppendResult) {}); err == nil {
			t.Error("Append on a read-only mailbox")
		}
		if err := m.SetFlags(ctx, []store.FlagChange{{UID: 7, Add: mail.FlagSeen}}, func(int, error) {}); err == nil {
			t.Error("SetFlags on a read-only mailbox")
		}
		if err := m.Remove(ctx, store.RemoveRequest{All: true}); err == nil {
			t.Error("Remove on a read-only mailbox")
		}
		if n := x.fault.Fired(); n > 0 {
			t.Errorf("%d writing operations", n)
		}
		// What really happens is the same.
		x.fault.Inject(vfstest.Rule{})
		rw := x.mustOpen()
		wantScan(t, rw, got)
		really, _, err := contents(ctx, rw)
		check(t, err)
		if d := cmp.Diff(really, texts); d != "" {
			t.Error(d)
		}
	}
	// It also copes with a mailbox that lacks new and tmp.
	x := newFixture(t, "cur/1,U=1:2,", ".uidvalidity|123\n1\n")
	check(t, x.mem.Remove("/in/new"))
	check(t, x.mem.Remove("/in/tmp"))
	m, err := x.open(store.OpenRequest{ReadOnly: true})
	check(t, err)
	wantScan(t, m, map[mail.UID]string{1: ""})
	wantScan(t, x.mustOpen(), map[mail.UID]string{1: ""})
	x.wantFiles("cur/1,U=1:2,", "123 1 ")
}

func TestStaleFilesInTmp(t *testing.T) {
	x := newFixture(t, "tmp/old1", "tmp/old2", "tmp/dir/")
	x.pass(20 * time.Hour)
	x.place("tmp/young")
	x.pass(5 * time.Hour)
	check(t, x.mem.Chtimes("/in/tmp/young", time.Unix(1, 0), time.Unix(1, 0))) // the date of the message
	x.mustOpen()
	names, err := x.mem.ReadNames("/in/tmp")
	check(t, err)
	slices.Sort(names)
	if d := cmp.Diff([]string{"dir", "young"}, names); d != "" {
		t.Error(d)
	}
	x.noticed("removed 2 file(s)", "no UIDVALIDITY")
}

// during calls f once, at the n-th operation of the kind.
func (x *fixture) during(kind vfstest.Op, n int, f func()) {
	x.fault.Before(func(op vfstest.Op, _ string) {
		if op&kind == 0 {
			return
		}
		if n--; n == 0 {
			f()
		}
	})
}

// TestRenamedMeanwhile has a mail reader rename messages at every operation.
func TestRenamedMeanwhile(t *testing.T) {
	ctx := context.Background()
	files := []string{".uidvalidity|123\n4\n", "new/a,U=1", "new/b,U=2", "cur/c,U=3:2,S", "cur/d,U=4:2,T"}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, m store.Mailbox)
		// flags afterwards, with what the reader did
		want map[mail.UID]string
	}{
		{"scan", func(t *testing.T, m store.Mailbox) {
			l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true, SizesFrom: 1, MessageIDs: true})
			check(t, err)
			if len(l.Messages) != 4 {
				t.Errorf("%d messages", len(l.Messages))
			}
			for _, msg := range l.Messages {
				if msg.Size == 0 {
					t.Errorf("message %d has size 0", msg.UID)
				}
			}
		}, map[mail.UID]string{1: "FS", 2: "", 3: "FS", 4: "FT"}},
		{"fetch", func(t *testing.T, m store.Mailbox) {
			n := 0
			check(t, m.Fetch(ctx, []store.FetchItem{{UID: 1}, {UID: 2}, {UID: 3, HeaderOnly: true}, {UID: 4}}, func(in *store.Incoming) error {
				n++
				return in.Err
			}))
			if n != 4 {
				t.Errorf("%d messages", n)
			}
		}, map[mail.UID]string{1: "FS", 2: "", 3: "FS", 4: "FT"}},
		{"flags", func(t *testing.T, m store.Mailbox) {
			check(t, m.SetFlags(ctx, []store.FlagChange{{UID: 1, Add: mail.FlagAnswered}, {UID: 3, Remove: mail.FlagSeen}}, func(_ int, err error) { check(t, err) }))
		}, map[mail.UID]string{1: "FRS", 2: "", 3: "F", 4: "FT"}},
		{"remove", func(t *testing.T, m store.Mailbox) {
			check(t, m.Remove(ctx, store.RemoveRequest{UIDs: mail.UIDsFrom(1)}))
		}, map[mail.UID]string{1: "FS", 2: "", 3: "FS"}},
		{"trash", func(t *testing.T, m store.Mailbox) {
			// What is not marked (any more) stays.
			want := []error{nil, store.ErrGone}
			check(t, m.(store.Trasher).Trash(ctx, []mail.UID{4, 1}, "trash", func(i int, err error) {
				if !errors.Is(err, want[i]) {
					t.Errorf("message %d of the call: %v", i, err)
				}
			}))
		}, map[mail.UID]string{1: "FS", 2: "", 3: "FS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				x := newFixture(t, files...)
				m := x.mustOpen()
				scanned(t, m)
				x.pass(time.Hour)
				fired := false
				x.during(vfstest.OpAll, n, func() {
					fired = true
					x.pass(time.Second)
					rename := func(uid mail.UID, to func(dir, name string) string) {
						for _, d := range []string{"new", "cur", "../trash/cur", "../trash/new"} {
							names, _ := x.mem.ReadNames("/in/" + d)
							for _, name := range names {
								if strings.Contains(name, fmt.Sprintf(",U=%d", uid)) {
									x.move(d+"/"+name, to(d, name))
								}
							}
						}
					}
					mark := func(dir, name string) string {
						base, flags, ok := strings.Cut(name, ":2,")
						if !ok {
							flags = "S"
						}
						return "cur/" + base + ":2,F" + flags
					}
					rename(1, mark)
					rename(3, mark)
					rename(4, mark)
					x.pass(time.Second)
				})
				c.do(t, m)
				x.fault.Before(nil)
				if !fired {
					if n < 5 {
						t.Errorf("only %d operations", n)
					}
					return
				}
				got := scanned(t, m)
				for u, want := range c.want {
					if got[u] != want && !(c.name == "flags" && letters(got[u], want)) {
						t.Errorf("operation %d: message %d has flags %q, want %q", n, u, got[u], want)
					}
				}
				if len(got) != len(c.want) {
					t.Errorf("operation %d: %v, want %v", n, got, c.want)
				}
			}
		})
	}
}

// letters tells whether two sets of flags differ at most by S, which the
// reader sets only on what it finds unread.
func letters(a, b string) bool {
	return strings.ReplaceAll(a, "S", "") == strings.ReplaceAll(b, "S", "")
}

// TestVanishedMeanwhile has messages removed at every operation.
func TestVanishedMeanwhile(t *testing.T) {
	ctx := context.Background()
	for n := 1; ; n++ {
		x := newFixture(t, ".uidvalidity|123\n5\n", "new/a,U=1", "cur/b,U=2:2,T", "cur/c,U=3:2,S", "cur/d,U=4:2,T", "new/e")
		m := x.mustOpen()
		scanned(t, m)
		x.pass(time.Hour)
		fired := false
		x.during(vfstest.OpAll, n, func() {
			fired = true
			x.pass(time.Second)
			for _, d := range []string{"new", "cur"} {
				names, _ := x.mem.ReadNames("/in/" + d)
				for _, name := range names {
					check(t, x.mem.Remove("/in/"+d+"/"+name))
				}
			}
			x.pass(time.Second)
		})
		ok := func(err error) {
			if err != nil && !errors.Is(err, store.ErrGone) {
				t.Errorf("operation %d: %v", n, err)
			}
		}
		l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), SizesFrom: 1, TUIDs: true})
		check(t, err)
		_ = l
		check(t, m.Fetch(ctx, []store.FetchItem{{UID: 1}, {UID: 3}, {UID: 6}}, func(in *store.Incoming) error { return in.Err }))
		check(t, m.SetFlags(ctx, []store.FlagChange{{UID: 1, Add: mail.FlagSeen}, {UID: 3, Add: mail.FlagFlagged}}, func(_ int, err error) { ok(err) }))
		check(t, m.(store.Trasher).Trash(ctx, []mail.UID{2, 3}, "trash", func(_ int, err error) { ok(err) }))
		check(t, m.Remove(ctx, store.RemoveRequest{All: true}))
		x.fault.Before(nil)
		if !fired {
			return
		}
		wantScan(t, m, map[mail.UID]string{})
	}
}

// TestNoFullSecond: a mailbox that was modified just now is not waited for
// longer than the file system's clock needs to go on.
func TestNoFullSecond(t *testing.T) {
	dir := tree(t, "in")
	check(t, os.WriteFile(filepath.Join(dir, "in/cur/a"), nil, 0o600))
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir + "/in"})
	check(t, err)
	m, err := s.Open(context.Background(), mail.Inbox, store.OpenRequest{})
	check(t, err)
	begin := time.Now()
	wantScan(t, m, map[mail.UID]string{1: ""})
	for i := range 3 {
		check(t, os.Rename(filepath.Join(dir, fmt.Sprintf("in/cur/a,U=1%s", strings.Repeat("x", i))), filepath.Join(dir, fmt.Sprintf("in/cur/a,U=1%s", strings.Repeat("x", i+1)))))
		wantScan(t, m, map[mail.UID]string{1: ""})
	}
	if d := time.Since(begin); d > 700*time.Millisecond {
		t.Errorf("four listings took %v", d)
	}
}

func TestAppendedFiles(t *testing.T) {
	ctx := context.Background()
	x := newFixture(t, ".uidvalidity|123\n9\n")
	m := x.mustOpen()
	var got []store.AppendResult
	a, err := m.Append(ctx, func(r store.AppendResult) { got = append(got, r) })
	check(t, err)
	date := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for i, msg := range []store.Outgoing{
		{Flags: mail.FlagSeen | mail.FlagFlagged, Date: date},
		{Flags: mail.FlagFlagged},
		{},
	} {
		msg.Key, msg.Size, msg.Body = i, 3, text("abc")
		check(t, a.Put(ctx, &msg))
	}
	if err := a.Put(ctx, &store.Outgoing{Size: 4, Body: text("abc")}); err == nil || !errors.As(err, new(*store.BodyError)) {
		t.Errorf("a message that is too short: %v", err)
	}
	check(t, a.Finish(ctx))
	for i := range got {
		if f, ok := store.As[store.Filer](m); !ok || f.MessagePath(got[i].UID) != got[i].Path || got[i].Path == "" {
			t.Errorf("path %q of message %d", got[i].Path, got[i].UID)
		}
		if _, err := x.mem.Stat(got[i].Path); err != nil {
			t.Error(err)
		}
		got[i].Path = ""
	}
	if d := cmp.Diff([]store.AppendResult{{Key: 0, UID: 10, More: true}, {Key: 1, UID: 11, More: true}, {Key: 2, UID: 12}}, got); d != "" {
		t.Error(d)
	}
	files := x.files()
	for i, pattern := range []string{`^cur/1700003600\.4711_\d+\.host,U=10:2,FS$`, `^new/1700003600\.4711_\d+\.host,U=11:2,F$`, `^new/1700003600\.4711_\d+\.host,U=12:2,$`, `^123 12 $`} {
		if i >= len(files) || !regexp.MustCompile(pattern).MatchString(files[i]) {
			t.Errorf("files %q, want %s", files, pattern)
		}
	}
	fi, err := x.mem.Stat("/in/" + files[0])
	check(t, err)
	if !fi.ModTime().Equal(date) || fi.Mode() != 0o600 {
		t.Errorf("modified %v, mode %v", fi.ModTime(), fi.Mode())
	}
	if names, err := x.mem.ReadNames("/in/tmp"); err != nil || len(names) != 0 {
		t.Errorf("left in tmp: %q, %v", names, err)
	}
}

// TestGroupCommit counts what it costs to make messages durable, and looks
// when they are.
func TestGroupCommit(t *testing.T) {
	ctx := context.Background()
	put := func(x *fixture, n int, pause time.Duration, size int) (completed []int) {
		m := x.mustOpen()
		done := 0
		a, err := m.Append(ctx, func(r store.AppendResult) {
			check(x.t, r.Err)
			done++
		})
		check(x.t, err)
		x.fault.Inject(vfstest.Rule{})
		for range n {
			check(x.t, a.Put(ctx, &store.Outgoing{Size: -1, Body: text(make([]byte, size))}))
			completed = append(completed, done)
			x.pass(pause)
		}
		check(x.t, a.Finish(ctx))
		return append(completed, done)
	}
	t.Run("count", func(t *testing.T) {
		x := newFixture(t, ".uidvalidity|123\n1000\n")
		got := put(x, 640, 0, 10)
		if n := x.fault.Count(vfstest.OpSync | vfstest.OpSyncDir); n > 640+640/16 {
			t.Errorf("%d flushes for 640 messages", n)
		}
		if got[62] != 0 || got[63] != 64 || got[640] != 640 {
			t.Errorf("completed %v", got)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		x := newFixture(t, ".uidvalidity|123\n1000\n")
		if d := cmp.Diff([]int{0, 0, 3, 3, 4}, put(x, 4, 0, 3<<20)); d != "" {
			t.Error(d)
		}
	})
	t.Run("slow source", func(t *testing.T) {
		x := newFixture(t, ".uidvalidity|123\n1000\n")
		if d := cmp.Diff([]int{0, 0, 2, 2, 4}, put(x, 4, 800*time.Millisecond, 10)); d != "" {
			t.Error(d)
		}
	})
	t.Run("no FSync", func(t *testing.T) {
		x := newFixture(t, ".uidvalidity|123\n1000\n")
		x.opts.FSync = false
		got := put(x, 40, 0, 10)
		if got[14] != 0 || got[15] != 16 || got[30] != 16 || got[31] != 32 || got[39] != 32 || got[40] != 40 {
			t.Errorf("completed %v", got)
		}
		if n := x.fault.Count(vfstest.OpSync | vfstest.OpSyncDir); n > 0 {
			t.Errorf("%d flushes", n)
		}
	})
}

func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	for _, fsync := range []bool{true, false} {
		x := newFixture(t, ".uidvalidity|123\n9\n")
		x.opts.FSync = fsync
		m := x.mustOpen()
		var stored []mail.UID
		a, err := m.Append(ctx, func(r store.AppendResult) {
			check(t, r.Err)
			stored = append(stored, r.UID)
		})
		check(t, err)
		x.fault.Inject(vfstest.Rule{
			Ops: vfstest.OpWrite, Nth: 3, Every: true, Err: syscall.ENOSPC,
			Match: func(_ vfstest.Op, name string) bool { return strings.Contains(name, "/tmp/") },
		})
		body := text(strings.Repeat("x", 100))
		check(t, a.Put(ctx, &store.Outgoing{Size: -1, Body: body}))
		check(t, a.Put(ctx, &store.Outgoing{Size: -1, Body: body}))
		err = a.Put(ctx, &store.Outgoing{Size: -1, Body: body})
		var be *store.BoxError
		if !errors.As(err, &be) || !errors.Is(err, syscall.ENOSPC) || errors.As(err, new(*store.BodyError)) {
			t.Errorf("Put on a full disk: %v", err)
		}
		check(t, a.Finish(ctx))
		if d := cmp.Diff([]mail.UID{10, 11}, stored); d != "" {
			t.Error(d)
		}
		if names, err := x.mem.ReadNames("/in/tmp"); err != nil || len(names) != 0 {
			t.Errorf("left in tmp: %q, %v", names, err)
		}
		wantScan(t, m, map[mail.UID]string{10: "", 11: ""})
	}
}

// TestAppendFails: trouble with the file system is not that of a message. What
// is not stored is not completed.
func TestAppendFails(t *testing.T) {
	ctx := context.Background()
	in := func(part string) func(vfstest.Op, string) bool {
		return func(_ vfstest.Op, name string) bool { return strings.Contains(name, part) }
	}
	for _, c := range []struct {
		name   string
		rule   vfstest.Rule
		stored int
	}{
		{"flush", vfstest.Rule{Ops: vfstest.OpSync, Match: in("/tmp/")}, 0},
		{"rename", vfstest.Rule{Ops: vfstest.OpRename, Match: in("/tmp/")}, 0},
		{"one rename", vfstest.Rule{Ops: vfstest.OpRename, Match: in("/tmp/"), Nth: 2}, 2},
		{"UIDs", vfstest.Rule{Ops: vfstest.OpWrite, Match: in("uidvalidity")}, 0},
		{"directory", vfstest.Rule{Ops: vfstest.OpSyncDir}, 0},
	} {
		for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EACCES} {
			t.Run(c.name+"/"+errno.Error(), func(t *testing.T) {
				x := newFixture(t, ".uidvalidity|123\n9\n")
				x.opts.FSync = true
				m := x.mustOpen()
				var stored []mail.UID
				a, err := m.Append(ctx, func(r store.AppendResult) {
					check(t, r.Err)
					stored = append(stored, r.UID)
				})
				check(t, err)
				rule := c.rule
				rule.Err = errno
				if rule.Nth == 0 {
					rule.Nth, rule.Every = 1, true
				}
				x.fault.Inject(rule)
				for range 3 {
					check(t, a.Put(ctx, &store.Outgoing{Size: -1, Body: text("Subject: x\n\n")}))
				}
				err = a.Finish(ctx)
				if be := (*store.BoxError)(nil); !errors.As(err, &be) || !errors.Is(err, errno) {
					t.Errorf("Finish: %v", err)
				}
				if len(stored) != c.stored {
					t.Errorf("completed: %d", stored)
				}
				if err := a.Put(ctx, &store.Outgoing{Size: -1, Body: text("x")}); !errors.Is(err, errno) {
					t.Errorf("Put afterwards: %v", err)
				}
				x.fault.Inject(vfstest.Rule{})
				if names, err := x.mem.ReadNames("/in/tmp"); err != nil || len(names) != 0 {
					t.Errorf("left in tmp: %q, %v", names, err)
				}
			})
		}
	}
}

func TestTrash(t *testing.T) {
	ctx := context.Background()
	for _, far := range []bool{false, true} { // the trash is on another file system
		x := newFixture(t, ".uidvalidity|123\n4\n", "new/a,U=1:2,T|one", "cur/b,U=2,S=3:2,zSTa|two", "cur/c,U=3:2,T|three")
		date := time.Unix(1_000_000_000, 0)
		check(t, x.mem.Chtimes("/in/cur/b,U=2,S=3:2,zSTa", date, date))
		m := x.mustOpen()
		if far {
			x.fault.Inject(vfstest.Rule{
				Ops: vfstest.OpRename, Nth: 1, Every: true, Err: syscall.EXDEV,
				Match: func(_ vfstest.Op, name string) bool { return strings.HasPrefix(name, "/in/") },
			})
		}
		results := map[int]error{}
		check(t, m.(store.Trasher).Trash(ctx, []mail.UID{2, 1, 4}, "deep/trash", func(i int, err error) { results[i] = err }))
		if d := cmp.Diff(map[int]error{0: nil, 1: nil, 2: store.ErrGone}, results, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); d != "" {
			t.Error(d)
		}
		x.fault.Inject(vfstest.Rule{})
		left := map[mail.UID]string{3: "T"}
		if far {
			left = map[mail.UID]string{1: "T", 2: "ST", 3: "T"}
		}
		wantScan(t, m, left)
		// It survives a power cut right now.
		crashed := x.mem.CrashClone(0, nil)
		found := map[string]string{}
		for _, d := range []string{"cur", "new"} {
			names, err := crashed.ReadNames("/deep/trash/" + d)
			check(t, err)
			for _, n := range names {
				if strings.Contains(n, ",U=") || !strings.HasPrefix(n, "1700003600.4711_") {
					t.Errorf("name in the trash: %q", n)
				}
				b, err := vfs.ReadFile(crashed, "/deep/trash/"+d+"/"+n)
				check(t, err)
				_, flags, _ := strings.Cut(n, ":2,")
				found[string(b)] = d + " " + flags
				if fi, err := crashed.Stat("/deep/trash/" + d + "/" + n); string(b) == "two" && (err != nil || !fi.ModTime().Equal(date)) {
					t.Errorf("date in the trash: %v, %v", fi.ModTime(), err)
				}
			}
		}
		if d := cmp.Diff(map[string]string{"one": "new ", "two": "cur Sza"}, found); d != "" {
			t.Error(d)
		}
	}
	x := newFixture(t, ".uidvalidity|123\n4\n", "new/a,U=1:2,T|one")
	if err := x.mustOpen().(store.Trasher).Trash(ctx, []mail.UID{1}, mail.Inbox, func(int, error) {}); err == nil {
		t.Error("a mailbox was its own trash")
	}
}

func TestFlagNames(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n4\n", "new/a,U=1", "new/b,U=2:2,F", "cur/c,U=3:2,zaSb", "cur/d,U=4:2,S")
	m := x.mustOpen()
	check(t, m.SetFlags(context.Background(), []store.FlagChange{
		{UID: 1, Add: mail.FlagSeen},
		{UID: 2, Remove: mail.FlagFlagged},
		{UID: 3, Add: mail.FlagAnswered | mail.FlagDraft},
		{UID: 4, Add: mail.FlagSeen}, // it is
	}, func(_ int, err error) { check(t, err) }))
	x.wantFiles("cur/a,U=1:2,S", "cur/b,U=2:2,", "cur/c,U=3:2,DRSzab", "cur/d,U=4:2,S", "123 4 ")
}

func TestSymlinks(t *testing.T) {
	dir := tree(t, "in")
	for _, sub := range []string{"new", "tmp"} {
		check(t, os.Mkdir(filepath.Join(dir, "in", sub), 0o700))
	}
	check(t, os.WriteFile(filepath.Join(dir, "real"), []byte("real\n"), 0o600))
	check(t, os.Symlink("../../real", filepath.Join(dir, "in/cur/linked,U=1:2,")))
	check(t, os.Symlink("nowhere", filepath.Join(dir, "in/cur/dangling,U=2:2,")))
	check(t, os.Symlink("nowhere", filepath.Join(dir, "in/new/dangling")))
	check(t, os.WriteFile(filepath.Join(dir, "in/.uidvalidity"), []byte("123\n2\n"), 0o600))
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir + "/in", NoDelay: true})
	check(t, err)
	ctx := context.Background()
	m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
	check(t, err)
	var got []string
	check(t, m.Fetch(ctx, []store.FetchItem{{UID: 1}, {UID: 2}}, func(in *store.Incoming) error {
		b, err := io.ReadAll(in.Body)
		got = append(got, string(b))
		return err
	}))
	if d := cmp.Diff([]string{"real\n"}, got); d != "" {
		t.Error(d)
	}
	scanned(t, m)
	if m.Info().UIDNext != 3 {
		t.Errorf("a link to nowhere got a UID")
	}
	check(t, m.SetFlags(ctx, []store.FlagChange{{UID: 1, Add: mail.FlagSeen}}, func(_ int, err error) { check(t, err) }))
}

func TestMailboxVanishes(t *testing.T) {
	ctx := context.Background()
	x := newFixture(t, ".uidvalidity|123\n1\n", "cur/a,U=1:2,")
	m := x.mustOpen()
	scanned(t, m)
	check(t, x.mem.Rename("/in", "/elsewhere"))
	if _, err := m.Scan(ctx, all()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Scan: %v", err)
	}
	if err := m.Fetch(ctx, []store.FetchItem{{UID: 1}}, func(*store.Incoming) error { return nil }); !errors.As(err, new(*store.BoxError)) {
		t.Errorf("Fetch: %v", err)
	}
	if _, err := x.open(store.OpenRequest{}); !errors.Is(err, store.ErrNoBox) {
		t.Errorf("Open: %v", err)
	}
	check(t, x.mem.Rename("/elsewhere", "/in"))
	x.mem.Remove("/in/.uidvalidity")
	x.place(".uidvalidity|124\n1\n")
	if _, err := m.Scan(ctx, all()); err == nil || !strings.Contains(err.Error(), "UIDVALIDITY changed from 123 to 124") {
		t.Errorf("Scan: %v", err)
	}
}

// TestMovedBack: a message that a reader marks as new again goes from the
// directory that is listed last to the one that has been listed already.
func TestMovedBack(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n2\n", "cur/a,U=1:2,S", "cur/b,U=2:2,S")
	m := x.mustOpen()
	x.during(vfstest.OpReadNames, 2, func() {
		x.pass(time.Second)
		x.move("cur/a,U=1:2,S", "new/a,U=1")
	})
	wantScan(t, m, map[mail.UID]string{1: "", 2: "S"})
}

// TestUndeletedMeanwhile: what is not marked any more at the last moment stays,
// whether the mailbox has been listed before or not.
func TestUndeletedMeanwhile(t *testing.T) {
	for _, listed := range []bool{true, false} {
		least := map[bool]int{true: 2, false: 4}[listed]
		for n := 1; ; n++ {
			x := newFixture(t, ".uidvalidity|123\n2\n", "cur/a,U=1:2,ST", "cur/b,U=2:2,T")
			m := x.mustOpen()
			if listed {
				scanned(t, m)
			}
			x.pass(time.Hour)
			fired := false
			x.during(vfstest.OpAll, n, func() {
				if _, err := x.mem.Stat("/in/cur/a,U=1:2,ST"); err == nil {
					fired = true
					x.pass(time.Second)
					x.move("cur/a,U=1:2,ST", "cur/a,U=1:2,S")
				}
			})
			var gone mail.UIDSet
			check(t, m.Remove(context.Background(), store.RemoveRequest{UIDs: mail.NewUIDSet(1, 2), Gone: gone.Add}))
			x.fault.Before(nil)
			if !fired {
				if n < least {
					t.Errorf("listed=%v: only %d operations", listed, n)
				}
				if gone.String() != "1:2" {
					t.Errorf("told to be gone: %v, want 1:2", gone)
				}
				break
			}
			if gone.String() != "2" {
				t.Errorf("told to be gone: %v, want 2", gone)
			}
			wantScan(t, m, map[mail.UID]string{1: "S"})
		}
	}
}

// TestRemoveListsNothing: messages that are known to be marked are removed
// without listing the mailbox, however it has changed.
func TestRemoveListsNothing(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n3\n", "cur/a,U=1:2,S", "cur/b,U=2:2,T", "cur/c,U=3:2,")
	m := x.mustOpen()
	scanned(t, m)
	check(t, m.SetFlags(context.Background(), []store.FlagChange{{UID: 1, Add: mail.FlagDeleted}}, func(_ int, err error) { check(t, err) }))
	x.pass(time.Second)
	x.place("new/d")
	x.fault.Inject(vfstest.Rule{})
	check(t, m.Remove(context.Background(), store.RemoveRequest{UIDs: mail.NewUIDSet(1, 2)}))
	if n := x.fault.Count(vfstest.OpReadNames); n > 0 {
		t.Errorf("%d listings", n)
	}
	wantScan(t, m, map[mail.UID]string{3: "", 4: ""})
	// One that is not marked as far as we know may have been marked by others.
	x.pass(time.Second)
	x.move("cur/c,U=3:2,", "cur/c,U=3:2,T")
	check(t, m.Remove(context.Background(), store.RemoveRequest{UIDs: mail.NewUIDSet(3)}))
	wantScan(t, m, map[mail.UID]string{4: ""})
}

// TestGoneIsCheap: messages known to be gone are not looked for again and
// again.
func TestGoneIsCheap(t *testing.T) {
	x := newFixture(t, ".uidvalidity|123\n1000\n", "cur/a,U=1000:2,")
	m := x.mustOpen()
	scanned(t, m)
	x.pass(time.Second)
	x.place("new/b")
	x.fault.Inject(vfstest.Rule{})
	var items []store.FetchItem
	for u := range mail.UID(999) {
		items = append(items, store.FetchItem{UID: u + 1})
	}
	check(t, m.Fetch(context.Background(), items, func(in *store.Incoming) error {
		t.Errorf("there is a message %d", in.UID)
		return nil
	}))
	if n := x.fault.Count(vfstest.OpAll); n > 0 {
		t.Errorf("%d operations", n)
	}
}
