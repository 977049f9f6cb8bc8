package listing

import (
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// TestCompletenessAllocates: checking a complete listing allocates nothing.
func TestCompletenessAllocates(t *testing.T) {
	const n = 10_000
	c := NewCompleteness(n)
	for i := range uint32(n) {
		c.note(mail.UID(2*i+1), i+1, true)
	}
	if allocs := testing.AllocsPerRun(5, func() {
		if doubts, err := c.Check(mail.UIDsFrom(1)); err != nil || len(doubts) > 0 {
			t.Error(doubts, err)
		}
	}); allocs > 0 {
		t.Errorf("it took %v allocations", allocs)
	}
}

// TestCollectorAllocates: a listing of known length is not copied while it grows.
func TestCollectorAllocates(t *testing.T) {
	const n = 10_000
	if allocs := testing.AllocsPerRun(5, func() {
		c := NewCollector(store.Need{Flags: true}, time.Time{})
		c.Completeness = NewCompleteness(n)
		c.Start(n, n)
		sink := c.Sink(Want{Items: imapwire.ItemFlags})
		msg := &imapclient.Message{}
		for i := range uint32(n) {
			msg.Fetch = imapwire.Fetch{Seq: i + 1, UID: mail.UID(i + 1), Has: imapwire.ItemUID | imapwire.ItemFlags}
			if err := sink(msg); err != nil {
				t.Error(err)
			}
		}
		if l, err := c.Listing(); err != nil || len(l.Messages) != n {
			t.Error(err)
		}
	}); allocs > 20 {
		t.Errorf("it took %v allocations", allocs)
	}
}

func TestField(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"X-TUID: abc\r\n\r\n", "abc"},
		{"x-tuid:abc", "abc"},
		{"Message-ID: <x>\r\nX-TUID:\r\n abc\r\n\tdef\r\n\r\n", "abc\tdef"},
		{"\r\n", "-"},
		{"", "-"},
		{"X-TUID : abc\n", "abc"},
		{"X-TUIDs: abc\n", "-"},
	} {
		got, ok := field(c.header, fieldTUID)
		if !ok {
			got = "-"
		}
		if got != c.want {
			t.Errorf("%q: %q", c.header, got)
		}
	}
}
