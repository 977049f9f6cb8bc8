package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Most of a run's allocations are listings of mailboxes, which live until its end. Garbage
// collection while they are being read finds no garbage, but uses both processors while the
// server sends data. So the first collection is delayed until 20 MB, which most runs do not
// reach.
//
// After that, the heap may grow by about the same number of bytes between two collections,
// independently of its size: with a million messages in a mailbox, 40 per cent would be as much
// as all listings of the far side. More frequent collections are cheap, because the large arrays
// contain no pointers. The lower bound is for even larger heaps.
const (
	first  = 500 // per cent of the 4 MB that collections begin with
	growth = 16 << 20
	most   = 40 // per cent
	least  = 8
)

// collectLate delays the first collection and limits the garbage between later ones, unless GOGC
// or GOMEMLIMIT is set.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(first)
	watchCollections()
}

// watchCollections adjusts the percentage after each collection.
func watchCollections() {
	// The next collection finalizes it.
	type sentinel struct{ _ *sentinel }
	runtime.AddCleanup(&sentinel{}, func(struct{}) {
		debug.SetGCPercent(percent(liveHeap()))
		watchCollections()
	}, struct{}{})
}

// percent returns the permitted growth of a heap with this number of live bytes.
func percent(live uint64) int {
	return int(min(max(100*growth/max(live, 1), least), most))
}

// liveHeap returns the number of live bytes at the last collection.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
