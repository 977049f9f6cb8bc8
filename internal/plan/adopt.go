package plan

import (
	"cmp"
	"slices"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Candidate is a message that may be the same as one of the other side.
type Candidate struct {
	UID mail.UID
	// ID is the Message-ID; "": there is none.
	ID string
	// Raw is the size in bytes as the store counts.
	Raw int64
	// Size is the size of the mail.Digest; 0: unknown until the message is read.
	Size int64
}

// Reading are the messages to be read, as a whole or only their headers.
type Reading struct{ Whole, Headers mail.UIDSet }

// Empty reports whether there is nothing to read.
func (r Reading) Empty() bool { return r.Whole.Empty() && r.Headers.Empty() }

// Match is a pair of messages that are the same.
type Match struct {
	UID [2]mail.UID
	// Placeholder is the status bit if one of them is a placeholder of the other.
	Placeholder syncstate.Status
}

// Matches is the result of a Matcher. Each message is in one of the lists.
type Matches struct {
	// Pairs ascend by the far UID.
	Pairs []Match
	// Ambiguous messages may be the same as one of the other side, but that is not
	// certain.
	Ambiguous [2]mail.UIDSet
	// Only are messages of one side that the other side does not have.
	Only [2]mail.UIDSet
	// Unread: some of the ambiguous messages could not be read.
	Unread bool
}

// Convincing reports whether the mailboxes certainly hold the same mail: 20 messages are
// the same, or 80 % of the smaller mailbox.
func (m *Matches) Convincing() bool {
	n := uint64(len(m.Pairs))
	far, near := m.Only[0].Len()+m.Ambiguous[0].Len(), m.Only[1].Len()+m.Ambiguous[1].Len()
	return n >= 20 || n > 0 && n*100 >= (n+min(far, near))*80
}

// Matcher finds the messages that two mailboxes have in common, without a sync state.
// Two messages are the same if
//
//   - they have the same Message-ID and size, and no third message has both, or
//   - they have the same contents (mail.Digest). If several messages of a side have
//     them, the first one is paired with the first one of the other side, and so on, or
//   - one is a placeholder of the other.
//
// A message without such a counterpart is ambiguous if a message of the other side without a
// counterpart has the same Message-ID. Otherwise, only one side has the message.
//
// To use a Matcher, read the messages that Wanted returns, pass them to Learn or Unreadable, and
// repeat that until Wanted returns nothing. Then call Matches.
//
// Large mailboxes on a server must not be read as a whole only because something has
// changed all messages of one side, such as a program that adds a header field. So
// messages with the same Message-ID and different sizes are read in batches, and only as
// long as each batch shows that some are the same.
type Matcher struct {
	msgs  [2][]candidate
	phase int
	// groups are messages with the same Message-ID and size; without Message-ID, the
	// same size.
	groups [][]ref
	// rest are messages that have the same Message-ID, and no counterpart yet; batch
	// are those that are being read.
	rest, batch [][]ref
	// costly: messages of the batch had to be read. found: some of them are the same.
	costly, found bool
	// sampling: see Sample. presumed are groups that count as the same unless the sample
	// shows differences.
	sampling bool
	presumed [][]ref
}

type candidate struct {
	Candidate
	digest  *mail.Digest
	partial bool  // only of the header
	unread  bool  // it cannot be read
	unsure  bool  // it is ambiguous
	mate    int32 // index of the counterpart, -1: none
	status  syncstate.Status
}

// ref is a message: its side, and its index there.
type ref struct {
	side syncstate.Side
	i    int32
}

// Bounds of a batch.
const (
	batchGroups = 100
	batchBytes  = 8 << 20
)

// sampleSize is how many pairs are compared by their contents (Matcher.Sample).
const sampleSize = 20

// NewMatcher begins to match messages. Those of each side ascend by UID.
func NewMatcher(msgs [2][]Candidate) *Matcher {
	m := &Matcher{}
	for t := range msgs {
		m.msgs[t] = make([]candidate, len(msgs[t]))
		for i, c := range msgs[t] {
			m.msgs[t][i] = candidate{Candidate: c, mate: -1}
		}
	}
	return m
}

// Sample makes the matcher more careful: that messages have the same Message-ID and size
// is not enough. It is for messages that are not expected to be the same. The contents of
// 20 such pairs are compared. Only if all of them are the same, further pairs are not
// compared. Sample must be called before Wanted.
func (m *Matcher) Sample() { m.sampling = true }

func (m *Matcher) at(r ref) *candidate { return &m.msgs[r.side][r.i] }

// find returns a message, or nil.
func (m *Matcher) find(t syncstate.Side, u mail.UID) *candidate {
	i, ok := slices.BinarySearchFunc(m.msgs[t], u, func(c candidate, u mail.UID) int { return cmp.Compare(c.UID, u) })
	if !ok {
		return nil
	}
	return &m.msgs[t][i]
}

// Learn takes the digest of a message that was to be read; partial: only of its header.
func (m *Matcher) Learn(t syncstate.Side, u mail.UID, d mail.Digest, partial bool) {
	if c := m.find(t, u); c != nil {
		c.digest, c.partial = &d, partial
		if !partial {
			c.Size = d.Size
		}
	}
}

// Unreadable notes that a message cannot be read, or was not returned.
func (m *Matcher) Unreadable(t syncstate.Side, u mail.UID) {
	if c := m.find(t, u); c != nil {
		c.unread = true
	}
}

// Wanted returns the messages to be read next on each side; none: the matching is complete.
func (m *Matcher) Wanted() [2]Reading {
	for {
		want, more := m.next()
		if !more || !want[0].Empty() || !want[1].Empty() {
			return want
		}
	}
}

// next does the next step. more: there are further steps.
func (m *Matcher) next() (want [2]Reading, more bool) {
	switch m.phase {
	case 0:
		m.phase++
		return m.sizes(), true
	case 1:
		m.phase++
		return m.bySize(), true
	case 2:
		if want = m.byContents(); want[0].Empty() && want[1].Empty() {
			m.phase++
			m.remaining()
		}
		return want, true
	}
	if len(m.batch) == 0 {
		if m.costly && !m.found {
			m.rest = m.settle(m.rest)
		}
		if len(m.rest) == 0 {
			return want, false
		}
		m.nextBatch()
	}
	want = m.readBatch()
	if want[0].Empty() && want[1].Empty() {
		m.batch = m.settle(m.batch)
	}
	return want, true
}

// sizes returns the messages that must be read because their size is not known.
func (m *Matcher) sizes() (want [2]Reading) {
	for _, t := range syncstate.Sides {
		var ids map[string]bool // of the other side
		for i := range m.msgs[t] {
			c := &m.msgs[t][i]
			if c.Size > 0 {
				continue
			}
			if ids == nil {
				ids = m.ids(t.Other())
			}
			if ids[c.ID] {
				want[t].Whole.Add(c.UID)
			}
		}
	}
	return want
}

// sorted returns all messages without a counterpart, ordered by Message-ID, size, side
// and UID.
func (m *Matcher) sorted() []ref {
	refs := make([]ref, 0, len(m.msgs[0])+len(m.msgs[1]))
	for _, t := range syncstate.Sides {
		for i := range m.msgs[t] {
			if m.msgs[t][i].mate < 0 {
				refs = append(refs, ref{t, int32(i)})
			}
		}
	}
	slices.SortStableFunc(refs, func(a, b ref) int {
		x, y := m.at(a), m.at(b)
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Size, y.Size))
	})
	return refs
}

