// Package ui shows what happens in a run: lines of text about mailboxes and messages,
// warnings, the progress on a terminal, debug output, and the closing summary.
//
// A Printer is a sink of events for people. It decides how they look, not what they mean. The
// sentences of all notices, warnings and hints are in this package, one for each kind
// of fact (event.Fact). An error has its own text; Options.Explain finds out its fact.
// JSON is a sink for programs (docs/events.md); Objects makes the objects that it writes.
// Metrics is a sink that counts (docs/metrics.md).
//
// Warnings, notices and errors are written to the error stream, everything else to the
// output. Text from a server, a file name or a message is made harmless for terminals
// before it is shown.
package ui

import (
	"isync/internal/event"
)

// Level is how much is told.
type Level int8

// The levels.
const (
	Silent  Level = iota - 2 // errors
	Quiet                    // and warnings
	Normal                   // and notices, the progress, and the summary
	Verbose                  // and lines about each mailbox
)

// letters are in the order of the bits.
const debugLetters = "CdDmMnNs"

// letterOf returns the letter of a topic.
func letterOf(d event.Topics) byte {
	for i := range len(debugLetters) {
		if d&(1<<i) != 0 {
			return debugLetters[i]
		}
	}
	return '?'
}
