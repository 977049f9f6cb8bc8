// Package plan makes every decision of a synchronization: which messages are
// to be listed (Loads), which changes to make (Make), which messages to trash
// and expunge at the end (Close), and which records the committed state keeps
// (Prune).
//
// It is pure: its input are states and listings, and its output describes
// changes. It does not change its input, and does not depend on stores. The same
// input always gives the same plan, in the same order. A dry run prints its plans; the engine
// carries them out.
package plan

import (
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Ops are the operations that may change one side: Pull… changes the near side, Push… the far
// side.
type Ops struct {
	New         bool // store messages that arrived on the other side since the last run
	Old         bool // store messages of the other side that were left out earlier
	Upgrade     bool // replace flagged placeholders by the real message
	Gone        bool // mark messages deleted whose counterpart is gone
	Flags       bool // take over flag changes
	Expunge     bool // remove all messages marked deleted at the end
	ExpungeSolo bool // remove only those without a counterpart
}

// Expunges reports whether any message of the side may be removed.
func (o Ops) Expunges() bool { return o.Expunge || o.ExpungeSolo }

// Tristate is an option that may also be left unset.
type Tristate int8

// The values of a Tristate.
const (
	No    Tristate = -1
	Unset Tristate = 0
	Yes   Tristate = 1
)

// Rules is the configuration of a pair. Indexes are sides.
type Rules struct {
	Ops [2]Ops
	// MaxSize is the largest message, in bytes, that is stored on the side;
	// larger ones are represented by placeholders. 0: no limit.
	MaxSize [2]int64
	// MaxMessages limits the messages on State.ExpireSide; 0: no limit.
	MaxMessages  int
	ExpireUnread Tristate
	// MaxDelete limits the deletions that are propagated to a side in one run.
	MaxDelete Limit
	// Trash is the configuration of the trash of each side's store.
	Trash [2]Trash
}

// Trash is the configuration of the trash of a store.
type Trash struct {
	Enabled   bool
	OnlyNew   bool // TrashNewOnly: only messages that were never propagated
	RemoteNew bool // TrashRemoteNew: also those of the other store
}

// fillsTrash reports whether messages of side t are copied to a trash before they are expunged,
// and whether only messages are that were never propagated.
func (r *Rules) fillsTrash(t syncstate.Side) (fills, onlyNew bool) {
	if r.Trash[t].Enabled {
		return true, r.Trash[t].OnlyNew
	}
	o := r.Trash[t.Other()]
	return o.Enabled && o.RemoteNew, true
}

// Box is the listing of one side.
type Box struct {
	// Messages, ascending by UID.
	Messages []mail.Meta
	// Loaded are the requested UIDs: a message in this set that is not in Messages does not
	// exist.
	Loaded mail.UIDSet
	// Flags that the mailbox can hold.
	Flags mail.Flags
}

// Returned is a message that was moved away and back.
type Returned struct {
	UID mail.UID // the new one
	// Placeholder is the status bit if it is a placeholder of its counterpart.
	Placeholder syncstate.Status
}

// Input is everything a plan depends on. State.ExpireSide is the channel's.
type Input struct {
	State *syncstate.State
	Rules Rules
	Box   [2]Box
	// Held are messages of each side that could not be copied earlier. They are not
	// copied, and get no record, as they are tried after everything else.
	Held [2]mail.UIDSet
	// Skipped are messages of each side that the user has given up. They are not copied, and
	// get no record. None of them is in Held or Retry.
	Skipped [2]mail.UIDSet
	// Retry are messages of each side that could not be copied earlier, and count as
	// new, though the watermark is above them.
	Retry [2]mail.UIDSet
	// Whole are messages of each side that MaxSize does not apply to: the user asked
	// for them by flagging their placeholders, and copying them failed.
	Whole [2]mail.UIDSet
	// Deletions says how deletions are propagated. Keep: deletions are not propagated to the
	// side; it is set for Close and Prune if the plan keeps them.
	Deletions Deletions
	Keep      [2]bool
	// HeldOf is the number of known messages of each side when its deletions first exceeded
	// the limit; 0: they do not. It is used instead of the current number. Otherwise, the same
	// deletions would be propagated once enough new messages have arrived.
	HeldOf [2]int
	// Returned are messages that were moved away from a side and back, and have another
	// UID there now, by the side and the UID of the counterpart. They are paired again.
	Returned [2]map[mail.UID]Returned
	// Explain asks for reasons (Plan.Reasons, Closing.Reasons).
	Explain bool
}
