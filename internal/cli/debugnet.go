package cli

import (
	"fmt"

	"isync/internal/event"
	"isync/internal/imapclient"
)

// maxTraceLine is where lines are cut in a trace without payloads, in bytes.
const maxTraceLine = 200

// traceNet makes the connections of a store show what goes over them.
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
