package engine_test

import (
	"testing"

	"isync/internal/testkit/notation"
)

// Placeholders and their upgrade.
var sizeScenarios = []scenario{
	{
		name: "big message becomes a placeholder", rules: "sync maxsize-near",
		far: "1:A* 2:B 3:C*:FS", near: "", state: "!",
		wantFar: "1:A* 2:B 3:C*:FS", wantNear: "1:A? 2:B 3:C?:S", wantState: "pulled=3 pushed=3 1-1:> 2-2 3-3:>S",
	},
	{
		name: "big message becomes a placeholder on the far side", rules: "sync maxsize-far",
		far: "", near: "1:A* 2:B", state: "!",
		wantFar: "1:A? 2:B", wantNear: "1:A* 2:B", wantState: "pulled=2 pushed=2 1-1:< 2-2",
	},
	{
		name: "looking at a placeholder does not read the message", rules: "sync",
		far: "1:A* 2:B*:S", near: "1:A?:RS 2:B?", state: "pulled=2 pushed=2 1-1:> 2-2:>S",
		wantFar: "1:A*:R 2:B*", wantNear: "1:A?:RS 2:B?", wantState: "pulled=2 pushed=2 1-1:>R 2-2:>",
	},
	{
		name: "Flagged stays on its side of a placeholder", rules: "pull-flags push-flags",
		far: "1:A*:F 2:B*", near: "1:A? 2:B?:F", state: "pulled=2 pushed=2 1-1:> 2-2:>",
		wantFar: "1:A*:F 2:B*", wantNear: "1:A? 2:B?:F", wantState: "pulled=2 pushed=2 1-1:> 2-2:>",
	},
	{
		name: "flagging a placeholder fetches the message", rules: "sync maxsize-near",
		far: "1:A* 2:B", near: "1:A?:F 2:B", state: "pulled=2 pushed=2 1-1:> 2-2",
		wantFar: "1:A* 2:B", wantNear: "1:A?:FT 2:B 3:A*", wantState: "pulled=2 pushed=3 1-3 0-1 2-2",
	},
	{
		name: "upgrade with expunge", rules: "sync maxsize-near expunge-near",
		far: "1:A* 2:B", near: "1:A?:FS 2:B", state: "pulled=2 pushed=2 1-1:> 2-2",
		wantFar: "1:A* 2:B", wantNear: "2:B 3:A*", wantState: "pulled=2 pushed=3 1-3 2-2",
	},
	{
		name: "upgrade merges flags of both sides", rules: "sync maxsize-near",
		far: "1:A*:RS", near: "1:A?:DF", state: "pulled=1 pushed=1 1-1:>",
		wantFar: "1:A*:DRS", wantNear: "1:A?:DFT 2:A*:DRS", wantState: "pulled=1 pushed=2 1-2:DRS 0-1",
	},
	{
		name: "a flagged message stays flagged when its placeholder is upgraded", rules: "sync maxsize-near",
		far: "1:A*:FS 2:B*:F", near: "1:A?:FS 2:B?:F", state: "pulled=2 pushed=2 1-1:>S 2-2:>F",
		wantFar: "1:A*:FS 2:B*:F", wantNear: "1:A?:FST 2:B?:FT 3:A*:FS 4:B*:F", wantState: "pulled=2 pushed=4 1-3:FS 0-1 2-4:F 0-2",
	},
	{
		name: "no upgrade of what is to be expunged", rules: "sync maxsize-near expunge-near expunge-far",
		far: "1:A*:T 2:B*", near: "1:A?:F 2:B?:FT", state: "pulled=2 pushed=2 1-1:> 2-2:>",
		wantFar: "", wantNear: "", wantState: "pulled=2 pushed=2",
	},
	{
		name: "no upgrade without the operation", rules: "pull-new pull-flags push-flags maxsize-near",
		far: "1:A*", near: "1:A?:F", state: "pulled=1 pushed=1 1-1:>",
		wantFar: "1:A*", wantNear: "1:A?:F", wantState: "pulled=1 pushed=1 1-1:>",
	},
	{
		name: "skipped by an old version", rules: "sync maxsize-near",
		far: "1:A* 2:B*", near: "", state: "pulled=2 pushed=0 1-0:^ 2-0:^",
		wantFar: "1:A* 2:B*", wantNear: "1:A? 2:B?", wantState: "pulled=2 pushed=2 1-1:> 2-2:>",
	},
	{
		name: "skipped by an old version, and there is no limit any more", rules: "sync",
		far: "1:A* 2:B*:S", near: "", state: "pulled=2 pushed=0 1-0:^ 2-0:^",
		wantFar: "1:A* 2:B*:S", wantNear: "1:A? 2:B?:S", wantState: "pulled=2 pushed=2 1-1:> 2-2:>S",
	},
	{
		name: "flagging a placeholder on the far side", rules: "push-upgrade push-flags pull-flags maxsize-far",
		far: "1:A?:F", near: "1:A*:R", state: "pulled=1 pushed=1 1-1:<",
		wantFar: "1:A?:FT 2:A*:R", wantNear: "1:A*:R", wantState: "pulled=2 pushed=1 2-1:R 1-0",
	},
	{
		name: "a placeholder is not made a placeholder", rules: "sync maxsize-near maxsize-far",
		far: "1:A*", near: "1:A? 2:B*", state: "pulled=1 pushed=1 1-1:>",
		wantFar: "1:A* 2:B?", wantNear: "1:A? 2:B*", wantState: "pulled=2 pushed=2 1-1:> 2-2:<",
	},
	{
		name: "small messages pass the limit", rules: "pull-old pull-new maxsize-near",
		far: "1:A 2:B* 3:C", near: "", state: "pulled=2 pushed=0",
		wantFar: "1:A 2:B* 3:C", wantNear: "1:A 2:B? 3:C", wantState: "pulled=3 pushed=3 1-1 2-2:> 3-3",
	},
	{
		name: "placeholder of a deleted message", rules: "sync expunge-near",
		far: "", near: "1:A?", state: "pulled=1 pushed=1 1-1:>",
		wantFar: "", wantNear: "", wantState: "pulled=1 pushed=1",
	},
}

