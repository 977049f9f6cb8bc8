package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// If there is no sync state, and both mailboxes hold messages, the state was probably
// lost, or the mail was fetched by another program. If all messages
// were copied in both directions, they would be duplicated. So messages that are the same
// on both sides are paired first (plan.Matcher).
//
// The result is committed as the state before anything else is done. A run that is
// interrupted before that has changed nothing, and the next one does it again.
//
// Ambiguous messages get records without a counterpart, so that neither program copies
// them. They are listed in the notes.

// Adopt says what to do with messages that both sides have, if there is no state or the
// state has no records of them.
type Adopt int8

// The values of Adopt.
const (
	AdoptNo   Adopt = iota // they are copied, as all messages are
	AdoptYes               // they are paired
	AdoptCopy              // they are paired, and ambiguous ones are copied
)

// disowned is a state that is not used: the UIDVALIDITY of both sides changed, or that of
// one, and too few messages can be compared to know that all have the same UIDs as before.
type disowned struct {
	doubts []*doubt
	// err is the result of the run, unless the mailboxes have the same messages; nil: the
	// state has no pairs, so nothing is lost by dropping it.
	err error
}

// forgetState continues as if there was no state. The state remains on the disk until the
// messages are paired.
func (s *session) forgetState(doubts []*doubt, err error) {
	s.disowned = &disowned{doubts, err}
	s.state = syncstate.New(s.ExpireSide)
	s.journal.state = s.state
	s.notes.Drop()
	s.before = s.held()
}

// loadToAdopt lists both mailboxes with the data that adoptMail needs, if there is no state
// and both are known to hold messages. Otherwise it does nothing, and the mailboxes are
// listed for the plan first.
func (s *session) loadToAdopt(ctx context.Context) error {
	if ok, err := s.stateless(); !ok || err != nil {
		return err
	}
	for _, t := range syncstate.Sides {
		if ok, err := s.holdsMessages(ctx, t); !ok || err != nil {
			return err
		}
	}
	return s.listToAdopt(ctx)
}

// holdsMessages reports whether the mailbox of side t is known to hold messages, without
// asking a server.
func (s *session) holdsMessages(ctx context.Context, t syncstate.Side) (bool, error) {
	if c, ok := store.As[store.Counter](s.boxes[t]); ok {
		return c.Count() > 0, nil
	}
	if _, local := store.As[store.Local](s.Store[t]); !local {
		return false, nil
	}
	list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: everything})
	if err != nil {
		return false, s.where(t, "listing messages", err)
	}
	return len(list.Messages) > 0, nil
}

// listToAdopt makes the listings that adoptMail compares.
func (s *session) listToAdopt(ctx context.Context) error {
	lists, err := s.listDetails(ctx, store.Need{}, [2]mail.UIDSet{everything, everything})
	if err != nil {
		return err
	}
	for _, t := range syncstate.Sides {
		s.found[t] = plan.Box{Messages: lists[t].Messages, Loaded: everything, Flags: s.boxes[t].Info().Flags}
		s.emit(event.Listed{Pair: s.pairName(), Side: t, Count: len(lists[t].Messages)}, false)
	}
	s.toAdopt = &lists
	return nil
}

// adoptMail pairs the messages of a pair without a state. The mailboxes must be listed.
func (s *session) adoptMail(ctx context.Context) error {
	if ok, err := s.mayAdopt(ctx); !ok || err != nil {
		if err == nil && s.disowned != nil {
			err = s.replaceDisowned(ctx)
		}
		return err
	}
	if s.toAdopt == nil {
		if err := s.listToAdopt(ctx); err != nil {
			return err
		}
	}
	lists := *s.toAdopt
	s.toAdopt = nil
	got, err := s.match(ctx, s.boxes, lists)
	if err != nil {
		return err
	}
	s.compared = true
	if s.disowned != nil && s.disowned.err != nil && !got.Convincing() {
		return s.disowned.err
	}
	ambiguous := !got.Ambiguous[0].Empty() || !got.Ambiguous[1].Empty()
	if len(got.Pairs) == 0 && !ambiguous {
		if s.disowned != nil {
			return s.replaceDisowned(ctx)
		}
		return nil
	}
	f := matched(&got, s.Adopt == AdoptCopy)
	if s.disowned != nil {
		for _, d := range s.disowned.doubts {
			f.Doubt[d.side] = d.fact()
		}
	}
	s.tell(event.Notice, f)
	s.takeMatches(&got, lists)
	s.adopted = true
	if s.DryRun {
		return nil
	}
	return s.commitAdoption(ctx)
}

