package maildir_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/uidmap"
	"isync/internal/vfs/vfstest"
)

// exists tells whether there is a file in a mailbox.
func exists(t *testing.T, dir, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestWhichScheme: what is there counts, not the option.
func TestWhichScheme(t *testing.T) {
	foreign := string(foreignMap(77, 9, "1.a"))
	for _, c := range []struct {
		what   string
		files  map[string]string
		alt    bool
		mapped bool
		uid    mail.UID
	}{
		{"new", nil, false, false, 1},
		{"new with AltMap", nil, true, true, 1},
		{"names", map[string]string{".uidvalidity": "77\n5\n"}, false, false, 6},
		{"names with AltMap", map[string]string{".uidvalidity": "77\n5\n"}, true, false, 6},
		{"empty with AltMap", map[string]string{".uidvalidity": ""}, true, true, 1},
		{"foreign", map[string]string{uidmap.ForeignName: foreign}, false, true, 1},
		{"foreign with AltMap", map[string]string{uidmap.ForeignName: foreign}, true, true, 1},
		{"just begun by another program", map[string]string{uidmap.ForeignName: ""}, true, true, 1},
		{"names and foreign", map[string]string{uidmap.ForeignName: foreign, ".uidvalidity": "77\n5\n"}, true, false, 6},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := map[string]string{"new/1.a": "one"}
			maps.Copy(files, c.files)
			dir, open := realBox(t, files)
			for range 2 { // once made it stays, whatever the option
				if got := uidsByText(t, open(c.alt)); got["one"] != c.uid {
					t.Errorf("UIDs %v, want %d", got, c.uid)
				}
				c.alt = !c.alt
			}
			if exists(t, dir, uidmap.FileName) != c.mapped {
				t.Errorf("map: %v", !c.mapped)
			}
			if named := strings.Contains(fileNames(t, dir)[0], ",U="); named == c.mapped {
				t.Errorf("names: %v", fileNames(t, dir))
			}
		})
	}
}

// TestMappedLife: names are changed by flags only, and whoever renames a message
// does not change its UID.
func TestMappedLife(t *testing.T) {
	ctx := context.Background()
	dir, open := realBox(t, map[string]string{"new/1.a": "one", "cur/2.b,S=3:2,S": "two", "cur/3.c,U=77:2,": "three"})
	s := open(true)
	want := map[string]mail.UID{"one": 1, "two": 2, "three": 3}
	if got := uidsByText(t, s); !maps.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	if got := fileNames(t, dir); !slices.Equal(got, []string{"cur/2.b,S=3:2,S", "cur/3.c,U=77:2,", "new/1.a"}) {
		t.Errorf("renamed: %q", got)
	}
	check(t, os.Rename(filepath.Join(dir, "new/1.a"), filepath.Join(dir, "cur/1.a:2,FS")))
	m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
	check(t, err)
	check(t, m.SetFlags(ctx, []store.FlagChange{{UID: 3, Add: mail.FlagSeen}}, func(_ int, err error) { check(t, err) }))
	w := newWorld(t, nil)
	w.append(m, 1, mail.FlagFlagged)
	check(t, errors.Join(w.failures...))
	check(t, m.Close(ctx))
	got := uidsByText(t, open(true))
	if got["one"] != 1 || got["two"] != 2 || got["three"] != 3 || len(got) != 4 {
		t.Errorf("%v", got)
	}
	for _, n := range fileNames(t, dir) {
		if strings.Contains(n, ",U=4") {
			t.Errorf("%s", n)
		}
	}
	// The highest UID is not given again when its message is gone.
	for _, n := range fileNames(t, dir) {
		if strings.HasPrefix(n, "new/") {
			check(t, os.Remove(filepath.Join(dir, n)))
		}
	}
	check(t, os.WriteFile(filepath.Join(dir, "new/9.z"), []byte("last"), 0o600))
	if got := uidsByText(t, open(true)); got["last"] != 5 {
		t.Errorf("%v", got)
	}
}