// Expiration.
var expireScenarios = []scenario{
	{
		name: "the oldest expire", rules: "sync max=2 unread=yes",
		far: "1:A:S 2:B:S 3:C:S 4:D:S", near: "1:A:S 2:B:S", state: "pulled=2 pushed=2 1-1:S 2-2:S",
		wantFar: "1:A:S 2:B:S 3:C:S 4:D:S", wantNear: "1:A:ST 2:B:ST 3:C:S 4:D:S",
		wantState: "pulled=4 pushed=4 expired=2 1-1:~S 2-2:~S 3-3:S 4-4:S",
	},
	{
		name: "expired and expunged", rules: "sync max=2 unread=yes expunge-near",
		far: "1:A:S 2:B:S 3:C:S 4:D:S", near: "1:A:S 2:B:S", state: "pulled=2 pushed=2 1-1:S 2-2:S",
		wantFar: "1:A:S 2:B:S 3:C:S 4:D:S", wantNear: "3:C:S 4:D:S",
		wantState: "pulled=4 pushed=4 expired=2 3-3:S 4-4:S",
	},
	{
		name: "first sync copies only as many as may stay", rules: "sync max=2 unread=yes",
		far: "1:A:S 2:B:S 3:C:S 4:D", near: "", state: "!",
		wantFar: "1:A:S 2:B:S 3:C:S 4:D", wantNear: "1:C:S 2:D",
		wantState: "pulled=4 pushed=2 expired=2 3-1:S 4-2",
	},
	{
		name: "unread and flagged messages are kept", rules: "sync max=1 unread=no",
		far: "1:A 2:B:FS 3:C:S 4:D:S", near: "", state: "!",
		wantFar: "1:A 2:B:FS 3:C:S 4:D:S", wantNear: "1:A 2:B:FS 3:D:S",
		wantState: "pulled=4 pushed=3 expired=3 1-1 2-2:FS 4-3:S",
	},
	{
		name: "too many unread and no decision", rules: "sync max=2",
		far: "1:A 2:B 3:C 4:D:S", near: "", state: "!", wantErr: "set ExpireUnread",
		wantFar: "1:A 2:B 3:C 4:D:S", wantNear: "", wantState: "!",
	},
	{
		name: "expired message that was flagged on the other side comes back from a side that is expunged", rules: "sync max=3 expunge-near",
		far: "1:A:FS 2:B:S", near: "1:A:ST 2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
		wantFar: "1:A:FS 2:B:S", wantNear: "1:A:FS 2:B:S", wantState: "pulled=2 pushed=2 expired=1 1-1:FS 2-2:S",
	},
	{
		name: "message that was undeleted on the other side expires at once", rules: "sync max=1 unread=yes",
		far: "1:A:S 2:B:S", near: "1:A:ST 2:B:S", state: "pulled=2 pushed=2 1-1:ST 2-2:S",
		wantFar: "1:A:S 2:B:S", wantNear: "1:A:ST 2:B:S", wantState: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
	},
	{
		name: "expired message that was flagged comes back", rules: "sync max=1 unread=yes",
		far: "1:A:S 2:B:S", near: "1:A:FST 2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
		wantFar: "1:A:FS 2:B:S", wantNear: "1:A:FS 2:B:S",
		wantState: "pulled=2 pushed=2 expired=1 1-1:FS 2-2:S",
	},
	{
		name: "an expired message that is gone is no deletion", rules: "sync max=1 unread=yes",
		far: "1:A:S 2:B:S", near: "2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
		wantFar: "1:A:S 2:B:S", wantNear: "2:B:S",
		wantState: "pulled=2 pushed=2 expired=1 2-2:S",
	},
	{
		name: "what has only a placeholder on the other side does not expire", rules: "sync maxsize-far max=1 unread=yes",
		far: "1:A?:S 2:B:S", near: "1:A*:S 2:B:S", state: "pulled=2 pushed=2 1-1:<S 2-2:S",
		wantFar: "1:A?:S 2:B:S", wantNear: "1:A*:S 2:B:S", wantState: "pulled=2 pushed=2 1-1:<S 2-2:S",
	},
	{
		name: "what has expired stays so when the limit is raised", rules: "sync max=5 unread=yes",
		far: "1:A:S 2:B:S", near: "1:A:ST 2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
		wantFar: "1:A:S 2:B:S", wantNear: "1:A:ST 2:B:S", wantState: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
	},
	{
		name: "few unread messages need no decision", rules: "sync max=4",
		far: "1:A 2:B:S 3:C:S 4:D:S 5:E:S 6:G:S", near: "", state: "!",
		wantFar: "1:A 2:B:S 3:C:S 4:D:S 5:E:S 6:G:S", wantNear: "1:A 2:C:S 3:D:S 4:E:S 5:G:S",
		wantState: "pulled=6 pushed=5 expired=2 1-1 3-2:S 4-3:S 5-4:S 6-5:S",
	},
	{
		name: "an expiration is no deletion for the other side, whatever is synchronized", rules: "push-flags push-gone",
		far: "1:A:S 2:B:S", near: "1:A:RST 2:B:S", state: "pulled=2 pushed=2 expired=1 1-1:~S 2-2:S",
		wantFar: "1:A:RS 2:B:S", wantNear: "1:A:RST 2:B:S", wantState: "pulled=2 pushed=2 expired=1 1-1:~RS 2-2:S",
	},
	{
		name: "limit on the far side", rules: "sync max=2 unread=yes xside=far",
		far: "1:A:S 2:B:S 3:C:S", near: "1:A:S 2:B:S 3:C:S", state: "pulled=3 pushed=3 1-1:S 2-2:S 3-3:S",
		wantFar: "1:A:ST 2:B:S 3:C:S", wantNear: "1:A:S 2:B:S 3:C:S",
		wantState: "pulled=3 pushed=3 expired=1 1-1:~S 2-2:S 3-3:S",
	},
	{
		name: "expired messages are brought back by Old when they become important", rules: "pull-old pull-flags push-flags max=1 unread=yes",
		far: "1:A:FS 2:B:S", near: "2:B:S", state: "pulled=2 pushed=2 expired=1 2-2:S",
		wantFar: "1:A:FS 2:B:S", wantNear: "2:B:S 3:A:FS",
		wantState: "pulled=2 pushed=3 expired=1 2-2:S 1-3:FS",
	},
}

