package maildir_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/uidmap"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// convert converts the box of a world, durably.
func (w *boxWorld) convert(fsys vfs.FS, alt bool) error {
	s, err := maildir.New(maildir.Options{Name: "mdconvert", Inbox: "/mail/Inbox", FSync: true, FS: fsys, NoDelay: true})
	check(w.t, err)
	_, err = s.Convert(context.Background(), alt)
	return err
}

// conversions are what Convert can be asked for.
var conversions = []struct {
	name    string
	alt     bool
	prepare func(w *boxWorld, m *vfstest.Mem)
}{
	{"names to map", true, func(w *boxWorld, m *vfstest.Mem) {
		numbered(w, m, 6, 9)
		delivered(w, m, 3)
	}},
	{"names to map, with outdated maps about", true, func(w *boxWorld, m *vfstest.Mem) {
		numbered(w, m, 4, 9)
		put(w.t, m, "/mail/Inbox/"+uidmap.ForeignName, string(foreignMap(w.validity, 4, "100.1_3.h", "100.1_2.h", "100.1_1.h")))
		mapped(w.t, m, &uidmap.Map{Validity: w.validity, Highest: 4, UIDs: map[string]mail.UID{"100.1_1.h": 4}})
	}},
	{"map to names", false, func(w *boxWorld, m *vfstest.Mem) {
		w.alt = true
		numbered(w, m, 6, 12)
		delivered(w, m, 3)
		// Looks numbered, but is not.
		text := w.text()
		put(w.t, m, "/mail/Inbox/cur/300.1_1.h,U=3:2,S", text)
		w.present[text], w.possible[text] = true, true
	}},
	{"foreign map to names", false, func(w *boxWorld, m *vfstest.Mem) {
		w.alt = true
		takeOver.prepare(w, m)
	}},
	{"foreign map to map", true, func(w *boxWorld, m *vfstest.Mem) {
		w.alt = true
		takeOver.prepare(w, m)
	}},
}

// isConverted checks where the UIDs of the box are.
func isConverted(fsys vfs.FS, alt bool) error {
	_, err := fsys.Stat("/mail/Inbox/.uidvalidity")
	_, merr := fsys.Stat("/mail/Inbox/" + uidmap.FileName)
	if alt == (err == nil) || alt != (merr == nil) {
		return fmt.Errorf(".uidvalidity: %w, map: %w", err, merr)
	}
	for _, sub := range []string{"new", "cur"} {
		names, err := fsys.ReadNames("/mail/Inbox/" + sub)
		if err != nil {
			return err
		}
		for _, n := range names {
			hasUID := !strings.HasPrefix(n, "200.") && !strings.HasPrefix(n, "300.")
			if strings.Contains(n, ",U=") != (hasUID && !alt) {
				return fmt.Errorf("left as '%s'", n)
			}
		}
	}
	return nil
}