// split cuts a sorted list into groups of messages that are alike, and returns those
// that have messages of both sides.
func (m *Matcher) split(refs []ref, alike func(a, b *candidate) bool) (groups [][]ref) {
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && alike(m.at(refs[0]), m.at(refs[n])) {
			n++
		}
		var has [2]bool
		for _, r := range refs[:n] {
			has[r.side] = true
		}
		if has[0] && has[1] {
			groups = append(groups, refs[:n:n])
		}
		refs = refs[n:]
	}
	return groups
}

// bySize pairs messages by Message-ID and size. It returns the messages that must be read
// because these are not unique, or there is no Message-ID.
func (m *Matcher) bySize() (want [2]Reading) {
	groups := m.split(m.sorted(), func(a, b *candidate) bool { return a.ID == b.ID && a.Size == b.Size })
	// A message that cannot be read may have any size, so no other message is unique.
	vague := make(map[string]bool)
	for t := range m.msgs {
		for i := range m.msgs[t] {
			if c := &m.msgs[t][i]; c.unread {
				vague[c.ID] = true
			}
		}
	}
	for _, g := range groups {
		first := m.at(g[0])
		switch unique := len(g) == 2 && first.ID != "" && first.Size > 0 && !vague[first.ID]; {
		case !unique:
			m.groups = append(m.groups, g)
		case m.sampling:
			m.presumed = append(m.presumed, g)
		default:
			m.pair(g[0], g[1])
		}
	}
	m.takeSample()
	return m.unreadOf(m.groups)
}

// takeSample adds the smallest of the presumed groups to those that are read.
func (m *Matcher) takeSample() {
	slices.SortStableFunc(m.presumed, func(a, b []ref) int { return cmp.Compare(m.cost(a), m.cost(b)) })
	n := min(sampleSize, len(m.presumed))
	m.groups, m.presumed = append(m.groups, m.presumed[:n]...), m.presumed[n:]
}

