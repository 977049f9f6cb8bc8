package listing

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"sync"

	"isync/internal/mail"
)

// Completeness proves that a listing is complete. A message that the server leaves out
// would count as deleted, and some servers leave out many: they show only a part of
// huge mailboxes, or skip messages that they cannot read at the moment.
//
// The proof uses the sequence numbers of the messages (RFC 9051 §2.3.1.2): they have no
// gaps, ascend with the UIDs, and end with EXISTS. So the number of messages between
// two listed ones is known, and also which of them may not have been requested.
//
// It is filled on the reader goroutine. Messages may be expunged meanwhile. It implements
// session.Listener.
type Completeness struct {
	mu   sync.Mutex
	seen []numbered
	most int // half the bound of seen; 0: none
	// exists is the number of messages that existed at the beginning and still exist. For messages
	// that arrive later, it is not certain whether the listing should contain them.
	exists uint32
	// grown: new messages have arrived.
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

// NewCompleteness returns the proof for the listing of a mailbox with exists messages.
func NewCompleteness(exists uint32) *Completeness { return &Completeness{exists: exists} }

// NoteLast notes that u was the last of exists messages. It reports whether it still is the last one.
func (c *Completeness) NoteLast(u mail.UID, exists uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, numbered{uid: u, seq: exists})
	return c.exists == exists
}

// Restart starts again, with exists messages.
func (c *Completeness) Restart(exists uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.exists, c.grown, c.lost = c.seen[:0], exists, false, false
}

// note notes a message that the server has reported.
func (c *Completeness) note(u mail.UID, seq uint32, listed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 && len(c.seen) >= 2*c.most {
		c.lost = true // the listing is endless
		return
	}
	c.seen = append(c.seen, numbered{u, seq, listed})
}

// seed notes messages that are the first ones of the mailbox.
func (c *Completeness) seed(msgs []mail.Meta) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, msg := range msgs {
		c.seen = append(c.seen, numbered{msg.UID, uint32(i + 1), true})
	}
}

// Expunged adjusts the sequence numbers.
func (c *Completeness) Expunged(seq uint32) {
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

// Exists handles an EXISTS, which some servers lower without an EXPUNGE.
func (c *Completeness) Exists(exists uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if exists < c.exists {
		c.exists, c.lost = exists, true
	}
	c.grown = c.grown || exists > c.exists
}

// Unreadable notes that the server has sent an invalid response.
func (c *Completeness) Unreadable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// Mentioned notes a message of an unsolicited FETCH.
func (c *Completeness) Mentioned(u mail.UID, seq uint32) { c.note(u, seq, false) }

// Vanished removes expunged messages, which are reported by their UIDs once QRESYNC is
// enabled. The sequence numbers of later messages decrease.
func (c *Completeness) Vanished(uids mail.UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uids.Len()
	if n == 0 {
		return
	}
	if c.grown && uids[len(uids)-1].Last > c.lastOld() || n > uint64(c.exists) {
		// It may be a message that has arrived later.
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

// lastOld returns the highest UID that is known to have existed at the beginning.
func (c *Completeness) lastOld() mail.UID {
	var last mail.UID
	for _, n := range c.seen {
		if n.seq != 0 && n.seq <= c.exists {
			last = max(last, n.uid)
		}
	}
	return last
}

// A Doubt is a gap in a listing whose messages may or may not have been requested.
type Doubt struct {
	// Seqs are the sequence numbers whose UIDs decide that.
	Seqs mail.UIDSet
}

// Check looks for gaps. set is the set of requested UIDs. Its error is an
// *IncompleteError.
func (c *Completeness) Check(set mail.UIDSet) ([]Doubt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return nil, &IncompleteError{"the mailbox has changed"}
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
		return nil, &IncompleteError{fmt.Sprintf("only %d of %d messages are listed", listed, c.exists)}
	}
	var doubts []Doubt
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
				asked = Cut(set, mail.UID(lo), mail.UID(hi))
			}
			if others := hi + 1 - lo - asked.Len(); missing > others {
				return nil, &IncompleteError{fmt.Sprintf("%d of the messages between UID %d and %d are not listed", missing-others, lo, hi)}
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

// newDoubt returns the doubt about the messages with the UIDs lo..hi and the sequence numbers
// first..last. If the UIDs that were not requested are one range, it suffices to check the outermost
// messages.
func newDoubt(asked mail.UIDSet, lo, hi, first, last mail.UID) Doubt {
	if others := (mail.UIDSet{{First: lo, Last: hi}}).Without(asked); len(others) > 1 {
		return Doubt{mail.UIDSet{{First: first, Last: last}}}
	}
	var ends mail.UIDSet
	if asked.Contains(lo) {
		ends.Add(first)
	}
	if asked.Contains(hi) {
		ends.Add(last)
	}
	return Doubt{ends}
}

// known returns the existing messages in order, without requested messages that were not listed. The
// caller must not change the result.
func (c *Completeness) known(set mail.UIDSet) ([]numbered, error) {
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
			return nil, &IncompleteError{fmt.Sprintf("sequence numbers are out of order at message %d", n.uid)}
		}
		out = append(out, n)
	}
	return out, nil
}

// plain reports whether each message was listed once, in order. That is nearly always so, and then no
// copy of a list of a million messages is needed.
func (c *Completeness) plain() bool {
	before := numbered{}
	for _, n := range c.seen {
		if !n.listed || n.uid <= before.uid || n.seq <= before.seq {
			return false
		}
		before = n
	}
	return true
}

// IncompleteError says that a listing is incomplete, and why.
type IncompleteError struct{ What string }

func (e *IncompleteError) Error() string { return "server's answer is incomplete: " + e.What }

// Present returns how many of the messages that existed at the beginning are left.
func (c *Completeness) Present() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exists
}

// Resolve checks the UIDs that the server has returned for the sequence numbers in
// doubt. exists is the result of Present before they were requested. Its error is an
// *IncompleteError.
func (c *Completeness) Resolve(set, seqs, found mail.UIDSet, exists uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost || c.exists != exists {
		return &IncompleteError{"the mailbox has changed"}
	}
	if n := found.Len(); n != seqs.Len() {
		return &IncompleteError{fmt.Sprintf("of %d other messages %d have UIDs", seqs.Len(), n)}
	}
	for _, r := range found {
		if left := Cut(set, r.First, r.Last); !left.Empty() {
			return &IncompleteError{fmt.Sprintf("message %d exists and is not listed", left[0].First)}
		}
	}
	return nil
}

// prefix returns the messages whose sequence numbers are 1, 2, 3 and so on, without
// a gap, if all messages were to be listed.
func (c *Completeness) prefix() (n int, set mail.UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return 0, nil
	}
	known, err := c.known(mail.UIDsFrom(1))
	if err != nil {
		return 0, nil
	}
	for n < len(known) && known[n].listed && uint64(known[n].seq) == uint64(n)+1 && known[n].seq <= c.exists {
		set.Add(known[n].uid)
		n++
	}
	return n, set
}