// TestConvertPowerCut cuts the power before every change of a conversion. After
// that the mailbox is as it was, converted or not; and another conversion
// completes it.
func TestConvertPowerCut(t *testing.T) {
	for _, c := range conversions {
		t.Run(c.name, func(t *testing.T) {
			w, m, f := scenario{prepare: c.prepare}.start(t, false)
			steps := 0
			want := w.expect()
			f.Before(func(op vfstest.Op, name string) {
				if op&vfstest.OpChanges == 0 {
					return
				}
				steps++
				for seed := range uint64(5) {
					percent := []int{0, 50, 50, 85, 100}[seed]
					cut := func() *vfstest.Mem { return m.CrashClone(percent, rand.New(rand.NewPCG(uint64(steps), seed))) }
					what := fmt.Sprintf("power cut before change %d (%#x of %s), %d percent survive", steps, op, name, percent)
					if err := w.verify(cut(), want, true); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					again := cut()
					if err := w.convert(again, c.alt); err != nil && !errors.Is(err, maildir.ErrAlready) {
						t.Errorf("%s: converting again: %v", what, err)
					}
					if err := isConverted(again, c.alt); err != nil {
						t.Errorf("%s: converted again: %v", what, err)
					}
					if err := w.verify(again, want, true); err != nil {
						t.Errorf("%s: converted again: %v", what, err)
					}
				}
			})
			check(t, w.convert(f, c.alt))
			f.Before(nil)
			if steps < 8 {
				t.Errorf("only %d steps", steps)
			}
			check(t, isConverted(m, c.alt))
			done := m.CrashClone(0, nil)
			check(t, isConverted(done, c.alt))
			if err := w.verify(done, want, true); err != nil {
				t.Error(err)
			}
			if err := w.convert(m, c.alt); !errors.Is(err, maildir.ErrAlready) {
				t.Errorf("once more: %v", err)
			}
			// And back.
			check(t, w.convert(m, !c.alt))
			if err := isConverted(m, !c.alt); err != nil {
				t.Errorf("converted back: %v", err)
			}
			if err := w.verify(m, want, true); err != nil {
				t.Errorf("converted back: %v", err)
			}
		})
	}
}

// TestConvertFailures makes every operation of a conversion fail, one at a time.
func TestConvertFailures(t *testing.T) {
	for _, c := range conversions {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%s/%v", c.name, errno), func(t *testing.T) {
				n := 0
				for {
					n++
					w, m, f := scenario{prepare: c.prepare}.start(t, false)
					want := w.expect()
					var what string
					var once sync.Once
					f.Before(func(op vfstest.Op, name string) {
						if f.Fired() > 0 {
							once.Do(func() { what = fmt.Sprintf("%#x of %s", op, name) })
						}
					})
					f.Inject(vfstest.Rule{Nth: n, Err: errno, Ops: vfstest.OpAll &^ vfstest.OpClose})
					err := w.convert(f, c.alt)
					if f.Fired() == 0 {
						check(t, err)
						break
					}
					f.Inject(vfstest.Rule{})
					if err == nil && strings.HasSuffix(what, ".new") {
						continue // removing what is not there, or not needed
					}
					if !errors.Is(err, errno) {
						t.Errorf("operation %d (%s) failed: %v", n, what, err)
					}
					clone := m.CrashClone(100, nil)
					if err := w.verify(clone, want, true); err != nil {
						t.Errorf("after operation %d (%s) failed: %v", n, what, err)
					}
					if err := w.convert(f, c.alt); err != nil && !errors.Is(err, maildir.ErrAlready) {
						t.Errorf("after operation %d (%s) failed, again: %v", n, what, err)
					}
					check(t, isConverted(m, c.alt))
					// What the first one has done without making it durable is so now.
					if err := w.verify(m.CrashClone(0, nil), want, true); err != nil {
						t.Errorf("after operation %d (%s) failed, again, and a power cut: %v", n, what, err)
					}
					if err := w.verify(m, want, true); err != nil {
						t.Errorf("after operation %d (%s) failed, again: %v", n, what, err)
					}
				}
				if n < 10 {
					t.Errorf("only %d operations", n)
				}
			})
		}
	}
}

// realBox makes a mailbox of the real file system with the given files.
func realBox(t *testing.T, files map[string]string) (dir string, open func(alt bool) *maildir.Store) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "box")
	for _, sub := range []string{"cur", "new", "tmp"} {
		check(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for n, text := range files {
		check(t, os.WriteFile(filepath.Join(dir, n), []byte(text), 0o600))
	}
	return dir, func(alt bool) *maildir.Store {
		s, err := maildir.New(maildir.Options{Name: "s", Inbox: dir, FSync: true, AltMap: alt, Pid: 4, Host: "h"})
		check(t, err)
		return s
	}
}

// uidsByText returns the UIDs of messages by what is in them.
func uidsByText(t *testing.T, s *maildir.Store) map[string]mail.UID {
	t.Helper()
	ctx := context.Background()
	m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
	check(t, err)
	defer m.Close(ctx)
	texts, _, err := contents(ctx, m)
	check(t, err)
	out := make(map[string]mail.UID)
	for u, text := range texts {
		out[text] = u
	}
	return out
}

// fileNames returns the names in cur and new.
func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		check(t, err)
		for _, e := range entries {
			out = append(out, sub+"/"+e.Name())
		}
	}
	return out
}