// unreadOf returns the messages of groups that must be read.
func (m *Matcher) unreadOf(groups [][]ref) (want [2]Reading) {
	for _, g := range groups {
		for _, r := range g {
			if c := m.at(r); c.digest == nil && !c.unread {
				want[r.side].Whole.Add(c.UID)
			}
		}
	}
	return want
}

// byContents pairs the messages that were read. If the sample has shown differences, it returns
// the messages that must be read as well.
func (m *Matcher) byContents() (want [2]Reading) {
	different := false
	for _, g := range m.groups {
		m.pairEqual(g)
		if m.at(g[0]).ID != "" {
			different = different || m.at(g[0]).mate < 0
			continue
		}
		// If one message cannot be read, any other one may be its counterpart.
		if slices.ContainsFunc(g, func(r ref) bool { return m.at(r).unread }) {
			m.markUnsure(g)
		}
	}
	m.groups = nil
	if !different {
		for _, g := range m.presumed {
			m.pair(g[0], g[1])
		}
		m.presumed = nil
	}
	m.groups, m.presumed = m.presumed, nil
	return m.unreadOf(m.groups)
}

// remaining groups the messages without a counterpart by Message-ID.
func (m *Matcher) remaining() {
	// An unreadable message may be the same as any.
	for t := range m.msgs {
		for i := range m.msgs[t] {
			if c := &m.msgs[t][i]; c.unread && c.ID == "" {
				c.unsure = true
			}
		}
	}
	m.rest = m.split(m.sorted(), func(a, b *candidate) bool { return a.ID == b.ID })
	m.rest = slices.DeleteFunc(m.rest, func(g []ref) bool { return m.at(g[0]).ID == "" })
	// Messages that are read already come first, so that they are always compared.
	slices.SortStableFunc(m.rest, func(a, b []ref) int { return cmp.Compare(min(m.cost(a), 1), min(m.cost(b), 1)) })
}

// cost returns the size of the messages of a group that are not read yet.
func (m *Matcher) cost(g []ref) (bytes int64) {
	for _, r := range g {
		if c := m.at(r); c.digest == nil && !c.unread {
			bytes += max(c.Raw, 1)
		}
	}
	return bytes
}

// nextBatch takes the next groups from the rest.
func (m *Matcher) nextBatch() {
	n, bytes, unread := 0, int64(0), 0
	for n < len(m.rest) && unread < batchGroups && bytes < batchBytes {
		cost := m.cost(m.rest[n])
		if cost > 0 && unread == 0 && n > 0 {
			break
		}
		if cost > 0 {
			unread++
		}
		bytes += cost
		n++
	}
	m.batch, m.rest = m.rest[:n:n], m.rest[n:]
	m.costly, m.found = false, false
}

// readBatch pairs messages of the batch, and returns the messages that must be read for that.
func (m *Matcher) readBatch() (want [2]Reading) {
	for _, g := range m.batch {
		m.readGroup(g, &want)
	}
	if !want[0].Empty() || !want[1].Empty() {
		m.costly = true
		return want
	}
	for _, g := range m.batch {
		if m.pairEqual(g) || m.pairPlaceholders(g) {
			m.found = true
		}
	}
	return want
}

// readGroup adds the messages of a group that must be read next. If a smaller message is a
// placeholder, only the header of the larger one is needed. So smaller messages are read first.
func (m *Matcher) readGroup(g []ref, want *[2]Reading) {
	var unread [2][]ref
	var bytes [2]int64
	marked := [2]bool{}
	for _, r := range g {
		c := m.at(r)
		if c.digest == nil && !c.unread {
			unread[r.side] = append(unread[r.side], r)
			bytes[r.side] += c.Raw
		}
		if c.digest != nil && c.digest.Original != (mail.Digest{}).Original {
			marked[r.side] = true
		}
	}
	for _, t := range syncstate.Sides {
		o := t.Other()
		if len(unread[o]) > 0 && bytes[o] < bytes[t] {
			continue // the other side comes first
		}
		for _, r := range unread[t] {
			if marked[o] {
				want[t].Headers.Add(m.at(r).UID)
			} else {
				want[t].Whole.Add(m.at(r).UID)
			}
		}
	}
}

// pairEqual pairs messages of a group with the same contents, in the order of their UIDs.
func (m *Matcher) pairEqual(g []ref) (found bool) {
	type sum = [len(mail.Digest{}.Sum)]byte
	near := make(map[sum][]ref)
	for _, r := range g {
		if c := m.at(r); r.side == syncstate.Near && c.mate < 0 && c.digest != nil && !c.partial {
			near[c.digest.Sum] = append(near[c.digest.Sum], r)
		}
	}
	for _, r := range g {
		c := m.at(r)
		if r.side != syncstate.Far || c.mate >= 0 || c.digest == nil || c.partial {
			continue
		}
		if with := near[c.digest.Sum]; len(with) > 0 {
			m.pair(r, with[0])
			near[c.digest.Sum] = with[1:]
			found = true
		}
	}
	return found
}