// Expunging, trashing, removing of mailboxes.
var closingScenarios = []scenario{
	{
		name: "trash near", rules: "sync expunge-near trash-near",
		far: "2:B", near: "1:A:S 2:B", state: "pulled=2 pushed=2 1-1:S 2-2",
		wantFar: "2:B", wantNear: "2:B", wantState: "pulled=2 pushed=2 2-2", wantTrash: "far:  near: A:S",
	},
	{
		name: "trash both sides", rules: "sync expunge-near expunge-far trash-near trash-far",
		far: "1:A:T 2:B:T", near: "1:A", state: "pulled=1 pushed=1 1-1",
		wantFar: "", wantNear: "", wantState: "pulled=2 pushed=1", wantTrash: "far: A B near: A",
	},
	{
		name: "trash only what exists nowhere else", rules: "sync expunge-near expunge-far trashnew-far",
		far: "1:A:T 2:B:T", near: "1:A", state: "pulled=1 pushed=1 1-1",
		wantFar: "", wantNear: "", wantState: "pulled=2 pushed=1", wantTrash: "far: B near:",
	},
	{
		name: "placeholders are not trashed", rules: "sync expunge-near trash-near",
		far: "", near: "1:A?:S", state: "pulled=1 pushed=1 1-1:>",
		wantFar: "", wantNear: "", wantState: "pulled=1 pushed=1",
	},
	{
		name: "expunge solo spares paired messages", rules: "pull-new push-new solo-near",
		far: "1:A", near: "1:A:T 2:B:T", state: "pulled=1 pushed=2 1-1 0-2",
		wantFar: "1:A", wantNear: "1:A:T", wantState: "pulled=1 pushed=2 1-1",
	},
	{
		name: "expunge solo removes what is marked on both sides and goes on the other", rules: "sync solo-near expunge-far",
		far: "1:A:T", near: "1:A", state: "pulled=1 pushed=1 1-1",
		wantFar: "", wantNear: "", wantState: "pulled=1 pushed=1",
	},
	{
		name: "trash of the other store takes what exists nowhere else", rules: "pull-new expunge-near remotetrash-far",
		far: "1:A", near: "1:A:T 5:X:ST", state: "pulled=1 pushed=5 1-1",
		wantFar: "1:A", wantNear: "", wantState: "pulled=1 pushed=5 1-1", wantTrash: "far: X:S near:",
	},
	{
		name: "expired messages are not trashed", rules: "sync max=1 unread=yes expunge-near trash-near",
		far: "1:A:S 2:B:S", near: "1:A:S 2:B:S", state: "pulled=2 pushed=2 1-1:S 2-2:S",
		wantFar: "1:A:S 2:B:S", wantNear: "2:B:S", wantState: "pulled=2 pushed=2 expired=1 2-2:S",
	},
	{
		name: "expunge solo removes what has expired", rules: "sync max=1 unread=yes solo-near",
		far: "1:A:S 2:B:S 3:C:T", near: "1:A:S 2:B:S 3:C:T", state: "pulled=3 pushed=3 1-1:S 2-2:S 3-3:T",
		wantFar: "1:A:S 2:B:S 3:C:T", wantNear: "2:B:S 3:C:T", wantState: "pulled=3 pushed=3 expired=1 2-2:S 3-3:T",
	},
	{
		name: "removed mailbox", rules: "sync remove-near",
		far: "!", near: "", state: "pulled=1 pushed=1",
		wantFar: "!", wantNear: "!", wantState: "!",
	},
	{
		name: "removed mailbox, the other one is not empty", rules: "sync remove-near",
		far: "!", near: "1:A", state: "pulled=1 pushed=1 1-1",
		wantFar: "!", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "removed mailbox and no Remove", rules: "sync create-far",
		far: "!", near: "", state: "pulled=1 pushed=1", wantErr: "far side mailbox 'box' does not exist any more, but near side mailbox 'box' holds 0 message(s)",
		wantFar: "!", wantNear: "", wantState: "pulled=1 pushed=1",
	},
}

