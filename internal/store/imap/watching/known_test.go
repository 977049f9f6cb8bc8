package watching

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// TestKnown: a status that is known already is no change if it has a HIGHESTMODSEQ, and
// each other one is.
func TestKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := known{}
		values := map[string]map[imapwire.BoxItems]uint64{}
		for range rapid.IntRange(1, 50).Draw(t, "n") {
			name := rapid.SampledFrom([]string{"INBOX", "inbox", "a", "A"}).Draw(t, "name")
			st := &imapwire.BoxStatus{Name: name, Has: imapwire.BoxItems(rapid.IntRange(0, 63).Draw(t, "items"))}
			number := rapid.IntRange(0, 2)
			st.Messages, st.UIDNext = uint32(number.Draw(t, "messages")), mail.UID(number.Draw(t, "next"))
			st.UIDValidity, st.HighestModSeq = uint32(number.Draw(t, "validity")), mail.ModSeq(number.Draw(t, "modseq"))
			if name == "inbox" {
				name = "INBOX"
			}
			old, there := values[name]
			if !there {
				old = map[imapwire.BoxItems]uint64{}
				values[name] = old
			}
			want := change{fresh: !there, changed: st.Has&imapwire.BoxHighestModSeq == 0 || st.HighestModSeq == 0}
			if before, ok := old[imapwire.BoxUIDNext]; ok && st.Has&imapwire.BoxUIDNext != 0 && uint64(st.UIDNext) > before {
				want.arrived = uint32(uint64(st.UIDNext) - before)
			}
			for item, v := range map[imapwire.BoxItems]uint64{
				imapwire.BoxMessages: uint64(st.Messages), imapwire.BoxUIDNext: uint64(st.UIDNext),
				imapwire.BoxUIDValidity: uint64(st.UIDValidity), imapwire.BoxHighestModSeq: uint64(st.HighestModSeq),
			} {
				if st.Has&item == 0 {
					continue
				}
				if before, ok := old[item]; !ok || before != v {
					want.changed = true
				}
				old[item] = v
			}
			if got := k.note(st); got != want {
				t.Fatalf("%+v: %+v, want %+v", st, got, want)
			}
		}
	})
}

// TestKnownIsBounded: of a server that has endless mailboxes, not all are remembered. The
// others count as changed.
func TestKnownIsBounded(t *testing.T) {
	k := known{}
	for i := range maxKnown + 10 {
		k.add(fmt.Sprint(i))
	}
	st := &imapwire.BoxStatus{Name: "x", Has: imapwire.BoxHighestModSeq, HighestModSeq: 1}
	for range 2 {
		if got := k.note(st); got != (change{changed: true}) || len(k) != maxKnown {
			t.Error(got, len(k))
		}
	}
	k.remove("5")
	k.note(st)
	if got := k.note(st); got != (change{}) {
		t.Error(got)
	}
	k.forget("x")
	if got := k.note(st); got != (change{changed: true}) {
		t.Error(got)
	}
}

// TestBackoffIsSpread: the delays have a random part of a quarter, so that the clients of a
// server do not all come back at once.
func TestBackoffIsSpread(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := new(backoff).after(0, false)
		least, most = min(least, d), max(most, d)
	}
	if least < 750*time.Millisecond || least > 800*time.Millisecond || most > 1250*time.Millisecond || most < 1200*time.Millisecond {
		t.Error(least, most)
	}
}