// replaceDisowned ends a run whose state is not used, although the mailboxes have nothing in
// common. If nothing is lost with the state, it is replaced by an empty one instead, and all
// messages are new.
func (s *session) replaceDisowned(ctx context.Context) error {
	if s.disowned.err != nil {
		return s.disowned.err
	}
	for _, d := range s.disowned.doubts {
		s.tell(event.Notice, event.AllMessagesNew{UIDDoubt: d.fact()})
		s.state.UIDValidity[d.side] = d.now
	}
	if s.DryRun {
		return nil
	}
	return s.commitAdoption(ctx)
}

// stateless reports whether there is no state yet, or it is not used, and messages may be
// paired.
func (s *session) stateless() (bool, error) {
	if s.Adopt == AdoptNo || s.boxes[0] == nil || s.boxes[1] == nil || s.begun() {
		return false, nil
	}
	has, err := s.journal.files.hasState()
	return !has || s.disowned != nil, err
}

// mayAdopt reports whether there is no state yet, and both mailboxes hold messages.
func (s *session) mayAdopt(ctx context.Context) (bool, error) {
	if ok, err := s.stateless(); !ok || err != nil {
		return false, err
	}
	whole := func(t syncstate.Side) bool { return s.found[t].Loaded.ContainsRange(1, mail.MaxUID) }
	for _, t := range syncstate.Sides {
		if whole(t) && len(s.found[t].Messages) == 0 {
			return false, nil
		}
	}
	for _, t := range syncstate.Sides {
		if whole(t) {
			continue
		}
		// The rules do not need it, but its messages may be those of the other side.
		list, err := s.boxes[t].Scan(ctx, store.Need{UIDs: everything})
		if err != nil {
			return false, s.where(t, "listing messages", err)
		}
		if len(list.Messages) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// begun reports whether the state contains work of an earlier run. If the journal of a first
// run has more than the UIDVALIDITYs, that run is continued.
func (s *session) begun() bool {
	st := s.state
	return st.Records.Len() > 0 || st.MaxUID != [2]mail.UID{} || st.UIDNext != [2]mail.UID{}
}

// match finds the messages that the listings have in common. boxes are where to read them.
func (s *session) match(ctx context.Context, boxes [2]store.Mailbox, lists [2]*store.Listing) (plan.Matches, error) {
	var msgs [2][]plan.Candidate
	for _, t := range syncstate.Sides {
		msgs[t] = s.candidates(t, lists[t])
	}
	m := plan.NewMatcher(msgs)
	err := s.settle(ctx, boxes, m)
	return m.Matches(), err
}

// settle reads the messages that a matcher requests.
func (s *session) settle(ctx context.Context, boxes [2]store.Mailbox, m *plan.Matcher) error {
	var mu sync.Mutex
	for {
		want := m.Wanted()
		if want[0].Empty() && want[1].Empty() {
			return nil
		}
		err := both(func(t syncstate.Side) error {
			d := &digesting{session: s, side: t, box: boxes[t], matcher: m, mu: &mu}
			if err := d.read(ctx, want[t].Whole, false); err != nil {
				return err
			}
			return d.read(ctx, want[t].Headers, true)
		})
		if err != nil {
			return err
		}
	}
}

// candidates returns the messages of a listing for the matcher.
func (s *session) candidates(t syncstate.Side, l *store.Listing) []plan.Candidate {
	out := make([]plan.Candidate, len(l.Messages))
	for i, meta := range l.Messages {
		out[i] = plan.Candidate{UID: meta.UID, ID: l.MessageIDs[meta.UID], Raw: meta.Size}
		if s.caps[t].CRLF && meta.Size > 0 {
			out[i].Size = mail.DigestSize(meta.Size, l.TUIDs[meta.UID])
		}
	}
	return out
}

// digesting reads messages of one side for a matcher.
type digesting struct {
	*session
	side    syncstate.Side
	box     store.Mailbox
	matcher learner
	mu      *sync.Mutex // of the matcher
}

// learner receives the digests of messages that were read.
type learner interface {
	Learn(t syncstate.Side, u mail.UID, d mail.Digest, partial bool)
	Unreadable(t syncstate.Side, u mail.UID)
}

// read reads messages, or their headers.
func (d *digesting) read(ctx context.Context, uids mail.UIDSet, header bool) error {
	if uids.Empty() {
		return nil
	}
	items := make([]store.FetchItem, 0, uids.Len())
	for u := range uids.All() {
		items = append(items, store.FetchItem{UID: u, HeaderOnly: header})
	}
	missing := make(map[mail.UID]bool, len(items))
	for _, it := range items {
		missing[it.UID] = true
	}
	err := d.box.Fetch(ctx, items, func(in *store.Incoming) error {
		if !missing[in.UID] || in.Err != nil || in.Body == nil {
			return nil
		}
		sum, err := mail.ReadDigest(in.Body, d.caps[d.side].CRLF)
		if err != nil && fatal(err) {
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // this message counts as unreadable
		}
		delete(missing, in.UID)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.matcher.Learn(d.side, in.UID, sum, header)
		return nil
	})
	if err != nil {
		return d.where(d.side, "reading messages to compare them", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for u := range missing {
		d.matcher.Unreadable(d.side, u)
	}
	return nil
}

// matched returns the fact that reports matches.
func matched(m *plan.Matches, copied bool) event.MailAdopted {
	f := event.MailAdopted{Pairs: len(m.Pairs), Copied: copied}
	for _, t := range syncstate.Sides {
		f.Only[t], f.Ambiguous[t] = int(m.Only[t].Len()), int(m.Ambiguous[t].Len())
	}
	return f
}

// takeMatches makes a state from the matches.
func (s *session) takeMatches(m *plan.Matches, lists [2]*store.Listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range syncstate.Sides {
		s.state.UIDValidity[t] = s.boxes[t].Info().UIDValidity
		// Up to the first new message, all are considered.
		for _, msg := range lists[t].Messages {
			if m.Only[t].Contains(msg.UID) || s.Adopt == AdoptCopy && m.Ambiguous[t].Contains(msg.UID) {
				break
			}
			s.state.MaxUID[t] = msg.UID
		}
	}
	flags := func(t syncstate.Side, u mail.UID) mail.Flags {
		l := lists[t].Messages
		return l[mail.FindMeta(l, u)].Flags
	}
	for _, p := range m.Pairs {
		for _, r := range plan.AdoptedRecords(p, [2]mail.Flags{flags(0, p.UID[0]), flags(1, p.UID[1])}, s.Rules) {
			s.state.Records.Put(r)
		}
	}
	if s.Adopt == AdoptCopy {
		return
	}
	for _, t := range syncstate.Sides {
		for u := range m.Ambiguous[t].All() {
			r := syncstate.Record{Flags: flags(t, u)}
			r.UID[t] = u
			s.state.Records.Put(r)
		}
		s.notes.HoldBack(t, m.Ambiguous[t], time.Now())
	}
}

// commitAdoption writes the new state. Until then, there is no state, and nothing was
// changed.
func (s *session) commitAdoption(ctx context.Context) error {
	s.mu.Lock()
	s.journal.dirty = true
	s.mu.Unlock()
	if err := s.checkBoxes(ctx); err != nil {
		return err
	}
	if err := s.saveNotes(); err != nil {
		return err
	}
	if err := s.journal.commit(); err != nil {
		return err
	}
	s.renewJournal()
	s.acted = true
	return nil
}

// An ambiguous message is known from then on by its record without a counterpart, and by
// the notes. With AdoptCopy it is copied as if it was new.

// forgetAmbiguous drops the notes about messages that are gone, or were copied.
func (s *session) forgetAmbiguous() {
	if len(s.notes.Ambiguous) == 0 {
		return
	}
	noted := [2]mail.UIDSet{s.notes.AmbiguousUIDs(0), s.notes.AmbiguousUIDs(1)}
	var over [2][]mail.UID
	for r := range s.state.Live() {
		for _, t := range syncstate.Sides {
			if r.Paired() && noted[t].Contains(r.UID[t]) {
				over[t] = append(over[t], r.UID[t])
			}
		}
	}
	for _, t := range syncstate.Sides {
		gone := mail.NewUIDSet(over[t]...)
		for u := range noted[t].All() {
			if s.found[t].Loaded.Contains(u) && mail.FindMeta(s.found[t].Messages, u) < 0 {
				gone.Add(u)
			}
		}
		s.notes.Release(t, gone)
	}
}

// ambiguous returns the ambiguous messages of each side that are to be copied.
func (s *session) ambiguous() (uids [2]mail.UIDSet) {
	if s.Adopt != AdoptCopy || s.notes == nil || len(s.notes.Ambiguous) == 0 {
		return uids
	}
	for _, t := range syncstate.Sides {
		if s.Rules.Ops[t.Other()].New {
			uids[t] = s.notes.AmbiguousUIDs(t)
		}
	}
	return uids
}

// copyAmbiguous drops the records of ambiguous messages that are to be copied, so that
// the plan makes new ones.
func (s *session) copyAmbiguous() error {
	s.tellAmbiguous()
	uids := s.ambiguous()
	if uids[0].Empty() && uids[1].Empty() {
		return nil
	}
	var drop []int
	for i, r := range s.state.Records.All() {
		for _, t := range syncstate.Sides {
			if !r.Dead && r.AtRest() && r.UID[t.Other()] == 0 && uids[t].Contains(r.UID[t]) {
				drop = append(drop, i)
			}
		}
	}
	for _, i := range drop {
		if err := s.note(syncstate.OpDrop, s.state.Records.Get(i)); err != nil {
			return err
		}
	}
	return nil
}

// tellAmbiguous reports the number of ambiguous messages of earlier runs.
func (s *session) tellAmbiguous() {
	if s.adopted || s.Adopt == AdoptCopy {
		return
	}
	switch n := countAmbiguous(s.notes); {
	case n == [2]int{}:
	case s.DryRun:
		s.tell(event.Notice, event.MailAmbiguous{Count: n})
	default:
		s.result.Ambiguous = n
	}
}

// Ambiguous returns the number of ambiguous messages of each side of a pair that is
// unchanged.
func Ambiguous(p *Pair) [2]int {
	n, err := ReadNotes(p.FS, p.StatePath)
	if err != nil {
		return [2]int{}
	}
	return countAmbiguous(n)
}

func countAmbiguous(n *syncstate.Notes) (count [2]int) {
	for _, t := range syncstate.Sides {
		count[t] = int(n.AmbiguousUIDs(t).Len())
	}
	return count
}

// addAmbiguous adds the messages that are to be copied to those that count as new.
func (s *session) addAmbiguous(retry *[2]mail.UIDSet) {
	for t, uids := range s.ambiguous() {
		if !uids.Empty() {
			retry[t] = slices.Clone(retry[t])
			retry[t].AddSet(uids)
		}
	}
}
