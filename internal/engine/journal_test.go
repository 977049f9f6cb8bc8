package engine

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/syncstate"
	"isync/internal/vfs/vfstest"
)

// TestJournalGroups: bindings that became fact together are written together,
// and none of them waits for anything but the last of its group.
func TestJournalGroups(t *testing.T) {
	fs := vfstest.NewMem(time.Now)
	if err := fs.Mkdir("/state", 0o700); err != nil {
		t.Fatal(err)
	}
	j := &journal{files: &stateFiles{fs: fs, path: "/state/box"}, state: syncstate.New(syncstate.Near)}
	lines := func() int {
		f, err := fs.OpenFile("/state/box.journal", os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n") - 1 // the first one tells the version
	}
	var recs []*syncstate.Record
	for i := range 3 {
		rec := &syncstate.Record{}
		rec.UID[syncstate.Near] = 7
		if err := j.add(rec, []uint32{0, uint32(7 + i)}); err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	if n := lines(); n != 3 {
		t.Fatalf("%d lines at first", n)
	}
	for i, rec := range recs {
		if err := j.logWith(i < 2, syncstate.OpFarUID, rec, uint32(20+i)); err != nil {
			t.Fatal(err)
		}
		want := 3
		if i == 2 {
			want = 6
		}
		if n := lines(); n != want {
			t.Errorf("%d lines after binding %d, want %d", n, i, want)
		}
	}
	// Something else goes in between: in order, and at once.
	if err := j.logWith(true, syncstate.OpFarUID, recs[0], 30); err != nil {
		t.Fatal(err)
	}
	if _, err := j.log(syncstate.OpStatus, recs[1], 0); err != nil {
		t.Fatal(err)
	}
	if n := lines(); n != 8 {
		t.Errorf("%d lines in the end", n)
	}
}

// TestRemoveState: all files beside a state go with it, but the lock, which is held.
func TestRemoveState(t *testing.T) {
	fs := vfstest.NewMem(time.Now)
	if err := fs.Mkdir("/state", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range append(StateSuffixes(), "", "x") {
		f, err := fs.OpenFile("/state/box"+suffix, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	f := &stateFiles{fs: fs, path: "/state/box"}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, suffix := range append(StateSuffixes(), "", "x") {
		if _, err := fs.Stat("/state/box" + suffix); err == nil {
			names = append(names, "box"+suffix)
		}
	}
	if want := []string{"box.lock", "boxx"}; !slices.Equal(names, want) {
		t.Errorf("left: %q, want %q", names, want)
	}
}
