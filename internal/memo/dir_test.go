package memo

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// numbered returns a listing that is recognized by its size.
func numbered(n int) *Listing { return sample(n) }

func (d *Dir) mustLoad(t testing.TB, k Key) *Listing {
	t.Helper()
	l, data, err := d.Load(k)
	if err != nil {
		t.Fatal(err)
	}
	if (l == nil) != (data == nil) {
		t.Fatalf("%v with %d bytes", l, len(data))
	}
	return l
}

func TestSaveLoadRemove(t *testing.T) {
	root := t.TempDir()
	d := NewDir(vfs.OS{}, filepath.Join(root, "cache", "isync"))
	if l := d.mustLoad(t, testKey); l != nil {
		t.Errorf("%+v out of nothing", l)
	}
	if err := d.Remove(testKey); err != nil {
		t.Error(err)
	}
	for _, n := range []int{3, 500, 0} {
		want := numbered(n)
		if err := d.Save(testKey, want.Encode(testKey)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.mustLoad(t, testKey)); diff != "" {
			t.Error(diff)
		}
	}
	if runtime.GOOS != "windows" {
		err := filepath.WalkDir(filepath.Join(root, "cache"), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(root, "cache", "isync", "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("files: %q, %v", names, err)
	}
	if err := d.Remove(testKey); err != nil {
		t.Error(err)
	}
	if l := d.mustLoad(t, testKey); l != nil {
		t.Errorf("%+v after removal", l)
	}
}

// TestUnusable: what is in the way is an error, and nothing else.
func TestUnusable(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		d := NewDir(vfs.OS{}, path)
		if err := d.Save(testKey, numbered(1).Encode(testKey)); err == nil {
			t.Errorf("saved in %s", path)
		}
		if l, _, _ := d.Load(testKey); l != nil {
			t.Errorf("loaded from %s", path)
		}
	}
	d := NewDir(vfs.OS{}, root)
	if err := os.Mkdir(d.file(testKey), 0o700); err != nil {
		t.Fatal(err)
	}
	if l, _, err := d.Load(testKey); l != nil || err == nil {
		t.Errorf("loaded a directory: %v", err)
	}
	if err := d.Save(testKey, numbered(1).Encode(testKey)); err == nil {
		t.Error("replaced a directory")
	}
	if names, _ := filepath.Glob(filepath.Join(root, "*"+newSuffix)); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestLeftOvers: what an interrupted program has left is removed, what another
// one is writing is not.
func TestLeftOvers(t *testing.T) {
	root := t.TempDir()
	d := NewDir(vfs.OS{}, root)
	old, fresh, foreign := d.file(testKey)+".ABC"+newSuffix, d.file(testKey)+".DEF"+newSuffix, filepath.Join(root, "x"+newSuffix)
	for _, f := range []string{old, fresh, foreign} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * maxAge)
	for _, f := range []string{old, foreign} {
		if err := os.Chtimes(f, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Save(testKey, numbered(1).Encode(testKey)); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[string]bool{old: false, fresh: true, foreign: true} {
		if _, err := os.Stat(f); (err == nil) != want {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestTogether: several programs save the same listing, others read it: each of
// them finds one that somebody has saved.
func TestTogether(t *testing.T) {
	root := t.TempDir()
	if err := NewDir(vfs.OS{}, root).Save(testKey, numbered(0).Encode(testKey)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		d := NewDir(vfs.OS{}, root)
		wg.Go(func() {
			for i := range 20 {
				if err := d.Save(testKey, numbered(w*1000+i).Encode(testKey)); err != nil {
					t.Errorf("save: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 40 {
				l, _, err := d.Load(testKey)
				if err != nil || l == nil {
					t.Errorf("load: %v", err)
					continue
				}
				if want := numbered(len(l.Messages)); !slices.Equal(want.Messages, l.Messages) || want.UIDNext != l.UIDNext {
					t.Errorf("of %d messages some are wrong", len(l.Messages))
				}
			}
		})
	}
	wg.Wait()
	if names, _ := filepath.Glob(filepath.Join(root, "*")); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}

// TestPowerCut: after a power cut at any operation there is the old listing, the
// new one, or none.
func TestPowerCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fresh := func() (*vfstest.Mem, *Dir) {
		m := vfstest.NewMem(nil)
		d := NewDir(m, "/cache/isync")
		if err := d.Save(testKey, numbered(100).Encode(testKey)); err != nil {
			t.Fatal(err)
		}
		m.SyncAll()
		return m, d
	}
	found := map[string]int{}
	look := func(m *vfstest.Mem) {
		for _, percent := range []int{0, 30, 70, 100} {
			clone := m.CrashClone(percent, rng)
			l, _, err := NewDir(clone, "/cache/isync").Load(testKey)
			switch {
			case err != nil && !errors.Is(err, ErrInvalid):
				t.Fatal(err)
			case l == nil:
				found["none"]++
			default:
				n := len(l.Messages)
				found[fmt.Sprint(n)]++
				if diff := cmp.Diff(numbered(n), l); diff != "" || n != 100 && n != 300 {
					t.Fatalf("%d messages: %s", n, diff)
				}
			}
		}
	}
	for range 20 {
		m, _ := fresh()
		f := vfstest.NewFault(m)
		f.Before(func(vfstest.Op, string) { look(m) })
		if err := NewDir(f, "/cache/isync").Save(testKey, numbered(300).Encode(testKey)); err != nil {
			t.Fatal(err)
		}
		look(m)
	}
	if found["100"] == 0 || found["300"] == 0 || found["none"] == 0 {
		t.Errorf("not everything was tried: %v", found)
	}
}

// TestFaults: whatever fails, the listing is the old or the new one, and no
// other file stays.
func TestFaults(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES} {
		for n := 1; ; n++ {
			m := vfstest.NewMem(nil)
			if err := NewDir(m, "/cache").Save(testKey, numbered(10).Encode(testKey)); err != nil {
				t.Fatal(err)
			}
			f := vfstest.NewFault(m)
			f.Inject(vfstest.Rule{Nth: n, Err: errno})
			d := NewDir(f, "/cache")
			err := d.Save(testKey, numbered(20).Encode(testKey))
			if f.Fired() == 0 {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			l := NewDir(m, "/cache").mustLoad(t, testKey)
			if l == nil || len(l.Messages) != 10 && len(l.Messages) != 20 || err == nil && len(l.Messages) != 20 {
				t.Errorf("operation %d fails (%v): %v, %+v", n, errno, err, l)
			}
			names, nerr := m.ReadNames("/cache")
			if nerr != nil || len(names) != 1 {
				t.Errorf("operation %d fails (%v): %q, %v", n, errno, names, nerr)
			}
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	benchmark(b, func(b *testing.B, d *Dir, _ []byte) {
		if l := d.mustLoad(b, testKey); l == nil || l.UIDNext == mail.UID(0) {
			b.Fatal(l)
		}
	})
}

func BenchmarkSave(b *testing.B) {
	benchmark(b, func(b *testing.B, d *Dir, data []byte) {
		if err := d.Save(testKey, data); err != nil {
			b.Fatal(err)
		}
	})
}

func benchmark(b *testing.B, f func(b *testing.B, d *Dir, data []byte)) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := NewDir(vfs.OS{}, b.TempDir())
			data := sample(n).Encode(testKey)
			if err := d.Save(testKey, data); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				f(b, d, data)
			}
		})
	}
}

// TestSweepAgain: a long-running program looks for left-over files again.
func TestSweepAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfstest.NewMem(time.Now)
		if err := vfs.MkdirAll(fsys, "/cache", 0o700, false); err != nil {
			t.Fatal(err)
		}
		d := NewDir(fsys, "/cache")
		old := d.file(testKey) + ".ABC" + newSuffix
		save := func(want bool) {
			t.Helper()
			if err := d.Save(testKey, numbered(1).Encode(testKey)); err != nil {
				t.Fatal(err)
			}
			if _, err := fsys.Stat(old); (err == nil) != want {
				t.Errorf("the file is there: %v", err == nil)
			}
		}
		save(false)
		f, err := fsys.OpenFile(old, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		time.Sleep(sweepEvery - time.Second)
		save(true)
		time.Sleep(time.Second)
		save(false)
	})
}
