package uidmap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/testkit"
	"isync/internal/uidmap"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKey(t *testing.T) {
	for name, want := range map[string]string{
		"1.a": "1.a", "1.a:2,S": "1.a", "1.a,U=5:2,S": "1.a", "1.a,S=3,U=5:2,S": "1.a",
		"1.a:1,x": "1.a", "1.a;2,S": "1.a;2", ",U=5": "", ":2,S": "", "": "",
	} {
		if got := uidmap.Key(name, ':'); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := uidmap.Key("1.a;2,S", ';'); got != "1.a" {
		t.Errorf("%q", got)
	}
}

// TestChanges makes changes, on a real file system and in memory; Apply does to
// the map what Update does to the file.
func TestChanges(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(nil)
	check(t, mem.Mkdir("/box", 0o700))
	for _, c := range []struct {
		fsys vfs.FS
		dir  string
	}{{vfs.OS{}, t.TempDir()}, {mem, "/box"}} {
		m := &uidmap.Map{Validity: 7, Highest: 3, UIDs: map[string]mail.UID{"a": 1, "": 3}, Origin: []byte("there")}
		check(t, uidmap.Create(ctx, c.fsys, c.dir, m, true))
		now := time.Unix(1_700_000_000, 0)
		for i, change := range []uidmap.Change{
			{Missing: []string{"a", "never heard of"}, Now: now},
			{Highest: 5, Bind: []uidmap.Binding{{Key: "b", UID: 4}, {Key: "c", UID: 5}}},
			{Back: []string{"a"}, Missing: []string{"b"}, Now: now},
			{Drop: []string{"b", "c", "unknown"}, Highest: 2},
			{Bind: []uidmap.Binding{{Key: "a", UID: 2}}},
		} {
			at := m.Version
			next, err := uidmap.Update(ctx, c.fsys, c.dir, at, &change, i%2 == 0)
			check(t, err)
			delete(m.Missing, "never heard of")
			m.Apply(&change, at, next)
			delete(m.Missing, "never heard of")
			got, err := uidmap.Load(ctx, c.fsys, c.dir, nil)
			check(t, err)
			if !maps.Equal(got.UIDs, m.UIDs) || !maps.Equal(got.Missing, m.Missing) || got.Version != m.Version || got.Highest != m.Highest ||
				got.Validity != 7 || got.Diverged != m.Diverged || got.Diverged != (i > 0) || string(got.Origin) != "there" {
				t.Errorf("change %d: file %+v, map %+v", i, got, m)
			}
			if same, err := uidmap.Load(ctx, c.fsys, c.dir, got); err != nil || same != got {
				t.Errorf("read again without need: %v", err)
			}
			if _, err := uidmap.Update(ctx, c.fsys, c.dir, at, &change, false); !errors.Is(err, uidmap.ErrChanged) {
				t.Errorf("changed from an old version: %v", err)
			}
		}
		if !maps.Equal(m.UIDs, map[string]mail.UID{"a": 2, "": 3}) {
			t.Errorf("%v", m.UIDs)
		}
		if _, err := uidmap.Load(ctx, c.fsys, c.dir+"x", nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
		names, err := c.fsys.ReadNames(c.dir)
		if err != nil || len(names) != 1 {
			t.Errorf("left: %v, %v", names, err)
		}
	}
}

// TestMany: a map of many messages, changed in many steps.
func TestMany(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	m := &uidmap.Map{Validity: 7, UIDs: map[string]mail.UID{}}
	check(t, uidmap.Create(ctx, vfs.OS{}, dir, m, false))
	for range 100 {
		c := &uidmap.Change{Highest: m.Highest + 100}
		for range 100 {
			u := m.Highest + mail.UID(len(c.Bind)) + 1
			c.Bind = append(c.Bind, uidmap.Binding{Key: fmt.Sprintf("17%08d.%d_7.host", u%977, u), UID: u})
		}
		next, err := uidmap.Update(ctx, vfs.OS{}, dir, m.Version, c, false)
		check(t, err)
		m.Apply(c, m.Version, next)
	}
	got, err := uidmap.Load(ctx, vfs.OS{}, dir, nil)
	check(t, err)
	if len(got.UIDs) != 10000 || !maps.Equal(got.UIDs, m.UIDs) {
		t.Errorf("%d of %d", len(got.UIDs), len(m.UIDs))
	}
}

// TestTakeOver reads what Berkeley DB's own program has made, in every
// combination of byte orders.
func TestTakeOver(t *testing.T) {
	load := testkit.FindProgram(t, "db5.3_load", "db5.3-util")
	number := func(u uint32, big bool) string {
		b := []uint32{u & 255, u >> 8 & 255, u >> 16 & 255, u >> 24}
		if big {
			b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
		}
		return fmt.Sprintf("\\%02x\\%02x\\%02x\\%02x", b[0], b[1], b[2], b[3])
	}
	for _, validity := range []uint32{1_700_000_000, 1_291_845_632, 77} {
		for _, highest := range []uint32{0, 5, 300, 70_000} {
			for _, big := range []bool{false, true} { // the values
				for _, order := range []string{"1234", "4321"} { // the file
					if highest == 0 && validity != 1_700_000_000 {
						continue // cannot be known
					}
					var dump strings.Builder
					dump.WriteString("VERSION=3\nformat=print\ntype=hash\nHEADER=END\n UIDVALIDITY\n " + number(validity, big) + number(highest, big) + "\n")
					want := make(map[string]mail.UID)
					for u := highest; u > 0 && len(want) < 200; u-- {
						name := fmt.Sprintf("17%08d.5_%d.h", u, u)
						want[name] = mail.UID(u)
						dump.WriteString(" " + name + "\n " + number(u, big) + "\n")
					}
					dump.WriteString("DATA=END\n")
					path := filepath.Join(t.TempDir(), uidmap.ForeignName)
					cmd := exec.Command(load, "-c", "db_lorder="+order, path)
					cmd.Stdin = strings.NewReader(dump.String())
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					file, err := os.ReadFile(path)
					check(t, err)
					m, err := uidmap.TakeOver(file)
					if err != nil {
						t.Errorf("validity %d, highest %d, big %v in %s: %v", validity, highest, big, order, err)
						continue
					}
					if m.Validity != validity || m.Highest != mail.UID(highest) || !maps.Equal(m.UIDs, want) || m.Diverged || string(m.Origin) != string(uidmap.OriginOf(file)) {
						t.Errorf("validity %d, highest %d, big %v in %s: %d, %d, %d UIDs", validity, highest, big, order, m.Validity, m.Highest, len(m.UIDs))
					}
				}
			}
		}
	}
}

// TestTakeOverRefused: what contradicts itself is not taken over.
func TestTakeOverRefused(t *testing.T) {
	for _, file := range []string{"abc", strings.Repeat("x", 10000)} {
		if m, err := uidmap.TakeOver([]byte(file)); !errors.Is(err, uidmap.ErrForeign) || m != nil {
			t.Errorf("%v, %v", m, err)
		}
	}
	if m, err := uidmap.TakeOver(nil); err != nil || m.Validity != 0 || len(m.UIDs) != 0 {
		t.Errorf("empty: %v, %v", m, err)
	}
}

// FuzzTakeOver: whatever the file, what is taken over can be used.
func FuzzTakeOver(f *testing.F) {
	names, err := filepath.Glob("../bdbhash/testdata/*.db")
	if err != nil || len(names) < 5 {
		f.Fatal(names, err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := uidmap.TakeOver(file)
		if (m == nil) == (err == nil) {
			t.Fatal(m, err)
		}
		if err != nil {
			return
		}
		used := make(map[mail.UID]bool)
		for k, u := range m.UIDs {
			if u == 0 || u > m.Highest || used[u] {
				t.Fatalf("UID %d of %q", u, k)
			}
			used[u] = true
		}
	})
}
