package session

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"isync/internal/memo"
	"isync/internal/vfs"
)

// TestLineRemembered: for how long it is remembered whether a network path is slow, and that
// the clock does not matter within a run.
func TestLineRemembered(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var told []string
	o := Options{
		Listings: memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache")), Server: "the server",
		Now:      func() time.Time { return now },
		Measured: func(rate float64, slow bool) { told = append(told, fmt.Sprint(rate, slow)) },
	}
	r := NewPool(o).Record()
	if _, known := r.Slow("home"); known {
		t.Error("known before it was measured")
	}
	r.Measured("home", 1000, true)
	r.Measured("home", 2000, false) // by another connection at the same time
	if len(told) != 1 {
		t.Errorf("told %q", told)
	}
	for _, tt := range []struct {
		run   string
		later time.Duration
		path  string
		known bool
	}{
		{"the same", 0, "home", true},
		{"the same", 48 * time.Hour, "home", true},
		{"the same", -48 * time.Hour, "home", true},
		{"the same", 0, "office", false},
		{"another", 0, "home", true},
		{"another", 23 * time.Hour, "home", true},
		{"another", 25 * time.Hour, "home", false},
		{"another", -time.Hour, "home", false},
		{"another", 0, "office", false},
	} {
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(tt.later)
		at := r
		if tt.run == "another" {
			at = NewPool(o).Record()
		}
		if slow, known := at.Slow(tt.path); known != tt.known || known && !slow {
			t.Errorf("%s run, %v later, %s: known %v, slow %v", tt.run, tt.later, tt.path, known, slow)
		}
	}
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range maxLines + 5 {
		r.Measured(fmt.Sprint(i), 1000, true)
	}
	r.beginRun()
	if _, known := r.Slow("home"); known || len(r.note.Lines) != maxLines {
		t.Errorf("%d paths are remembered", len(r.note.Lines))
	}
}
