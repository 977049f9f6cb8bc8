package vfs_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/vfs/vfstest"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func TestCrashKeepsOnlyWhatWasFlushed(t *testing.T) {
	m := vfstest.NewMem(nil)
	check(t, m.Mkdir("/d", 0o700))
	check(t, m.SyncDir("/"))
	write(t, m, "/d/synced", "bytes", true)
	write(t, m, "/d/bytes-lost", "bytes", false)
	check(t, m.SyncDir("/d"))
	write(t, m, "/d/entry-lost", "bytes", true)
	check(t, m.Mkdir("/d/dir-lost", 0o700))
	check(t, m.SyncDir("/d/dir-lost"))
	f, err := m.OpenFile("/d/synced", os.O_RDWR|os.O_APPEND, 0)
	check(t, err)
	_, err = f.Write([]byte(" and more"))
	check(t, err)

	c := m.CrashClone(0, nil)
	if d := cmp.Diff([]string{"bytes-lost", "synced"}, names(t, c, "/d")); d != "" {
		t.Error(d)
	}
	if got := read(t, c, "/d/synced") + "|" + read(t, c, "/d/bytes-lost"); got != "bytes|" {
		t.Errorf("contents %q", got)
	}
	all := m.CrashClone(100, nil)
	if got := read(t, all, "/d/synced"); got != "bytes and more" {
		t.Errorf("with 100 percent: %q", got)
	}
	if d := cmp.Diff(names(t, m, "/d"), names(t, all, "/d")); d != "" {
		t.Error(d)
	}
	check(t, f.Sync())
	if got := read(t, m.CrashClone(0, nil), "/d/synced"); got != "bytes and more" {
		t.Errorf("after the flush: %q", got)
	}
}

func TestCrashAndRename(t *testing.T) {
	m := vfstest.NewMem(nil)
	check(t, m.Mkdir("/a", 0o700))
	check(t, m.Mkdir("/b", 0o700))
	write(t, m, "/a/1", "one", true)
	write(t, m, "/a/2", "two", true)
	m.SyncAll()
	check(t, m.Rename("/a/1", "/b/1"))
	check(t, m.Rename("/a/2", "/a/3"))
	check(t, m.Rename("/a/3", "/a/4"))

	seen := make(map[string]int)
	for seed := range uint64(200) {
		c := m.CrashClone(50, rng(seed))
		a, b := strings.Join(names(t, c, "/a"), " "), strings.Join(names(t, c, "/b"), " ")
		if !strings.Contains(a+b, "1") {
			t.Fatalf("seed %d: a file was lost by renaming it: %s|%s", seed, a, b)
		}
		two := 0
		for _, n := range []string{"2", "3", "4"} {
			two += strings.Count(a, n)
		}
		if two != 1 {
			t.Fatalf("seed %d: renamed within one directory: %s", seed, a)
		}
		seen[a+"|"+b]++
	}
	for _, want := range []string{"1 2|", "1 2|1", "2|1", "1 3|", "4|1"} {
		if seen[want] == 0 {
			t.Errorf("never seen: %s (have %v)", want, seen)
		}
	}
	// Flushing the old directory makes the new entry durable too.
	check(t, m.SyncDir("/a"))
	c := m.CrashClone(0, nil)
	if got := read(t, c, "/b/1") + read(t, c, "/a/4"); got != "onetwo" {
		t.Error(got)
	}
}

func TestCrashTearsFiles(t *testing.T) {
	m := vfstest.NewMem(nil)
	write(t, m, "/f", "0123", true)
	m.SyncAll()
	f, err := m.OpenFile("/f", os.O_WRONLY, 0)
	check(t, err)
	_, err = f.Write([]byte("abcdefgh"))
	check(t, err)
	possible := make(map[string]bool)
	for n := range 9 {
		torn := "abcdefgh"[:n]
		if n < 4 {
			torn += "0123"[n:]
		}
		possible[torn] = true
		possible[torn+strings.Repeat("\x00", 8-len(torn))] = true
	}
	seen := make(map[string]bool)
	for seed := range uint64(300) {
		got := read(t, m.CrashClone(50, rng(seed)), "/f")
		if !possible[got] {
			t.Fatalf("seed %d: %q", seed, got)
		}
		seen[got] = true
	}
	for _, want := range []string{"0123", "ab23", "abcdef", "abcdefgh", "0123\x00\x00\x00\x00"} {
		if !seen[want] {
			t.Errorf("never seen: %q", want)
		}
	}
	if a, b := m.CrashClone(50, rng(7)), m.CrashClone(50, rng(7)); read(t, a, "/f") != read(t, b, "/f") {
		t.Error("one seed has two outcomes")
	}
}

func TestFault(t *testing.T) {
	f := vfstest.NewFault(vfstest.NewMem(nil))
	work := func() error {
		file, err := f.OpenFile("/x", os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		_, err = file.Write([]byte("12345678"))
		return errors.Join(err, file.Sync(), file.Close(), f.Rename("/x", "/y"), f.SyncDir("/"))
	}
	check(t, work())
	total := f.Count(vfstest.OpAll)
	if total != 6 || f.Count(vfstest.OpWrite|vfstest.OpSync) != 2 {
		t.Errorf("%d operations, %d writes and syncs", total, f.Count(vfstest.OpWrite|vfstest.OpSync))
	}
	n := 1
	for ; ; n++ {
		f.Inject(vfstest.Rule{Nth: n, Err: syscall.EIO})
		err := work()
		if f.Fired() == 0 {
			check(t, err)
			break
		}
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: %v", n, err)
		}
		var pe *fs.PathError
		var le *os.LinkError
		if !errors.As(err, &pe) && !errors.As(err, &le) {
			t.Errorf("operation %d: %T", n, err)
		}
	}
	if n != total+1 {
		t.Errorf("%d operations failed, of %d", n-1, total)
	}

	f.Inject(vfstest.Rule{Ops: vfstest.OpWrite, Nth: 2, Every: true, Err: syscall.ENOSPC})
	file, err := f.OpenFile("/z", os.O_WRONLY|os.O_CREATE, 0o600)
	check(t, err)
	for i, want := range []int{8, 4, 4} {
		n, err := file.Write([]byte("12345678"))
		if n != want || (err != nil) != (i > 0) {
			t.Errorf("write %d: %d bytes, %v", i, n, err)
		}
	}
	check(t, file.Close())

	var ops []vfstest.Op
	f.Inject(vfstest.Rule{})
	f.Before(func(op vfstest.Op, _ string) { ops = append(ops, op) })
	r, err := f.OpenFile("/z", os.O_RDONLY, 0)
	check(t, err)
	_, err = io.ReadAll(r)
	check(t, err)
	if d := cmp.Diff([]vfstest.Op{vfstest.OpOpen, vfstest.OpRead, vfstest.OpRead}, ops); d != "" {
		t.Error(d)
	}
}