// What plain Expunge and ExpungeSolo mean for one another, and for messages that
// are not copied yet.
var soloScenarios = []scenario{
	{
		name: "marked on both sides, ExpungeSolo on both", rules: "sync solo-far solo-near",
		far: "1:A:T", near: "1:A:T", state: "pulled=1 pushed=1 1-1:T",
		wantFar: "1:A:T", wantNear: "1:A:T", wantState: "pulled=1 pushed=1 1-1:T",
	},
	{
		name: "marked on both sides, Expunge on one", rules: "sync expunge-far solo-near",
		far: "1:A:T", near: "1:A:T", state: "pulled=1 pushed=1 1-1:T",
		wantFar: "", wantNear: "", wantState: "pulled=1 pushed=1",
	},
	{
		name: "new and marked, ExpungeSolo there", rules: "sync solo-near",
		far: "", near: "1:A:T", state: "",
		wantFar: "1:A:T", wantNear: "1:A:T", wantState: "pulled=1 pushed=1 1-1:T",
	},
	{
		name: "ExpungeSolo looks for the counterpart", rules: "solo-near",
		far: "", near: "6:A:T", state: "pulled=4 pushed=6 4-6:T",
		wantFar: "", wantNear: "", wantState: "pulled=4 pushed=6",
	},
	{
		name: "placeholder of a marked message is upgraded", rules: "sync solo-near maxsize-near",
		far: "1:A*:T", near: "1:A?:FT", state: "pulled=1 pushed=1 1-1:>T",
		wantFar: "1:A*:T", wantNear: "2:A*:T", wantState: "pulled=1 pushed=2 1-2:T",
	},
	{
		name: "gone, and the counterpart is marked", rules: "pull-flags",
		far: "", near: "6:A:T", state: "pulled=4 pushed=6 4-6:T",
		wantFar: "", wantNear: "6:A:T", wantState: "pulled=4 pushed=6 0-6:T",
	},
	{
		name: "gone on the near side, and the counterpart is marked", rules: "pull-gone",
		far: "4:A:T", near: "", state: "pulled=4 pushed=6 4-6:T",
		wantFar: "4:A:T", wantNear: "", wantState: "pulled=4 pushed=6 4-0:T",
	},
	{
		name: "Old without MaxMessages brings what has expired", rules: "pull-old",
		far: "5:A:S", near: "", state: "pulled=5 pushed=0 expired=5",
		wantFar: "5:A:S", wantNear: "1:A:S", wantState: "pulled=5 pushed=1 expired=5 5-1:S",
	},
	{
		name: "Old with MaxMessages does not", rules: "pull-old max=5 unread=yes",
		far: "5:A:S", near: "", state: "pulled=5 pushed=5 expired=5",
		wantFar: "5:A:S", wantNear: "", wantState: "pulled=5 pushed=5 expired=5",
	},
	{
		name: "what has expired and is gone stays expired", rules: "pull-new pull-flags push-flags max=5",
		far: "", near: "1:A:ST", state: "pulled=1 pushed=1 expired=1 1-1:~S",
		wantFar: "", wantNear: "1:A:ST", wantState: "pulled=1 pushed=1 expired=1 0-1:~S",
	},
	{
		name: "Upgrade with nothing to upgrade does not expire", rules: "pull-upgrade max=1 unread=no",
		far: "1:A:S 2:B:S 3:C*", near: "1:A:S 2:B:S 3:C?", state: "pulled=3 pushed=3 1-1:S 2-2:S 3-3:>",
		wantFar: "1:A:S 2:B:S 3:C*", wantNear: "1:A:S 2:B:S 3:C?", wantState: "pulled=3 pushed=3 1-1:S 2-2:S 3-3:>",
	},
}

