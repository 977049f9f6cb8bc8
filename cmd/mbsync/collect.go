package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// What a run allocates is mostly the listings of mailboxes, and they live until
// its end. Collecting garbage while they are being read finds none, and takes
// the time of both processors just when there is a server to keep up with. So the
// first collection comes late: at 20 MB, which most runs never reach. From then on
// the heap may grow by little only, for the sake of mailboxes with a million messages.
const (
	first = 500 // per cent of the 4 MB that collections begin with
	later = 40
)

// collectLate puts off the first collection of garbage, unless the environment
// says otherwise.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(first)
	// Found to be garbage by the first collection.
	type sentinel struct{ _ *sentinel }
	runtime.AddCleanup(&sentinel{}, func(percent int) { debug.SetGCPercent(percent) }, later)
}
