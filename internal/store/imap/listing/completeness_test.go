package listing

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// TestProven: whatever a server leaves out, repeats and tells in between, what is kept of
// a listing that is broken off lacks no message up to its last one, has none that has
// vanished as far as the server has told, and has the flags that were told last.
func TestProven(t *testing.T) {
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		var box []mail.Meta // by sequence number, as the server has told
		u := mail.UID(0)
		arrive := func() {
			u += mail.UID(rapid.IntRange(1, 3).Draw(t, "step"))
			box = append(box, mail.Meta{UID: u})
		}
		for range rapid.IntRange(0, 8).Draw(t, "messages") {
			arrive()
		}
		c := NewCollector(store.Need{UIDs: mail.UIDsFrom(1), Flags: true}, time.Time{})
		c.Completeness = NewCompleteness(uint32(len(box)))
		c.Start(uint32(len(box)), 0)
		if n := rapid.IntRange(0, len(box)).Draw(t, "of the part"); n > 0 {
			c.Seed(box[:n])
		}
		sink := c.Sink(Want{Items: imapwire.ItemFlags})
		next := 0
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0: // expunged
				if len(box) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(box)-1).Draw(t, "which")
				if rapid.Bool().Draw(t, "QRESYNC") {
					c.Completeness.Vanished(mail.NewUIDSet(box[i].UID))
				} else {
					c.Completeness.Expunged(uint32(i + 1))
				}
				box = slices.Delete(box, i, i+1)
				if i < next {
					next--
				}
			case 1: // new
				arrive()
				c.Completeness.Exists(uint32(len(box)))
			case 2: // changed, or mentioned
				if len(box) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(box)-1).Draw(t, "which")
				if rapid.Bool().Draw(t, "mentioned") {
					c.Completeness.Mentioned(box[i].UID, uint32(i+1))
					continue
				}
				box[i].Flags ^= mail.FlagSeen
				listOne(t, sink, box, i, rapid.IntRange(0, 5).Draw(t, "bare") > 0)
			case 3: // left out
				next++
			default:
				if next < len(box) {
					listOne(t, sink, box, next, true)
					next++
				}
			}
		}
		got := c.Proven()
		if len(got) > len(box) {
			t.Fatalf("%v of %v", got, box)
		}
		if len(got) > 0 {
			some++
		}
		for i, m := range got {
			if m.UID != box[i].UID {
				t.Fatalf("%v of %v", got, box)
			}
		}
	})
	if some == 0 {
		t.Error("nothing was ever kept")
	}
}

// listOne lists a message, with its flags if it is in full.
func listOne(t *rapid.T, sink func(*imapclient.Message) error, box []mail.Meta, i int, full bool) {
	f := imapwire.Fetch{Has: imapwire.ItemUID, Seq: uint32(i + 1), UID: box[i].UID}
	if full {
		f.Has |= imapwire.ItemFlags
		f.Flags = box[i].Flags
	}
	if err := sink(&imapclient.Message{Fetch: f}); err != nil {
		t.Fatal(err)
	}
}
