//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"isync/internal/syncstate"
)

// piece is a message of the reader, and what should become of it.
type piece struct {
	letter
	number int
	box    string
	// side is where the reader put it last. Nothing but a deletion by the reader
	// may remove it from there.
	side syncstate.Side
	// owner is the side on which the reader changes, moves and deletes it. Changes on
	// one side only never conflict.
	owner syncstate.Side
	// dead: the reader has deleted it, or marked it as deleted.
	dead bool
	// moved: it was in another mailbox before. It is not moved again, so that it is
	// never twice on one side.
	moved bool
	// there tells on which sides it was seen since it is in its mailbox.
	there [2]bool
	// history is what the reader did to it.
	history []string
	// noticed: it was reported as lost or doubled.
	noticed bool
}

// folder is a mailbox. One side has it first.
type folder struct {
	name    string
	founder syncstate.Side
	round   int // when it is created
}

var folders = []folder{
	{name: "INBOX", founder: syncstate.Near},
	{name: "one", founder: syncstate.Far},
	{name: "two", founder: syncstate.Near},
	{name: "three", founder: syncstate.Near, round: 1},
	{name: "four", founder: syncstate.Far, round: 2},
}

// manyFolders returns those, and n more.
func manyFolders(n int) []folder {
	all := slices.Clone(folders)
	for i := range n {
		all = append(all, folder{name: fmt.Sprintf("box%02d", i), founder: syncstate.Side(i % 2)})
	}
	return all
}

// reader is a mail reader that works on both sides while runs go on. Its record is
// the truth. What it tries follows from its source of random numbers alone. What it tries
// has no effect where the message is not yet on that side.
type reader struct {
	tb      testing.TB
	rnd     *rand.Rand
	shelves [2]shelf
	// untold: the server does not tell the UIDs of new messages. A copy that is
	// deleted before the run has found it looks as if it had never been stored, and the message
	// is copied again. The reader leaves such copies alone until the round has ended.
	untold bool
	// patient: the reader leaves all copies alone, on both sides, until it was told
	// (confirm) that a run has found them.
	patient bool
	// write makes a message of about that size; nil: note.
	write func(n, size int) letter
	// folders are the mailboxes; nil: the usual ones. open is the number of those that exist.
	folders []folder
	open    int
	// now is the round, counted from 1.
	now int
	// pieces are all messages, in the order of their numbers, from 1.
	pieces []*piece
	did    struct{ delivered, marked, seen, moved, deleted, skipped int }
}

// round creates the mailboxes of this round.
func (r *reader) round(n int) {
	r.now = n + 1
	if r.folders == nil {
		r.folders = folders
	}
	for r.open < len(r.folders) && r.folders[r.open].round <= n {
		f := r.folders[r.open]
		r.shelves[f.founder].found(f.name)
		r.open++
	}
}

func (r *reader) box() string { return r.folders[r.rnd.IntN(r.open)].name }

// act does one thing. It draws as many random numbers whatever comes of it.
func (r *reader) act() {
	r.tb.Helper()
	what, box := r.rnd.IntN(100), r.box()
	side, owner := syncstate.Side(r.rnd.IntN(2)), syncstate.Side(r.rnd.IntN(2))
	size := r.rnd.IntN(2000)
	if r.rnd.IntN(8) == 0 {
		size += 40_000
	}
	flags := [...]string{"", "", "F", "S", "FS", "RS"}[r.rnd.IntN(6)]
	early := r.rnd.Float64()
	if what < 42 || len(r.pieces) == 0 {
		r.deliver(box, side, owner, size, flags)
		return
	}
	// Most changes are made to what is new.
	i := len(r.pieces) - 1 - int(early*early*float64(len(r.pieces)))
	for i > 0 && r.pieces[i].dead {
		i--
	}
	m := r.pieces[i]
	at := r.shelves[m.owner]
	ok := false
	switch {
	case m.dead, r.fresh(m) && what >= 76:
	case what < 66:
		if ok = at.mark(m.box, m.number, flags); ok {
			m.flags = flags
			r.did.marked++
			r.note(m, "marked %q on the %s side", flags, m.owner)
		}
	case what < 76:
		if ok = r.shelves[side].see(m.box, m.number); ok {
			r.did.seen++
			r.note(m, "moved to cur on the %s side", side)
		}
	case what < 84:
		if m.dead = at.mark(m.box, m.number, flags+"T"); m.dead {
			ok = true
			r.note(m, "marked as deleted on the %s side", m.owner)
		}
	case what < 90:
		if m.dead = at.remove(m.box, m.number); m.dead {
			ok = true
			r.note(m, "expunged on the %s side", m.owner)
		}
	case m.moved || box == m.box:
	default:
		if ok = at.move(m.box, box, m.number); ok {
			m.box, m.side, m.moved, m.there = box, m.owner, true, [2]bool{}
			r.did.moved++
			r.note(m, "moved to %s on the %s side", box, m.owner)
		}
	}
	switch {
	case !ok:
		r.did.skipped++
	case m.dead:
		r.did.deleted++
	}
}

// fresh reports whether the message is a copy that the run may not have found yet.
func (r *reader) fresh(m *piece) bool {
	if r.patient && m.side != m.owner && !m.there[m.owner] {
		return true
	}
	return r.untold && m.owner == syncstate.Far && m.side != m.owner && !m.there[m.owner]
}

// bulk delivers many messages to a mailbox.
func (r *reader) bulk(n int) {
	r.tb.Helper()
	box, side := r.box(), syncstate.Side(r.rnd.IntN(2))
	for range n {
		r.deliver(box, side, syncstate.Side(r.rnd.IntN(2)), r.rnd.IntN(3000), "")
	}
}

// deliver adds a message. The number is used even if the mailbox is not there.
func (r *reader) deliver(box string, side, owner syncstate.Side, size int, flags string) {
	r.tb.Helper()
	m := &piece{number: len(r.pieces) + 1, box: box, side: side, owner: owner}
	write := r.write
	if write == nil {
		write = note
	}
	m.letter = write(m.number, size)
	m.flags = flags
	r.pieces = append(r.pieces, m)
	if r.shelves[side].add(box, m) {
		r.did.delivered++
		r.note(m, "delivered to %s on the %s side, with flags %q", box, side, flags)
		return
	}
	m.dead = true
	r.did.skipped++
}

// confirm tells the reader that all messages are on both sides.
func (r *reader) confirm() {
	for _, m := range r.pieces {
		m.there = [2]bool{true, true}
	}
}

// note adds to the history of a message.
func (r *reader) note(m *piece, format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf("round %d: ", r.now)+fmt.Sprintf(format, args...))
}

func (r *reader) String() string {
	d := r.did
	return fmt.Sprintf("%d delivered, %d deleted, %d moved, %d marked, %d moved from new to cur, %d not possible",
		d.delivered, d.deleted, d.moved, d.marked, d.seen, d.skipped)
}
