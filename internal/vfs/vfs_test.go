package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// implementations are what the tests of common behaviour run on.
func implementations(t *testing.T, test func(t *testing.T, fsys vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, vfs.OS{}, t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := vfstest.NewMem(nil)
		check(t, m.Mkdir("/d", 0o700))
		test(t, m, "/d")
	})
	t.Run("fault", func(t *testing.T) { test(t, vfstest.NewFault(vfs.OS{}), t.TempDir()) })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, fsys vfs.FS, name, data string, sync bool) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	check(t, err)
	_, err = io.WriteString(f, data)
	check(t, err)
	if sync {
		check(t, f.Sync())
	}
	check(t, f.Close())
}

func read(t testing.TB, fsys vfs.FS, name string) string {
	t.Helper()
	b, err := vfs.ReadFile(fsys, name)
	check(t, err)
	return string(b)
}

func names(t testing.TB, fsys vfs.FS, dir string) []string {
	t.Helper()
	n, err := fsys.ReadNames(dir)
	check(t, err)
	slices.Sort(n)
	return n
}

func TestBasics(t *testing.T) {
	implementations(t, func(t *testing.T, fsys vfs.FS, dir string) {
		p := func(name string) string { return filepath.Join(dir, name) }
		is := func(err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		_, err := fsys.OpenFile(p("x"), os.O_RDONLY, 0)
		is(err, fs.ErrNotExist)
		write(t, fsys, p("x"), "hello", true)
		_, err = fsys.OpenFile(p("x"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		is(err, fs.ErrExist)
		_, err = fsys.OpenFile(p("x/y"), os.O_RDONLY, 0)
		is(err, syscall.ENOTDIR)
		_, err = fsys.ReadNames(p("x"))
		is(err, syscall.ENOTDIR)
		_, err = fsys.ReadNames(p("none"))
		is(err, fs.ErrNotExist)

		f, err := fsys.OpenFile(p("x"), os.O_RDWR, 0)
		check(t, err)
		_, err = f.Seek(1, io.SeekStart)
		check(t, err)
		_, err = f.Write([]byte("EL"))
		check(t, err)
		check(t, f.Truncate(4))
		_, err = f.Seek(7, io.SeekStart)
		check(t, err)
		_, err = f.Write([]byte("!"))
		check(t, err)
		check(t, f.Sync())
		fi, err := f.Stat()
		check(t, err)
		if fi.Size() != 8 || !fi.Mode().IsRegular() {
			t.Errorf("size %d, mode %v", fi.Size(), fi.Mode())
		}
		check(t, f.Close())
		if got := read(t, fsys, p("x")); got != "hELl\x00\x00\x00!" {
			t.Errorf("contents %q", got)
		}

		check(t, fsys.Mkdir(p("sub"), 0o700))
		is(fsys.Mkdir(p("sub"), 0o700), fs.ErrExist)
		check(t, fsys.Rename(p("x"), p("sub/y")))
		is(fsys.Rename(p("x"), p("sub/y")), fs.ErrNotExist)
		is(fsys.Remove(p("sub")), syscall.ENOTEMPTY)
		if d := cmp.Diff([]string{"y"}, names(t, fsys, p("sub"))); d != "" {
			t.Error(d)
		}
		when := time.Unix(1234567890, 0)
		check(t, fsys.Chtimes(p("sub/y"), when, when))
		a, err := fsys.Stat(p("sub/y"))
		check(t, err)
		if !a.ModTime().Equal(when) {
			t.Errorf("modified %v, want %v", a.ModTime(), when)
		}
		if since := time.Since(vfs.ChangeTime(a)); since < 0 || since > time.Minute {
			t.Errorf("changed %v ago", since)
		}
		check(t, fsys.Rename(p("sub/y"), p("z")))
		b, err := fsys.Stat(p("z"))
		check(t, err)
		if !vfs.SameFile(a, b) {
			t.Error("a renamed file is another one")
		}
		if d, err := fsys.Stat(p("sub")); err != nil || vfs.SameFile(a, d) {
			t.Error("a directory is the same as a file")
		}
		check(t, fsys.SyncDir(dir))
		check(t, fsys.Remove(p("sub")))
		check(t, fsys.Remove(p("z")))
		is(fsys.Remove(p("z")), fs.ErrNotExist)
		check(t, vfs.MkdirAll(fsys, p("a/b/c"), 0o700, true))
		check(t, vfs.MkdirAll(fsys, p("a/b/c"), 0o700, true))
		if d := cmp.Diff([]string{"a"}, names(t, fsys, dir)); d != "" {
			t.Error(d)
		}
	})
}

func TestReadNamesMany(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 12_000 { // several buffers: the next one is read ahead
		name := strconv.Itoa(i) + "-a-name-of-some-length-that-fills-buffers,U=1:2,S"
		if i%7 == 0 {
			name += "äöü"
		}
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		want = append(want, name)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, names(t, vfs.OS{}, dir)); d != "" {
		t.Error(d)
	}
	var pieces []string
	check(t, vfs.EachNames(vfs.OS{}, dir, func(names []string) error {
		for _, n := range names {
			pieces = append(pieces, strings.Clone(n))
		}
		return nil
	}))
	slices.Sort(pieces)
	if d := cmp.Diff(want, pieces); d != "" {
		t.Error(d)
	}
	enough := errors.New("enough")
	for after := range 3 {
		calls := 0
		err := vfs.EachNames(vfs.OS{}, dir, func([]string) error {
			if calls++; calls > after {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || calls != after+1 {
			t.Errorf("stopped with %v after %d calls, want %d", err, calls, after+1)
		}
	}
	if err := vfs.EachNames(vfs.OS{}, filepath.Join(dir, "none"), func([]string) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestReadNamesKeeps: the names that ReadNames returns stay as they are when other
// directories are read.
func TestReadNamesKeeps(t *testing.T) {
	for _, n := range []int{1, 2, 300} {
		dir, other := t.TempDir(), t.TempDir()
		var want []string
		for i := range n {
			name := fmt.Sprintf("a%09d", i)
			check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			check(t, os.WriteFile(filepath.Join(other, fmt.Sprintf("b%09d", i)), nil, 0o600))
			want = append(want, name)
		}
		kept, err := vfs.OS{}.ReadNames(dir)
		check(t, err)
		for range 3 {
			_, err = vfs.OS{}.ReadNames(other)
			check(t, err)
		}
		slices.Sort(kept)
		if d := cmp.Diff(want, kept); d != "" {
			t.Errorf("%d names: %s", n, d)
		}
	}
}

func TestLockExcludesGoroutines(t *testing.T) {
	implementations(t, func(t *testing.T, fsys vfs.FS, dir string) {
		name := filepath.Join(dir, "lock")
		open := func() vfs.File {
			f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
			check(t, err)
			return f
		}
		a, b := open(), open()
		check(t, fsys.Lock(a, false))
		if err := fsys.Lock(b, false); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		// Closing another descriptor must not end the lock.
		check(t, open().Close())
		got := make(chan error)
		go func() { got <- fsys.Lock(b, true) }()
		select {
		case err := <-got:
			t.Fatalf("locked twice (%v)", err)
		case <-time.After(30 * time.Millisecond):
		}
		check(t, a.Close())
		check(t, <-got)
		c := open()
		if err := fsys.Lock(c, false); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("third lock: %v", err)
		}
		check(t, b.Close())
		check(t, fsys.Lock(c, false))
		check(t, c.Close())
	})
}
