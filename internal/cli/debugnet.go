package cli

import (
	"fmt"

	"isync/internal/event"
	"isync/internal/imapclient"
)

// maxTraceLine is the maximum length in bytes of a traced line without payloads.
const maxTraceLine = 200

// traceNet traces the connections of a store.
func (w *workshop) traceNet(name string, h *imapclient.Hooks) {
	if !w.debugs(event.DebugNet) {
		return
	}
	h.Trace = func(dir imapclient.Direction, line string) {
		if !w.debugs(event.DebugNetAll) && len(line) > maxTraceLine {
			line = fmt.Sprintf("%s... (%d bytes)", line[:maxTraceLine], len(line))
		}
		arrow := ">"
		if dir == imapclient.Received {
			arrow = "<"
		}
		w.debugf(event.DebugNet, "%s %s %s", name, arrow, line)
	}
}
