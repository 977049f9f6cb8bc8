package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestPercent: a heap may grow by as much whatever its size, within bounds.
func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: most, 1: most, 20 << 20: most, 40 << 20: 40, 80 << 20: 20, 160 << 20: 10, 200 << 20: 8, 1 << 34: least,
	} {
		if got := percent(live); got != want {
			t.Errorf("%d MB in use: %d%%, want %d%%", live>>20, got, want)
		}
	}
}

// TestWatchCollections: the pace follows what is in use, up and down.
func TestWatchCollections(t *testing.T) {
	old := debug.SetGCPercent(first)
	defer debug.SetGCPercent(old)
	watchCollections()
	pace := func() int {
		p := debug.SetGCPercent(first)
		debug.SetGCPercent(p)
		return p
	}
	await := func(what string, ok func(int) bool) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for !ok(pace()) {
			if time.Now().After(deadline) {
				t.Fatalf("with %s the pace is %d%%", what, pace())
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
	await("nothing", func(p int) bool { return p == most })
	held := make([]byte, 150<<20)
	await("150 MB", func(p int) bool { return p < 15 })
	runtime.KeepAlive(held)
	held = nil
	await("nothing again", func(p int) bool { return p == most })
	_ = held
}
