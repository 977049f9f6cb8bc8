package event

// Status is the result of a pair or a channel.
type Status uint8

// The statuses, in the order of importance. The status of a channel is the highest one of its
// pairs.
const (
	StatusUnchanged Status = iota // nothing was to be done
	StatusChanged
	StatusSkipped // it was not begun
	StatusHeld    // deletions were not propagated, since they may be a mistake
	StatusLocked  // another run is working on it
	StatusFailed
)

// String returns the name of the status in output.
func (s Status) String() string {
	return [...]string{"unchanged", "changed", "skipped", "held", "locked", "failed"}[s]
}

// Command is a command of the program.
type Command uint8

// The commands that report events.
const (
	CommandRun Command = iota
	CommandDryRun
	CommandList
	CommandListStores
	CommandCheck
	CommandListFailed
	CommandEditFailed // skip failed messages, or try them again
	CommandWatch      // a run of --watch
	CommandStatus     // --status
)

// String returns the name of the command in output.
func (c Command) String() string {
	return [...]string{"run", "dry-run", "list", "list-stores", "check", "list-failed", "edit-failed", "watch", "status"}[c]
}
