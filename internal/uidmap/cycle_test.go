//go:build !race

package uidmap_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/uidmap"
	"isync/internal/vfs"
)

// TestCycle: a page of the tree that leads back to itself, or to one above it, is
// found out.
func TestCycle(t *testing.T) {
	dir := t.TempDir()
	m := &uidmap.Map{Validity: 7, Highest: 2000, UIDs: map[string]mail.UID{}}
	for i := range 2000 {
		m.UIDs[fmt.Sprintf("%d.1_1.some-host", i)] = mail.UID(i + 1)
	}
	check(t, uidmap.Create(t.Context(), vfs.OS{}, dir, m, false))
	path := filepath.Join(dir, uidmap.FileName)
	good, err := os.ReadFile(path)
	check(t, err)
	branches := 0
	for n := 2; n < len(good)/4096; n++ {
		p := good[n*4096:]
		if binary.NativeEndian.Uint64(p) != uint64(n) || binary.NativeEndian.Uint16(p[8:]) != 1 {
			continue
		}
		branches++
		b := append([]byte(nil), good...)
		// The page number of its second element.
		binary.NativeEndian.PutUint64(b[n*4096+16+16+8:], uint64(n))
		check(t, os.WriteFile(path, b, 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		start := time.Now()
		_, err := uidmap.Load(ctx, vfs.OS{}, dir, nil)
		cancel()
		if err == nil {
			t.Errorf("page %d: not noticed", n)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("page %d: %v after %v", n, err, d)
		}
	}
	if branches == 0 {
		t.Fatal("the tree has one level only")
	}
}
