package ui

import (
	"fmt"
	"strings"

	"isync/internal/event"
)

// syncWordings are about pairs of mailboxes and their messages.
var syncWordings = []wording{
	says(func(f event.DeletionWins) string {
		return fmt.Sprintf("conflicting changes: message %d was changed on the %s side, but deleted on the %s side; the deletion wins", f.UID, f.Side, f.Side.Other())
	}),
	says(func(f event.FlagNotStorable) string {
		return fmt.Sprintf("%s side cannot hold flag '%s'; it is not propagated", f.Side, f.Flag)
	}),
	says(func(f event.UIDsRecovered) string {
		return fmt.Sprintf("recovered from a change of UIDVALIDITY on the %s side (%d -> %d)", f.Side, f.Was, f.Now)
	}),
	says(func(f event.HighestUIDCorrected) string {
		return doubtText(f.UIDDoubt) + "; the messages with higher UIDs are the same as before, so this was corrected; a backup was probably copied over the mailbox"
	}),
	says(func(f event.MailboxRestored) string {
		return fmt.Sprintf("%s; the mailbox was probably restored from a backup: %d message(s) are the same as before, %d missing message(s) are to be copied to it again, %d were paired by Message-ID",
			doubtText(f.UIDDoubt), f.Same, f.Copied, f.Paired)
	}),
	says(func(f event.BoxOfUseRenamed) string {
		return fmt.Sprintf("the %s side mailbox with the special use %s is called '%s' now, and was '%s' in the last run; its messages are the same", f.Side, f.Use, f.Now, f.Was)
	}),
	says(func(f event.AllMessagesNew) string {
		return doubtText(f.UIDDoubt) + "; no message is paired, so all messages count as new"
	}),
	advises(func(f event.MailAdopted) (text, hint string) {
		why := "there is no sync state, but both mailboxes hold messages"
		var doubts []string
		for _, d := range f.Doubt {
			if d != (event.UIDDoubt{}) {
				doubts = append(doubts, doubtText(d))
			}
		}
		if doubts != nil {
			why = strings.Join(doubts, ", and ") + "; the messages were compared"
		}
		text = why + fmt.Sprintf(": %d are the same on both sides and are paired; %d are only on the far side, and %d only on the near side",
			f.Pairs, f.Only[0], f.Only[1])
		return withAmbiguous(text, f.Ambiguous, f.Copied, f.Copy)
	}),
	advises(func(f event.NewMailPaired) (text, hint string) {
		text = fmt.Sprintf("%d new message(s) are the same on both sides and are paired, so they are not copied", f.Pairs)
		return withAmbiguous(text, f.Ambiguous, f.Copied, f.Copy)
	}),
	advises(func(f event.MailAmbiguous) (text, hint string) {
		return ambiguousText(f.Count) + ", and are not copied", hintAmbiguous(f.Copy)
	}),
	says(func(f event.NoSelectiveExpunge) string {
		return fmt.Sprintf("the %s side server cannot expunge selectively (no UIDPLUS); trashing is prone to race conditions", f.Side)
	}),
	says(func(f event.NothingExpunged) string {
		return fmt.Sprintf("nothing is expunged from the %s side, since messages could not be trashed", f.Side)
	}),
	says(func(f event.NotesUnreadable) string {
		return fmt.Sprintf("cannot read the list of messages that could not be copied: %v", f.Err)
	}),
	says(func(f event.CopiesLost) string {
		return fmt.Sprintf("%d message(s) that were copied to the %s side cannot be found there", f.Count, f.Side)
	}),
	says(func(f event.SurplusCopies) string {
		return fmt.Sprintf("%d message(s) that an interrupted run sent to the %s side were stored after they had been copied again; the surplus copies are marked as deleted", f.Count, f.Side)
	}),
	says(func(f event.BothMailboxesGone) string {
		if f.DryRun {
			return "both mailboxes are gone; their sync state would be removed"
		}
		return "both mailboxes are gone; their sync state is removed"
	}),
	says(func(f event.MailboxWouldBeCreated) string {
		return fmt.Sprintf("%s side mailbox '%s' would be created", f.Side, f.Box)
	}),
	says(func(f event.MailboxWouldBeRemoved) string {
		return fmt.Sprintf("%s side mailbox '%s' would be removed", f.Side, f.Box)
	}),
	says(func(f event.JournalIgnored) string {
		return "the sync state is missing, so the journal of the interrupted run is ignored"
	}),
	says(func(f event.JournalIncomplete) string {
		return fmt.Sprintf("%v; the entry is ignored, and the interrupted run is completed", f.Err)
	}),
}

// hintAmbiguous says what to do about ambiguous messages.
func hintAmbiguous(command string) string {
	return "compare the messages; to copy them: " + command
}

// withAmbiguous adds to a text what is done with ambiguous messages. command copies them.
func withAmbiguous(text string, count [2]int, copied bool, command string) (all, hint string) {
	switch {
	case count == [2]int{}:
		return text, ""
	case copied:
		return text + "; " + ambiguousText(count) + ", and count as new", ""
	}
	return text + "; " + ambiguousText(count) + ", and are not copied", hintAmbiguous(command)
}

// ambiguousText tells of messages that may be the same.
func ambiguousText(count [2]int) string {
	return fmt.Sprintf("%d message(s) on the far side and %d on the near side have the same Message-ID but different contents, or cannot be read", count[0], count[1])
}

// doubtText says why UIDs are in doubt.
func doubtText(d event.UIDDoubt) string {
	if d.Changed() {
		return fmt.Sprintf("UIDVALIDITY has changed on the %s side (%d -> %d)", d.Side, d.Was, d.Now)
	}
	return fmt.Sprintf("UIDNEXT went back on the %s side: it is %d, but UID %d was already synchronized", d.Side, d.Next, d.Top)
}

// channelWordings are about the mailboxes of channels.
var channelWordings = []wording{
	says(func(f event.BoxIsInbox) string {
		return fmt.Sprintf("mailbox '%s' of %s is its INBOX: both are the same directory", f.Box, f.Store)
	}),
	says(func(f event.BoxInTwoChannels) string {
		return fmt.Sprintf("mailbox '%s' of %s is in channel '%s', too; the channels synchronize it one after the other", f.Box, f.Store, f.Other)
	}),
}
