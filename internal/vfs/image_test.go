package vfs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// An image in the real file system is the file.
func TestImageOS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	img, err := vfs.OpenImage(vfs.OS{}, path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if img.IsCopy() || img.File.Name() != path {
		t.Errorf("%v, %s", img.IsCopy(), img.File.Name())
	}
	if _, err := img.File.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	if err := img.Settle(2, true); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
}

// In memory it is a copy, and what was written comes in order: the body is
// durable before the head is touched.
func TestImageMem(t *testing.T) {
	mem := vfstest.NewMem(nil)
	fault := vfstest.NewFault(mem)
	f, err := mem.OpenFile("/f", os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Repeat([]byte("old."), 5<<10) // five blocks
	if _, err := f.Write(old); err != nil {
		t.Fatal(err)
	}
	mem.SyncAll()
	img, err := vfs.OpenImage(fault, "/f", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := img.File.Name()
	for _, off := range []int64{0, 9000, 30000} {
		if _, err := img.File.WriteAt([]byte("new"), off); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := vfs.ReadFile(mem, "/f"); !bytes.Equal(b, old) {
		t.Errorf("changed before Settle: %v", err)
	}
	// The third change: two blocks of the body, then the flush of them.
	fault.Inject(vfstest.Rule{Ops: vfstest.OpWrite, Match: func(_ vfstest.Op, n string) bool { return n == "/f" }, Nth: 100, Err: syscall.EIO})
	var ops []vfstest.Op
	fault.Before(func(op vfstest.Op, _ string) {
		if op&vfstest.OpChanges == 0 {
			return
		}
		ops = append(ops, op)
		// Until the body is durable, the head is the old one.
		b, err := vfs.ReadFile(mem, "/f")
		if err != nil || bytes.HasPrefix(b, []byte("new")) && len(ops) < 4 {
			t.Errorf("head after %d changes, %v", len(ops)-1, err)
		}
	})
	if err := img.Settle(8192, true); err != nil {
		t.Fatal(err)
	}
	fault.Before(nil)
	if n := len(ops); n < 5 || ops[n-1] != vfstest.OpSync || ops[n-2] != vfstest.OpWrite || ops[n-3] != vfstest.OpSync {
		t.Errorf("%v", ops)
	}
	b, err := vfs.ReadFile(mem.CrashClone(0, nil), "/f")
	if err != nil || len(b) != 30003 || string(b[:4]) != "new." || string(b[9000:9004]) != "new." || string(b[30000:]) != "new" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	img.Close()
	if _, err := os.Stat(name); err == nil {
		t.Error("the copy is still there")
	}
}
