package imapclient

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNotify: the status of each mailbox comes first, then what changes, at any time.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		more := make(chan struct{})
		c := connect(t, Options{Timeout: timeout, Hooks: h.hooks()}, "NOTIFY", func(p *peer) {
			p.answer("NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName))",
				"* STATUS INBOX (MESSAGES 3 UIDNEXT 10 UIDVALIDITY 7 HIGHESTMODSEQ 12)\n* STATUS &AOQ- (MESSAGES 0)\n")
			<-more
			time.Sleep(20 * timeout)
			p.send("* STATUS INBOX (UIDNEXT 11 HIGHESTMODSEQ 13)\n* LIST () \"/\" &AOQ- (\"OLDNAME\" (\"b\"))\n* LIST (\\NonExistent) \"/\" b\n")
			p.send("* LIST () \"/\" a&b\n* STATUS (\n* LIST x\n* OK [NOTIFICATIONOVERFLOW] enough\n")
			p.idle()
		})
		if err := c.Notify(t.Context(), EventMessageNew, EventMessageExpunge, EventFlagChange, EventMailboxName); err != nil {
			t.Fatal(err)
		}
		h.want(t, "INBOX: 3 messages, next 10, modseq 12", "ä: 0 messages, next 0, modseq 0")
		close(more)
		time.Sleep(30 * timeout)
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		h.want(t, "INBOX: 0 messages, next 11, modseq 13", "ä [] / <nil>", "b [\\NonExistent] / <nil>",
			"a&b [] / mailbox name is not valid modified UTF-7", "unreadable mailbox", "unreadable mailbox", "overflow")
	})
}

func TestNotifyRefused(t *testing.T) {
	for _, tt := range []struct {
		answer string
		events []string
	}{
		{"NO [BADEVENT (MessageNew MessageExpunge)] not all", []string{"MessageNew", "MessageExpunge"}},
		{"NO [BADEVENT] none", nil},
		{"BAD what", nil},
	} {
		c := connect(t, Options{}, "NOTIFY", func(p *peer) {
			p.send("%s %s\n", p.expect("NOTIFY SET STATUS (personal (MailboxName))"), tt.answer)
			p.answer("NOOP", "")
			p.idle()
		})
		ctx := testContext(t)
		err := c.Notify(ctx, EventMailboxName)
		events, _ := SupportedEvents(err)
		if d := cmp.Diff(tt.events, events, nilIsEmpty); err == nil || d != "" {
			t.Error(err, d)
		}
		if err := c.Noop(ctx); err != nil {
			t.Error(err)
		}
	}
}

// nilIsEmpty compares lists by what they hold.
var nilIsEmpty = cmp.Transformer("list", func(s []string) []string { return append([]string{}, s...) })
