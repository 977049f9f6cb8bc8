package listing

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
)

// history is what has become of a mailbox since it was listed.
type history struct {
	base *memo.Listing
	now  []mail.Meta
	next mail.UID
	// What a server should tell of it.
	changed []changedMeta
	gone    []mail.UID
}

// drawHistory makes up a mailbox and what happens to it.
func drawHistory(t *rapid.T) *history {
	h := &history{base: &memo.Listing{UIDValidity: 7, ModSeq: 50, UIDNext: 1}}
	for range rapid.IntRange(0, 8).Draw(t, "messages") {
		h.base.UIDNext += mail.UID(rapid.IntRange(0, 2).Draw(t, "gap"))
		h.base.Messages = append(h.base.Messages, mail.Meta{UID: h.base.UIDNext, Size: 5})
		h.base.UIDNext++
	}
	changed := map[mail.UID]bool{}
	h.next = h.base.UIDNext
	h.now = slices.Clone(h.base.Messages)
	for range rapid.IntRange(0, 8).Draw(t, "events") {
		kind := rapid.IntRange(0, 2).Draw(t, "event")
		if len(h.now) == 0 || kind == 0 {
			h.now = append(h.now, mail.Meta{UID: h.next})
			changed[h.next] = true
			h.next++
			continue
		}
		i := rapid.IntRange(0, len(h.now)-1).Draw(t, "which")
		u := h.now[i].UID
		if kind == 1 {
			h.now[i].Flags ^= mail.FlagSeen
			changed[u] = true
			continue
		}
		h.now = slices.Delete(h.now, i, i+1)
		h.gone = append(h.gone, u)
		delete(changed, u)
	}
	for i, m := range h.now {
		if changed[m.UID] {
			h.changed = append(h.changed, changedMeta{m.UID, uint32(i + 1), m.Flags})
		}
	}
	return h
}

// tell makes a delta of what the server tells, in any order.
func (h *history) tell(t *rapid.T) *Delta {
	d := new(Delta)
	for _, c := range rapid.Permutation(h.changed).Draw(t, "order of changes") {
		d.Fetched(&imapwire.Fetch{Has: imapwire.ItemUID | imapwire.ItemFlags, UID: c.uid, Seq: c.seq, Flags: c.flags})
	}
	for _, u := range rapid.Permutation(h.gone).Draw(t, "order of departures") {
		d.Vanished(mail.NewUIDSet(u))
	}
	return d
}

// compare compares the base with the data of a SELECT.
func (h *history) compare(d *Delta) (current *memo.Listing, unsure bool, wrong string) {
	sel := &imapclient.Selected{Exists: uint32(len(h.now)), UIDValidity: 7, UIDNext: h.next, HighestModSeq: 60}
	return (&Selection{Selected: sel, ModSeq: 60, Next: h.next}).Compare(h.base, d)
}

// TestDelta: a complete answer leads to what is there, and leaves no doubts.
func TestDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		before := slices.Clone(h.base.Messages)
		current, unsure, wrong := h.compare(h.tell(t))
		if wrong != "" || current == nil || unsure {
			t.Fatalf("%q, %+v, unsure %v", wrong, current, unsure)
		}
		if diff := cmp.Diff(h.now, current.Messages); diff != "" && len(h.now)+len(current.Messages) > 0 {
			t.Fatal(diff)
		}
		if current.UIDNext != h.next || current.ModSeq != 60 {
			t.Fatalf("%+v", current)
		}
		if !slices.Equal(before, h.base.Messages) {
			t.Fatal("the base has been altered")
		}
	})
}

// TestIncompleteDelta: whatever an answer leaves out, the outcome has the right
// messages, or is known to be wrong, or in doubt. Only a change of flags
// that is not told leaves no trace.
func TestIncompleteDelta(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		d := h.tell(t)
		d.changed = slices.DeleteFunc(d.changed, func(changedMeta) bool { return rapid.IntRange(0, 2).Draw(t, "leave out") == 0 })
		d.gone = slices.DeleteFunc(d.gone, func(mail.UIDRange) bool { return rapid.IntRange(0, 2).Draw(t, "leave out") == 0 })
		current, unsure, wrong := h.compare(d)
		if wrong != "" || unsure {
			found++
			return
		}
		var want, got []mail.UID
		for _, m := range h.now {
			want = append(want, m.UID)
		}
		for _, m := range current.Messages {
			got = append(got, m.UID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("nothing seems to be wrong with %+v: %s", d, diff)
		}
	})
	if found == 0 {
		t.Error("nothing was ever left out")
	}
}

// TestTooManyChanges: there is a bound, beyond which nothing is believed.
func TestTooManyChanges(t *testing.T) {
	f := &imapwire.Fetch{Has: imapwire.ItemUID | imapwire.ItemFlags, UID: 1}
	for name, d := range map[string]*Delta{
		"changes":    {changed: make([]changedMeta, maxDelta)},
		"departures": {gone: make([]mail.UIDRange, maxDelta)},
	} {
		if name == "changes" {
			d.Fetched(f)
		} else {
			d.Vanished(mail.NewUIDSet(3))
		}
		if d.flaw == "" || len(d.changed)+len(d.gone) != maxDelta {
			t.Errorf("%s: %q", name, d.flaw)
		}
		if _, ok := d.Apply(&memo.Listing{}); ok {
			t.Errorf("%s: believed", name)
		}
	}
}
