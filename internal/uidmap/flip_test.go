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
		if o := off % 4096; o >= 12 && o < 16 {
			continue // how many pages belong together; billions of them take their time
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
