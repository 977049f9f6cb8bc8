package event

// Topics is a set of topics of debug output.
type Topics uint16

// The topics.
const (
	DebugCrash     Topics = 1 << iota // show everything if the program fails badly
	DebugDriver                       // calls of the stores
	DebugDriverAll                    // and each message in them
	DebugMaildir                      // operations on files
	DebugMain                         // what was selected
	DebugNet                          // commands and responses, cut after a while
	DebugNetAll                       // in full; message texts only by their size
	DebugSync                         // decisions

	// DebugDefault is everything without payloads.
	DebugDefault = DebugCrash | DebugDriver | DebugMaildir | DebugMain | DebugNet | DebugSync
)
