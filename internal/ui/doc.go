// Package ui shows what happens in a run: the lines of text about mailboxes and
// messages, warnings, the status line on a terminal, debug output, and the
// closing summary.
//
// A Printer observes channels and the engine. It decides how things look, not
// what they mean: errors become text elsewhere, and come in as text.
//
// Warnings, notices and errors go to the error stream, everything else to the
// output. Text that came from a server, a file name or a message is made
// harmless for terminals before it is shown.
package ui

// Level is how much is told.
type Level int8

// The levels.
const (
	Silent  Level = iota - 2 // errors
	Quiet                    // and warnings
	Normal                   // and notices, the status line, and the summary
	Verbose                  // and lines about each mailbox
)

// Debug is a set of categories of debug output.
type Debug uint16

// The categories.
const (
	DebugCrash     Debug = 1 << iota // show everything if the program fails badly
	DebugDriver                      // calls of the stores
	DebugDriverAll                   // and each message in them
	DebugMaildir                     // operations on files
	DebugMain                        // what was selected
	DebugNet                         // commands and responses, cut after a while
	DebugNetAll                      // in full; message texts only by their size
	DebugSync                        // decisions

	// DebugDefault is everything without payloads.
	DebugDefault = DebugCrash | DebugDriver | DebugMaildir | DebugMain | DebugNet | DebugSync
)

// letters are in the order of the bits.
const debugLetters = "CdDmMnNs"

// letter returns the letter of a category.
func (d Debug) letter() byte {
	for i := range len(debugLetters) {
		if d&(1<<i) != 0 {
			return debugLetters[i]
		}
	}
	return '?'
}
