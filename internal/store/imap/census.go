package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/mail"
)

// census proves that a listing is complete. What a server leaves out of its
// answers would be taken for deleted, and some leave out a lot: they show only
// a part of huge mailboxes, or skip what they cannot read at the moment.
//
// The proof rests on the sequence numbers that come with the messages (RFC 9051
// §2.3.1.2): they have no gaps, ascend with the UIDs, and end in EXISTS. So
// between two messages that were listed it is known how many others there are,
// and where those may be that were not asked for.
//
// It is filled on the reader goroutine, while messages may vanish.
type census struct {
	mu   sync.Mutex
	seen []numbered
	most int // half the bound of seen; 0: none
	// exists is how many of the messages that there were in the beginning
	// still are there. Of those that come later it is not certain whether the
	// listing should have them.
	exists uint32
	// grown: others have come.
	grown bool
	// lost: the sequence numbers cannot be followed any more.
	lost bool
}

// numbered is a message with its sequence number; 0 if it was expunged.
type numbered struct {
	uid    mail.UID
	seq    uint32
	listed bool // as opposed to merely mentioned
}

// noteLast notes the message that was the last of so many. It tells whether it
// still is.
func (c *census) noteLast(u mail.UID, exists uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, numbered{uid: u, seq: exists})
	return c.exists == exists
}

// restart begins anew, with that many messages.
func (c *census) restart(exists uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.exists, c.grown, c.lost = c.seen[:0], exists, false, false
}

// note notes a message that the server has told of.
func (c *census) note(u mail.UID, seq uint32, listed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && len(c.seen) >= 2*c.most {
		c.lost = true // the listing is endless
		return
	}
	c.seen = append(c.seen, numbered{u, seq, listed})
}

// expunged follows the sequence numbers.
func (c *census) expunged(seq uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq <= c.exists {
		c.exists--
	}
	for i := range c.seen {
		switch n := &c.seen[i].seq; {
		case *n == seq:
			*n = 0
		case *n > seq:
			*n--
		}
	}
}

// counted is told EXISTS, which some servers lower without an EXPUNGE.
func (c *census) counted(exists uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if exists < c.exists {
		c.exists, c.lost = exists, true
	}
	c.grown = c.grown || exists > c.exists
}

// mislead notes that the server has sent an invalid response.
func (c *census) mislead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// vanished is told of messages that have vanished by their UIDs, which is how
// it is told once QRESYNC is enabled. What comes after them moves up.
func (c *census) vanished(uids mail.UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uids.Len()
	if n == 0 {
		return
	}
	if c.grown && uids[len(uids)-1].Last > c.lastOld() || n > uint64(c.exists) {
		// Was it one of those that have come later?
		c.lost = true
		return
	}
	c.exists -= uint32(n)
	before := make([]uint64, len(uids)+1) // how many are in the ranges before
	for i, r := range uids {
		before[i+1] = before[i] + r.Len()
	}
	for i := range c.seen {
		s := &c.seen[i]
		k := sort.Search(len(uids), func(k int) bool { return uids[k].Last >= s.uid })
		switch below := before[k]; {
		case s.seq == 0:
		case k < len(uids) && uids[k].First <= s.uid:
			s.seq = 0
		case below >= uint64(s.seq):
			c.lost = true // there were not so many
		default:
			s.seq -= uint32(below)
		}
	}
}

// lastOld returns the highest UID that is known to have been there in the
// beginning.
func (c *census) lastOld() mail.UID {
	var last mail.UID
	for _, n := range c.seen {
		if n.seq != 0 && n.seq <= c.exists {
			last = max(last, n.uid)
		}
	}
	return last
}

// doubt is a gap in a listing where messages are that may or may not have been
// asked for.
type doubt struct {
	// seqs are the sequence numbers whose UIDs tell.
	seqs mail.UIDSet
}