func TestSolo(t *testing.T) { runAll(t, soloScenarios) }

// UIDVALIDITY.
var validityScenarios = []scenario{
	{
		name: "recovery", rules: "sync",
		far: "val=7 1:A 2:B 3:C", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3",
		wantFar: "1:A 2:B 3:C", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "genuine change", rules: "sync",
		far: "val=7 1:X 2:B 3:C", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3", wantErr: "is a different message now",
		wantFar: "1:X 2:B 3:C", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "too little evidence", rules: "sync",
		far: "val=7 1:A", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3", wantErr: "unable to recover",
		wantFar: "1:A", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "both changed", rules: "sync",
		far: "val=7 1:A", near: "val=8 1:A", state: "pulled=1 pushed=1 1-1", wantErr: "both sides",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "nothing proves anything: the far watermark begins anew", rules: "sync",
		far: "val=7 1:X 2:Y", near: "", state: "pulled=3 pushed=0",
		wantFar: "1:X 2:Y", wantNear: "1:X 2:Y", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "nothing proves anything: the near watermark begins anew", rules: "sync",
		far: "", near: "val=7 1:X 2:Y", state: "pulled=0 pushed=3",
		wantFar: "1:X 2:Y", wantNear: "1:X 2:Y", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "a record of one side proves nothing, and means nothing where that has changed", rules: "sync",
		far: "val=7 2:X", near: "3:B:T", state: "pulled=3 pushed=3 2-0 0-3:T",
		wantFar: "2:X", wantNear: "3:B:T 4:X", wantState: "pulled=2 pushed=4 0-3:T 2-4",
	},
	{
		name: "made anew with the same UIDVALIDITY", rules: "sync",
		far: "next=3 1:X 2:Y", near: "", state: "pulled=3 pushed=0",
		wantFar: "1:X 2:Y", wantNear: "1:X 2:Y", wantState: "pulled=2 pushed=2 1-1 2-2",
	},
	{
		name: "nothing proves anything: the other watermark begins anew, too", rules: "sync",
		far: "val=7 next=1", near: "1:Z", state: "pulled=3 pushed=3",
		wantFar: "1:Z", wantNear: "1:Z", wantState: "pulled=1 pushed=1 1-1",
	},
	{
		name: "restored from a backup, which lacks the last two", rules: "sync expunge-far expunge-near",
		far: "next=9 1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H", near: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J",
		state:   "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10",
		wantFar: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J", wantNear: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J",
		wantState: "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10",
	},
	{
		name: "restored, and one UID given to another message", rules: "sync expunge-far expunge-near",
		far: "next=10 1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:X", near: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J",
		state:   "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10",
		wantFar: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:X 10:I 11:J", wantNear: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J 11:X",
		wantState: "pulled=11 pushed=11 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 10-9 11-10 9-11",
	},
	{
		name: "restored, and one came again with another UID", rules: "sync expunge-far expunge-near",
		far: "next=10 1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:J", near: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J",
		state:   "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10",
		wantFar: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:J 10:I", wantNear: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J",
		wantState: "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 10-9 9-10",
	},
	{
		name: "restored on the near side", rules: "sync expunge-far expunge-near",
		far: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J", near: "next=10 1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:X",
		state:   "pulled=10 pushed=10 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10",
		wantFar: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:I 10:J 11:X", wantNear: "1:A 2:B 3:C 4:D 5:E 6:F 7:G 8:H 9:X 10:I 11:J",
		wantState: "pulled=11 pushed=11 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-10 10-11 11-9",
	},
	{
		name: "restored, but too little is left", rules: "sync expunge-far expunge-near",
		far: "next=3 1:A 2:B", near: "1:A 2:B 3:C 4:D", state: "pulled=4 pushed=4 1-1 2-2 3-3 4-4", wantErr: "unable to recover: only 2 of 4",
		wantFar: "1:A 2:B", wantNear: "1:A 2:B 3:C 4:D", wantState: "pulled=4 pushed=4 1-1 2-2 3-3 4-4",
	},
	{
		name: "made anew with other messages", rules: "sync expunge-far expunge-near",
		far: "next=3 1:X 2:Y", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3", wantErr: "UIDNEXT went back on the far side: UID 1 is",
		wantFar: "1:X 2:Y", wantNear: "1:A 2:B 3:C", wantState: "pulled=3 pushed=3 1-1 2-2 3-3",
	},
	{
		name: "a new UIDVALIDITY, and UIDNEXT went back", rules: "sync expunge-far expunge-near",
		far: "val=7 next=5 1:A 2:B 3:C 4:D", near: "1:A 2:B 3:C 4:D 5:E", state: "pulled=5 pushed=5 1-1 2-2 3-3 4-4 5-5",
		wantFar: "1:A 2:B 3:C 4:D 5:E", wantNear: "1:A 2:B 3:C 4:D 5:E", wantState: "pulled=5 pushed=5 1-1 2-2 3-3 4-4 5-5",
	},
	{
		name: "what only the near side may have is left alone without Push", rules: "pull-new pull-gone pull-flags expunge-near",
		far: "next=5 1:A 2:B 3:C 4:D", near: "1:A 2:B 3:C 4:D 5:E", state: "pulled=5 pushed=5 1-1 2-2 3-3 4-4 5-5",
		wantFar: "1:A 2:B 3:C 4:D", wantNear: "1:A 2:B 3:C 4:D 5:E", wantState: "pulled=4 pushed=5 1-1 2-2 3-3 4-4",
	},
	{
		name: "both went back", rules: "sync",
		far: "next=2 1:A", near: "next=2 1:A", state: "pulled=5 pushed=5 1-1", wantErr: "UIDNEXT went back on both sides",
		wantFar: "1:A", wantNear: "1:A", wantState: "pulled=5 pushed=5 1-1",
	},
}

