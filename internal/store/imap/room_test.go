package imap

import (
	"testing"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// TestCensusAllocates: a listing that is as it should be is checked where it is.
func TestCensusAllocates(t *testing.T) {
	const n = 10_000
	c := &census{exists: n}
	for i := range uint32(n) {
		c.note(mail.UID(2*i+1), i+1, true)
	}
	if allocs := testing.AllocsPerRun(5, func() {
		if doubts, err := c.check(mail.UIDsFrom(1)); err != nil || len(doubts) > 0 {
			t.Error(doubts, err)
		}
	}); allocs > 0 {
		t.Errorf("it took %v allocations", allocs)
	}
}

// TestScannerAllocates: a listing of which is known how long it gets does not grow
// by copying.
func TestScannerAllocates(t *testing.T) {
	const n = 10_000
	if allocs := testing.AllocsPerRun(5, func() {
		sc := &scanner{need: store.Need{Flags: true}, census: &census{exists: n}, most: n}
		sc.expect(n)
		sink := sc.sink(want{items: imapwire.ItemFlags})
		msg := &imapclient.Message{}
		for i := range uint32(n) {
			msg.Fetch = imapwire.Fetch{Seq: i + 1, UID: mail.UID(i + 1), Has: imapwire.ItemUID | imapwire.ItemFlags}
			if err := sink(msg); err != nil {
				t.Error(err)
			}
		}
		if l, err := sc.listing(); err != nil || len(l.Messages) != n {
			t.Error(err)
		}
	}); allocs > 20 {
		t.Errorf("it took %v allocations", allocs)
	}
}