// TestConvertNames: the delimiter is that of the names, and what other programs
// put into them stays.
func TestConvertNames(t *testing.T) {
	for _, c := range []struct {
		what        string
		named, bare []string
	}{
		{"usual", []string{"cur/1.a,U=1:2,S", "cur/2.b,U=7:2,Fab", "new/3.c,U=3"}, []string{"cur/1.a:2,S", "cur/2.b:2,Fab", "new/3.c"}},
		{"other delimiter", []string{"cur/1.a,U=1;2,S", "new/3.c,U=3"}, []string{"cur/1.a;2,S", "new/3.c"}},
		{"sizes", []string{"cur/1.a,S=12,U=1:2,S", "cur/2.b,S=12,W=13,U=2:2,"}, []string{"cur/1.a,S=12:2,S", "cur/2.b,S=12,W=13:2,"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := map[string]string{".uidvalidity": "123\n9\n"}
			for _, n := range c.named {
				files[n] = n
			}
			dir, open := realBox(t, files)
			ctx := context.Background()
			n, err := open(false).Convert(ctx, true)
			check(t, err)
			if n != len(c.named) {
				t.Errorf("%d messages", n)
			}
			if got := fileNames(t, dir); !slices.Equal(got, c.bare) {
				t.Errorf("%q", got)
			}
			_, err = open(false).Convert(ctx, false)
			check(t, err)
			if got := fileNames(t, dir); !slices.Equal(got, c.named) {
				t.Errorf("and back: %q", got)
			}
			b, err := os.ReadFile(filepath.Join(dir, ".uidvalidity"))
			if string(b) != "123\n9\n" {
				t.Errorf(".uidvalidity: %q, %v", b, err)
			}
			entries, err := os.ReadDir(dir)
			if len(entries) != 4 {
				t.Errorf("left: %v, %v", entries, err)
			}
		})
	}
}

// TestConvertRefuses: what cannot be converted is not touched.
func TestConvertRefuses(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		alt   bool
		want  string
	}{
		{"same name", map[string]string{".uidvalidity": "123\n9\n", "cur/1.a,U=1:2,S": "a", "cur/1.a,U=2:2,": "b"}, true, "different messages with the same name"},
		{"same name as an unnumbered one", map[string]string{".uidvalidity": "123\n9\n", "cur/1.a,U=1:2,S": "a", "new/1.a": "b"}, true, "different messages with the same name"},
		{"duplicate UID", map[string]string{".uidvalidity": "123\n9\n", "cur/1.a,U=1:2,S": "a", "cur/2.a,U=1:2,S": "b"}, true, "duplicate UID 1"},
		{"absurd UID", map[string]string{".uidvalidity": "123\n9\n", "cur/1.a,U=10:2,S": "a"}, true, "above the highest"},
		{"nonsense", map[string]string{".uidvalidity": "abc\n", "cur/1.a,U=1:2,S": "a"}, true, "not two numbers"},
		{"two delimiters", map[string]string{".uidvalidity": "123\n9\n", "cur/1.a,U=1;2,S": "a", "cur/2.a,U=2!2,S": "b"}, true, "which character"},
		{"no map", map[string]string{uidmap.ForeignName: strings.Repeat("no map ", 1000), "cur/1.a:2,S": "a"}, false, "not a Berkeley DB hash"},
		{"no map of ours", map[string]string{uidmap.FileName: strings.Repeat("no map ", 10000), "cur/1.a:2,S": "a"}, false, "damaged"},
		{"two maps", map[string]string{uidmap.ForeignName: string(foreignMap(9, 3, "1.a")), uidmap.FileName: "+", "cur/1.a:2,S": "a"}, false, "claim to have"},
		{"no UIDs", map[string]string{"cur/1.a:2,S": "a"}, true, "no mbsync has given UIDs"},
		{"no UIDs yet", map[string]string{".uidvalidity": "", "cur/1.a:2,S": "a"}, false, "no mbsync has given UIDs"},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := maps.Clone(c.files)
			ours := files[uidmap.FileName] == "+"
			if ours {
				delete(files, uidmap.FileName)
			}
			dir, open := realBox(t, files)
			if ours {
				check(t, uidmap.Create(context.Background(), vfs.OS{}, dir, &uidmap.Map{Validity: 9, Highest: 1, UIDs: map[string]mail.UID{"1.a": 1}}, true))
			}
			before := snapshot(t, filepath.Join(dir, "cur"))
			_, err := open(false).Convert(context.Background(), c.alt)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if !maps.Equal(before, snapshot(t, filepath.Join(dir, "cur"))) {
				t.Error("changed")
			}
			for n, text := range files {
				if b, err := os.ReadFile(filepath.Join(dir, n)); string(b) != text {
					t.Errorf("%s: %.30q, %v", n, b, err)
				}
			}
		})
	}
}

