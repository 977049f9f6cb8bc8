//go:build !race

// The race detector also checks conversions of pointers, and ends the process
// where the database follows one of those in a damaged file, before that is
// noticed the usual way.

package uidmap_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/uidmap"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// TestFlippedBytes damages the file in one byte, everywhere. There is an answer
// within a reasonable time, and the next one does not wait for anything that the
// damage has left behind.
func TestFlippedBytes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	m := &uidmap.Map{Validity: 7, Highest: 3, UIDs: map[string]mail.UID{"a": 1, "b": 2}}
	check(t, uidmap.Create(ctx, vfs.OS{}, dir, m, false))
	path := filepath.Join(dir, uidmap.FileName)
	good, err := os.ReadFile(path)
	check(t, err)
	failed := 0
	for off := range good {
		if good[off] == 0 && off%4096 > 100 {
			continue
		}
		for _, c := range []byte{0xff, 1, 0x7f} {
			b := append([]byte(nil), good...)
			b[off] = c
			check(t, os.WriteFile(path, b, 0o600))
			start := time.Now()
			m, err := uidmap.Load(ctx, vfs.OS{}, dir, nil)
			if err == nil {
				_, err = uidmap.Update(ctx, vfs.OS{}, dir, m.Version, &uidmap.Change{
					Highest: m.Highest + 1, Bind: []uidmap.Binding{{Key: "x", UID: m.Highest + 1}},
				}, false)
			}
			if err != nil {
				failed++
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Fatalf("byte %d set to %#x: %v, after %v", off, c, err, d)
			}
		}
	}
	if failed < 30 {
		t.Errorf("only %d of these were noticed", failed)
	}
}

// FuzzLoad: whatever the file, there is an answer, which is no panic.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	m := &uidmap.Map{Validity: 7, Highest: 3, UIDs: map[string]mail.UID{"a": 1, "b": 2}}
	check(f, uidmap.Create(context.Background(), vfs.OS{}, dir, m, false))
	b, err := os.ReadFile(filepath.Join(dir, uidmap.FileName))
	check(f, err)
	f.Add(b, 0, byte(0))
	for off := 0; off < len(b); off += 37 {
		if b[off] != 0 {
			f.Add(b, off, byte(0xff))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, off int, c byte) {
		if off < 0 || off >= len(file) {
			return
		}
		file = append([]byte(nil), file...)
		file[off] = c
		mem := vfstest.NewMem(nil)
		check(t, mem.Mkdir("/b", 0o700))
		w, err := mem.OpenFile("/b/"+uidmap.FileName, os.O_WRONLY|os.O_CREATE, 0o600)
		check(t, err)
		_, err = w.Write(file)
		check(t, err)
		m, err := uidmap.Load(context.Background(), mem, "/b", nil)
		if (m == nil) == (err == nil) {
			t.Fatal(m, err)
		}
		if m != nil {
			c := &uidmap.Change{Highest: m.Highest + 1, Bind: []uidmap.Binding{{Key: "x", UID: m.Highest + 1}}}
			_, _ = uidmap.Update(context.Background(), mem, "/b", m.Version, c, false) // must not panic
		}
	})
}