// pairPlaceholders pairs placeholders with the only message that they can stand for.
func (m *Matcher) pairPlaceholders(g []ref) (found bool) {
	free := func(r ref) bool { c := m.at(r); return c.mate < 0 && c.digest != nil }
	for _, r := range g {
		if !free(r) {
			continue
		}
		var originals []ref
		for _, o := range g {
			if o.side != r.side && free(o) && m.at(r).digest.StandsFor(m.at(o).digest, m.at(o).Raw) {
				originals = append(originals, o)
			}
		}
		if len(originals) != 1 {
			continue
		}
		m.pair(r, originals[0])
		m.at(r).status, m.at(originals[0]).status = syncstate.PlaceholderOn(r.side), syncstate.PlaceholderOn(r.side)
		found = true
	}
	return found
}

func (m *Matcher) pair(a, b ref) { m.at(a).mate, m.at(b).mate = b.i, a.i }

// settle makes the remaining messages of groups ambiguous. It returns no groups.
func (m *Matcher) settle(groups [][]ref) [][]ref {
	for _, g := range groups {
		m.markUnsure(g)
	}
	return nil
}

// markUnsure makes the remaining messages of a group ambiguous, if it has messages of both
// sides.
func (m *Matcher) markUnsure(g []ref) {
	var has [2]bool
	for _, r := range g {
		has[r.side] = has[r.side] || m.at(r).mate < 0
	}
	if !has[0] || !has[1] {
		return
	}
	for _, r := range g {
		if c := m.at(r); c.mate < 0 {
			c.unsure = true
		}
	}
}

// keepPlaceholders makes a placeholder ambiguous if the other side has its message, and that is
// paired with another message. The placeholder must not be copied as a message.
func (m *Matcher) keepPlaceholders() {
	for _, t := range syncstate.Sides {
		var ids map[string]bool
		for i := range m.msgs[t] {
			c := &m.msgs[t][i]
			if c.mate >= 0 || c.digest == nil || c.digest.Original == (mail.Digest{}).Original || c.ID == "" {
				continue
			}
			if ids == nil {
				ids = m.ids(t.Other())
			}
			c.unsure = c.unsure || ids[c.ID]
		}
	}
}

// ids returns the Message-IDs of a side.
func (m *Matcher) ids(t syncstate.Side) map[string]bool {
	ids := make(map[string]bool, len(m.msgs[t]))
	for i := range m.msgs[t] {
		ids[m.msgs[t][i].ID] = true
	}
	return ids
}

// Matches returns the result.
func (m *Matcher) Matches() Matches {
	m.keepPlaceholders()
	var out Matches
	for _, t := range syncstate.Sides {
		for i := range m.msgs[t] {
			c := &m.msgs[t][i]
			switch {
			case c.mate >= 0 && t == syncstate.Far:
				out.Pairs = append(out.Pairs, Match{[2]mail.UID{c.UID, m.msgs[syncstate.Near][c.mate].UID}, c.status})
			case c.mate >= 0:
			case c.unsure:
				out.Ambiguous[t].Add(c.UID)
				out.Unread = out.Unread || c.unread
			default:
				out.Only[t].Add(c.UID)
			}
		}
	}
	return out
}

// AdoptedRecords returns the records of a pair with the current flags of its messages. It is not
// known which flags were synchronized. If only one side has a flag, it counts as set after the
// last run, so that the other side gets it.
//
// A mark of deletion that only one side has may be old, or may only mean that the message
// expired. No message is deleted for it on the other side. If flags are propagated, it
// counts as removed there. Otherwise it cannot be removed, and the marked message may be
// expunged. That must not look like a deletion, so each message gets a record of its own.
func AdoptedRecords(m Match, flags [2]mail.Flags, r Rules) []syncstate.Record {
	marked := flags[0] ^ flags[1]
	if marked.Has(mail.FlagDeleted) {
		t := syncstate.Far
		if flags[syncstate.Near].Has(mail.FlagDeleted) {
			t = syncstate.Near
		}
		if !r.Ops[t].Flags {
			return []syncstate.Record{m.alone(syncstate.Far, flags), m.alone(syncstate.Near, flags)}
		}
	}
	return []syncstate.Record{{
		UID: m.UID, Status: m.Placeholder,
		Flags: flags[0]&flags[1] | (flags[0]|flags[1])&mail.FlagDeleted,
	}}
}

// alone returns a record of one message of the pair.
func (m Match) alone(t syncstate.Side, flags [2]mail.Flags) syncstate.Record {
	r := syncstate.Record{Flags: flags[t], Status: m.Placeholder & syncstate.PlaceholderOn(t)}
	r.UID[t] = m.UID[t]
	return r
}