// TestConvertInUse: a mailbox that another program has locked is refused.
func TestConvertInUse(t *testing.T) {
	for _, c := range []struct {
		lock  string
		files map[string]string
		alt   bool
	}{
		{".uidvalidity", map[string]string{".uidvalidity": "123\n9\n"}, true},
		{".isyncuidmap.lock", map[string]string{uidmap.ForeignName: string(foreignMap(9, 3)), ".isyncuidmap.lock": ""}, false},
		{uidmap.ForeignName, map[string]string{uidmap.ForeignName: string(foreignMap(9, 3))}, false},
	} {
		dir, open := realBox(t, c.files)
		f, err := vfs.OS{}.OpenFile(filepath.Join(dir, c.lock), os.O_RDWR, 0)
		check(t, err)
		check(t, vfs.OS{}.Lock(f, false))
		if _, err := open(false).Convert(context.Background(), c.alt); !errors.Is(err, maildir.ErrInUse) {
			t.Errorf("%s: %v", c.lock, err)
		}
		f.Close()
		if _, err := open(false).Convert(context.Background(), c.alt); err != nil {
			t.Errorf("%s: unlocked: %v", c.lock, err)
		}
	}
}

// TestConvertOpen: a mailbox that is open while it is converted fails, or goes
// on; it does not confuse messages.
func TestConvertOpen(t *testing.T) {
	ctx := context.Background()
	for _, alt := range []bool{false, true} {
		dir, open := realBox(t, map[string]string{"new/1.a": "one", "cur/2.b:2,S": "two"})
		s := open(alt)
		want := uidsByText(t, s)
		m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
		check(t, err)
		_, _, err = contents(ctx, m)
		check(t, err)
		_, err = open(false).Convert(ctx, !alt)
		check(t, err)
		if l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)}); err == nil {
			t.Errorf("%v: scanned: %v", alt, l.Messages)
		}
		if a, err := m.Append(ctx, func(store.AppendResult) { t.Error("stored") }); err == nil {
			if err = a.Put(ctx, &store.Outgoing{Size: -1, Body: text("three")}); err == nil {
				err = a.Finish(ctx)
			}
			if err == nil {
				t.Errorf("%v: appended", alt)
			}
		}
		check(t, m.Close(ctx))
		if got := uidsByText(t, open(alt)); !maps.Equal(got, want) {
			t.Errorf("%v: %v, want %v; %v", alt, got, want, fileNames(t, dir))
		}
	}
}