// TestMappedSameName: the database cannot tell them apart, so nothing is done
// before the user has.
func TestMappedSameName(t *testing.T) {
	for _, known := range []bool{false, true} {
		dir, open := realBox(t, map[string]string{"new/1.a": "one"})
		if known {
			uidsByText(t, open(true))
		}
		check(t, os.WriteFile(filepath.Join(dir, "cur/1.a:2,S"), []byte("other"), 0o600))
		ctx := context.Background()
		s := open(true)
		m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
		check(t, err)
		_, err = m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)})
		if err == nil || !strings.Contains(err.Error(), "different messages with the same name") {
			t.Fatalf("%v: %v", known, err)
		}
		// What the error tells to do helps.
		_, to, _ := strings.Cut(err.Error(), "rename it to '")
		check(t, os.Rename(filepath.Join(dir, "cur/1.a:2,S"), filepath.Join(dir, strings.TrimSuffix(to, "'"))))
		if got := uidsByText(t, s); len(got) != 2 || got["one"] != 1 || got["other"] != 2 {
			t.Errorf("%v: %v", known, got)
		}
	}
}

// TestMappedForgets: the UID of a message that is gone is forgotten, though not
// at once.
func TestMappedForgets(t *testing.T) {
	fsys := vfstest.NewMem(nil)
	for _, d := range []string{"/i", "/i/cur", "/i/new", "/i/tmp"} {
		check(t, fsys.Mkdir(d, 0o700))
	}
	put(t, fsys, "/i/cur/1.a:2,S", "one")
	put(t, fsys, "/i/cur/2.b:2,S", "two")
	now := time.Now()
	scan := func(later time.Duration) *uidmap.Map {
		s, err := maildir.New(maildir.Options{Name: "s", Inbox: "/i", AltMap: true, FS: fsys, Clock: func() time.Time { return now.Add(later) }})
		check(t, err)
		uidsByText(t, s)
		m, err := uidmap.Load(context.Background(), fsys, "/i", nil)
		check(t, err)
		return m
	}
	scan(time.Minute)
	check(t, fsys.Remove("/i/cur/1.a:2,S"))
	if m := scan(2 * time.Minute); m.UIDs["1.a"] != 1 || m.Missing["1.a"].IsZero() {
		t.Errorf("missing: %+v", m)
	}
	// It comes back, as the same one.
	put(t, fsys, "/i/cur/1.a:2,", "one")
	if m := scan(30 * time.Hour); m.UIDs["1.a"] != 1 || len(m.Missing) != 0 {
		t.Errorf("back: %+v", m)
	}
	check(t, fsys.Remove("/i/cur/1.a:2,"))
	if m := scan(40 * time.Hour); m.UIDs["1.a"] != 1 {
		t.Errorf("missing again: %+v", m)
	}
	if m := scan(65 * time.Hour); len(m.UIDs) != 1 || len(m.Missing) != 0 || m.Highest != 2 {
		t.Errorf("gone: %+v", m)
	}
	// Nothing to note: nothing is written.
	before := scan(65 * time.Hour).Version
	if m := scan(66 * time.Hour); m.Version != before {
		t.Error("written without need")
	}
}

