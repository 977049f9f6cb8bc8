package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What a run allocates is mostly the listings of mailboxes, and they live until
// its end. Collecting garbage while they are being read finds none, and takes
// the time of both processors just when there is a server to keep up with. So the
// first collection comes late: at 20 MB, which most runs never reach.
//
// From then on the heap may grow by about the same number of bytes between two
// collections, however large it is: with a million messages in a mailbox, 40 per
// cent would be as much as all listings of the far side. Collecting more often costs
// little, since what there is a million of has no pointers that had to be
// followed. The lower bound is for the sake of heaps that are larger still.
const (
	first  = 500 // per cent of the 4 MB that collections begin with
	growth = 16 << 20
	most   = 40 // per cent
	least  = 8
)

// collectLate puts off the first collection of garbage, and bounds what comes up
// between later ones, unless the environment says otherwise.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(first)
	watchCollections()
}

// watchCollections sets the pace after each collection.
func watchCollections() {
	// Found to be garbage by the next collection.
	type sentinel struct{ _ *sentinel }
	runtime.AddCleanup(&sentinel{}, func(struct{}) {
		debug.SetGCPercent(percent(liveHeap()))
		watchCollections()
	}, struct{}{})
}

// percent is by how much a heap that has so many bytes in use may grow.
func percent(live uint64) int {
	return int(min(max(100*growth/max(live, 1), least), most))
}

// liveHeap is how many bytes the last collection has found to be in use.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