// TestUndeletedDoesNotExpireAtOnce: once a message is marked because it expires,
// marks on that side mean nothing to the other one. So what the user undeleted
// there gets through first.
func TestUndeletedDoesNotExpireAtOnce(t *testing.T) {
	sc := scenario{far: "1:A:S 2:B:S", near: "1:A:ST 2:B:S", state: "pulled=2 pushed=2 1-1:ST 2-2:S"}
	c := notation.ParseRules(t, "sync max=1 unread=yes xside=far")
	w := sc.setup(t, c)
	for i, want := range []string{
		"far:   1:A:S 2:B:S\nnear:  1:A:S 2:B:S\nstate: pulled=2 pushed=2 1-1:S 2-2:S\ntrash:  / \n",
		"far:   1:A:ST 2:B:S\nnear:  1:A:S 2:B:S\nstate: pulled=2 pushed=2 expired=1 1-1:~S 2-2:S\ntrash:  / \n",
	} {
		if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
			t.Fatal(err)
		}
		if got := w.text(c.ExpireSide); got != want {
			t.Errorf("run %d:\n%swant:\n%s", i+1, got, want)
		}
	}
}

func TestSizes(t *testing.T)       { runAll(t, sizeScenarios) }
func TestExpiration(t *testing.T)  { runAll(t, expireScenarios) }
func TestClosing(t *testing.T)     { runAll(t, closingScenarios) }
func TestUIDValidity(t *testing.T) { runAll(t, validityScenarios) }

func runAll(t *testing.T, list []scenario) {
	for _, sc := range list {
		t.Run(sc.name, func(t *testing.T) { runScenario(t, sc) })
	}
}
