package ui

import (
	"fmt"

	"isync/internal/event"
)

// WatchMode describes how changes of a store are noticed. mode is that of event.WatchChanged.
// limited: there is a reason why the mode is not a better one.
func WatchMode(mode string, limited bool) string {
	if mode == "files" && limited {
		return "the operating system reports changes of some directories, the others are polled"
	}
	return map[string]string{
		"notify": "the server reports changes (NOTIFY)",
		"idle":   "the server reports changes of some mailboxes (IDLE), the others are polled",
		"poll":   "the mailboxes are polled",
		"files":  "the operating system reports changes",
	}[mode]
}

// watchText describes how changes of a store are noticed, and whether it is connected.
func watchText(e event.WatchChanged) string {
	text := WatchMode(e.Mode, e.Err != nil)
	if !e.Connected {
		text = "not connected"
	}
	if e.Err != nil {
		text += fmt.Sprintf(": %v", e.Err)
	}
	if !e.Next.IsZero() {
		text += "; next attempt at " + e.Next.Local().Format("15:04:05")
	}
	return text
}