// TestForeignSwaps: the C program's database counts as long as ours knows no
// more, is out of the way from then on, and is reported when it comes back.
func TestForeignSwaps(t *testing.T) {
	ctx := context.Background()
	dir, open := realBox(t, map[string]string{
		"cur/1.a:2,S": "one", "cur/2.b:2,S": "two",
		uidmap.ForeignName: string(foreignMap(77, 9, "1.a", "2.b")),
	})
	s := open(true)
	if got := uidsByText(t, s); got["one"] != 1 || got["two"] != 2 {
		t.Fatalf("%v", got)
	}
	// The C program goes on.
	check(t, os.WriteFile(filepath.Join(dir, "cur/3.c:2,S"), []byte("three"), 0o600))
	later := string(foreignMap(77, 12, "1.a", "2.b", "3.c"))
	check(t, os.WriteFile(filepath.Join(dir, uidmap.ForeignName), []byte(later), 0o600))
	if got := uidsByText(t, s); got["three"] != 3 {
		t.Fatalf("not taken over again: %v", got)
	}
	// Now we do.
	check(t, os.WriteFile(filepath.Join(dir, "cur/4.d:2,S"), []byte("four"), 0o600))
	want := map[string]mail.UID{"one": 1, "two": 2, "three": 3, "four": 13}
	if got := uidsByText(t, s); !maps.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	b, err := os.ReadFile(filepath.Join(dir, uidmap.ForeignName+".old"))
	if exists(t, dir, uidmap.ForeignName) || err != nil || string(b) != later {
		t.Errorf("the outdated database is still there, or was changed: %v", err)
	}
	// The C program makes another one.
	check(t, os.WriteFile(filepath.Join(dir, uidmap.ForeignName), foreignMap(99, 4, "1.a", "2.b", "3.c", "4.d"), 0o600))
	_, err = s.Open(ctx, mail.Inbox, store.OpenRequest{})
	if _, ok := errors.AsType[*maildir.ForkedError](err); !ok {
		t.Errorf("%v", err)
	}
	_, err = s.Open(ctx, mail.Inbox, store.OpenRequest{ReadOnly: true})
	if _, ok := errors.AsType[*maildir.ForkedError](err); !ok {
		t.Errorf("read-only: %v", err)
	}
	check(t, os.Remove(filepath.Join(dir, uidmap.ForeignName)))
	if got := uidsByText(t, s); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestMappedReadOnly: a dry run sees the UIDs that a run would, and changes
// nothing.
func TestMappedReadOnly(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		what  string
		files map[string]string
		first mail.UID
	}{
		{"nothing yet", nil, 1},
		{"foreign", map[string]string{uidmap.ForeignName: string(foreignMap(77, 9, "1.a", "0.z"))}, 10},
	} {
		files := map[string]string{"new/1.a": "one", "new/2.b": "two", "new/3.c,U=1": "three"}
		maps.Copy(files, c.files)
		dir, open := realBox(t, files)
		before := snapshot(t, dir)
		s := open(true)
		m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{ReadOnly: true})
		check(t, err)
		texts, _, err := contents(ctx, m)
		check(t, err)
		got := make(map[string]mail.UID)
		for u, text := range texts {
			got[text] = u
		}
		check(t, m.Close(ctx))
		if !maps.Equal(before, snapshot(t, dir)) {
			t.Errorf("%s: changed", c.what)
		}
		if want := uidsByText(t, s); !maps.Equal(got, want) || got["one"] != 1 || c.files != nil && got["two"] != c.first {
			t.Errorf("%s: %v, then %v", c.what, got, want)
		}
	}
}

// TestMappedDamage: damaged databases are errors, and are left alone.
func TestMappedDamage(t *testing.T) {
	dir, open := realBox(t, map[string]string{"cur/1.a:2,S": "one"})
	uidsByText(t, open(true))
	path := filepath.Join(dir, uidmap.FileName)
	good, err := os.ReadFile(path)
	check(t, err)
	for name, b := range map[string][]byte{
		"empty":   {},
		"cut off": good[:2*4096+100],
		"short":   good[:100],
		"zeros":   make([]byte, len(good)),
		"body":    slices.Concat(good[:2*4096], make([]byte, len(good)-2*4096)),
	} {
		check(t, os.WriteFile(path, b, 0o600))
		for _, ro := range []bool{true, false} {
			_, err := open(true).Open(context.Background(), mail.Inbox, store.OpenRequest{ReadOnly: ro})
			if !errors.Is(err, uidmap.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, %v: %v", name, ro, err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !slices.Equal(now, b) {
			t.Errorf("%s: changed (%v)", name, err)
		}
	}
}

// TestMappedTogether: two that work with a mailbox see each other's messages.
func TestMappedTogether(t *testing.T) {
	ctx := context.Background()
	_, open := realBox(t, nil)
	a, err := open(true).Open(ctx, mail.Inbox, store.OpenRequest{})
	check(t, err)
	b, err := open(true).Open(ctx, mail.Inbox, store.OpenRequest{})
	check(t, err)
	done := make(chan error, 2)
	const each = 150
	for _, m := range []store.Mailbox{a, b} {
		go func() {
			w := newWorld(t, nil)
			for range each / 10 {
				w.append(m, 10, mail.FlagSeen)
				w.scan(m)
			}
			done <- errors.Join(w.failures...)
		}()
	}
	check(t, <-done)
	check(t, <-done)
	for _, m := range []store.Mailbox{a, b} {
		l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1)})
		check(t, err)
		for i, msg := range l.Messages {
			if msg.UID != mail.UID(i+1) {
				t.Fatalf("UID %d is the %dth", msg.UID, i+1)
			}
		}
		if len(l.Messages) != 2*each {
			t.Errorf("%d messages", len(l.Messages))
		}
		check(t, m.Close(ctx))
	}
}