// check looks for gaps. What was asked for is set. Its error is an
// *incompleteError.
func (c *census) check(set mail.UIDSet) ([]doubt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return nil, &incompleteError{"the mailbox has changed"}
	}
	known, err := c.known(set)
	if err != nil {
		return nil, err
	}
	listed := 0
	for _, n := range known {
		if n.listed {
			listed++
		}
	}
	if uint64(listed) >= uint64(c.exists) {
		return nil, nil
	}
	if set.ContainsRange(1, mail.MaxUID) {
		return nil, &incompleteError{fmt.Sprintf("only %d of %d messages are listed", listed, c.exists)}
	}
	var doubts []doubt
	before := numbered{}
	end := c.exists
	if len(known) > 0 {
		end = max(end, known[len(known)-1].seq)
	}
	for i := range len(known) + 1 {
		lo, hi := uint64(before.uid)+1, uint64(mail.MaxUID) // of the UIDs in between
		next := uint64(end) + 1
		if i < len(known) {
			hi, next = uint64(known[i].uid)-1, uint64(known[i].seq)
		}
		if missing := next - uint64(before.seq) - 1; missing > 0 {
			asked := mail.UIDSet(nil)
			if lo <= hi {
				asked = cut(set, mail.UID(lo), mail.UID(hi))
			}
			if others := hi + 1 - lo - asked.Len(); missing > others {
				return nil, &incompleteError{fmt.Sprintf("%d of the messages between UID %d and %d are not listed", missing-others, lo, hi)}
			}
			if !asked.Empty() {
				doubts = append(doubts, newDoubt(asked, mail.UID(lo), mail.UID(hi), mail.UID(before.seq)+1, mail.UID(next)-1))
			}
		}
		if i < len(known) {
			before = known[i]
		}
	}
	return doubts, nil
}

// newDoubt returns the doubt about the messages with the UIDs lo..hi and the
// sequence numbers first..last. If those that were not asked for are in one
// place, and the outermost messages are there, so are the others.
func newDoubt(asked mail.UIDSet, lo, hi, first, last mail.UID) doubt {
	if others := (mail.UIDSet{{First: lo, Last: hi}}).Without(asked); len(others) > 1 {
		return doubt{mail.UIDSet{{First: first, Last: last}}}
	}
	var ends mail.UIDSet
	if asked.Contains(lo) {
		ends.Add(first)
	}
	if asked.Contains(hi) {
		ends.Add(last)
	}
	return doubt{ends}
}

// known returns the messages that exist, in order, without those that should
// have been listed and were not. What it returns is not to be changed.
func (c *census) known(set mail.UIDSet) ([]numbered, error) {
	if c.plain() {
		return c.seen, nil
	}
	byUID := func(a, b numbered) int { return cmp.Compare(a.uid, b.uid) }
	all := slices.Clone(c.seen)
	if !slices.IsSortedFunc(all, byUID) {
		slices.SortStableFunc(all, byUID)
	}
	out := all[:0]
	listed := false
	for i, n := range all {
		listed = listed || n.listed
		if i+1 < len(all) && all[i+1].uid == n.uid {
			continue // what came twice counts as it came last
		}
		n.listed, listed = listed, false
		if n.seq == 0 || !n.listed && set.Contains(n.uid) {
			continue
		}
		if len(out) > 0 && n.seq <= out[len(out)-1].seq {
			return nil, &incompleteError{fmt.Sprintf("sequence numbers are out of order at message %d", n.uid)}
		}
		out = append(out, n)
	}
	return out, nil
}

// plain reports whether each message was listed once, and in order, as nearly
// always. Then there is no need for another list of a million messages.
func (c *census) plain() bool {
	before := numbered{}
	for _, n := range c.seen {
		if !n.listed || n.uid <= before.uid || n.seq <= before.seq {
			return false
		}
		before = n
	}
	return true
}

// settle asks the server for the UIDs of messages in doubt.
func (c *census) settle(ctx context.Context, client *imapclient.Client, lines *past, set mail.UIDSet, doubts []doubt) error {
	var seqs mail.UIDSet
	for _, d := range doubts {
		seqs.AddSet(d.seqs)
	}
	c.mu.Lock()
	exists := c.exists
	c.mu.Unlock()
	var found mail.UIDSet
	todo := seqs.Split(lines.maxSet(), 0)
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		uids, err := client.Search(ctx, part.String())
		if lines.tooLong(err, part) {
			todo = append(part.Split(lines.maxSet(), 0), todo...)
			continue
		}
		if err != nil && !useless(err) {
			return err
		}
		if err != nil {
			return &incompleteError{err.Error()}
		}
		found.AddSet(uids)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost || c.exists != exists {
		return &incompleteError{"the mailbox has changed"}
	}
	if n := found.Len(); n != seqs.Len() {
		return &incompleteError{fmt.Sprintf("of %d other messages %d have UIDs", seqs.Len(), n)}
	}
	for _, r := range found {
		if left := cut(set, r.First, r.Last); !left.Empty() {
			return &incompleteError{fmt.Sprintf("message %d exists and is not listed", left[0].First)}
		}
	}
	return nil
}
