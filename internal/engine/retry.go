package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// A message that cannot be copied must not stop other copies, and must not be
// forgotten. It is noted in the notes, gets no record in the state, and is tried
// again in each run, alone, after all other work is committed.

// refusal is a message that could not be copied.
type refusal struct {
	plan.Copy
	to  syncstate.Side
	why error
}

// maxRow is the number of refusals in a row, without a successful copy, after which no
// more messages are tried: the cause is then not the single message.
const maxRow = 5

// maxSuspects bounds how many messages are noted when a connection is lost.
const maxSuspects = 400

// giveUp notes that a message cannot be propagated. Its record stays pending until the notes
// are written (settleRefused). The caller holds mu.
func (s *session) giveUp(to syncstate.Side, cp plan.Copy, why error) {
	s.refused = append(s.refused, refusal{cp, to, why})
	s.isRefused[cp.Rec] = true
	if s.refusedFor(message{to.Other(), cp.UID, event.New}, why) {
		s.result.Failed++
		s.failed(to.Other(), cp.UID, s.messageError(to.Other(), cp.UID, why))
	}
}

// holdRefused notes the refused messages of a run that has failed. The records stay pending,
// and the next run tries these messages last.
func (s *session) holdRefused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteRefused()
	s.refused = nil
	return s.saveNotes()
}

// noteRefused adds the refused messages to the notes. The caller holds mu.
func (s *session) noteRefused() {
	for _, f := range s.refused {
		s.notes.Hold(f.to.Other(), f.UID, time.Now(), f.why.Error())
		if f.Rec.Upgrading {
			s.want(f.Copy)
		}
	}
	for _, cp := range s.plan.Postponed {
		s.want(cp)
	}
}

// want notes that the complete message is to replace a placeholder. Flags of the placeholder
// that were not propagated to the message (with "Sync Pull", for example) are only in its
// record, which is going to be dropped.
func (s *session) want(cp plan.Copy) {
	r := cp.Rec
	s.notes.Want(r.Target().Other(), cp.UID, r.CopyFlags&^r.Flags, r.Flags&^r.CopyFlags&^mail.FlagFlagged)
}

// settleRefused notes the messages that were refused or postponed, and then drops their
// records. The notes must be written first.
func (s *session) settleRefused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteRefused()
	s.forgetAmbiguous()
	if err := s.saveNotes(); err != nil {
		return err
	}
	for _, f := range s.refused {
		if err := s.drop(f.Copy); err != nil {
			return err
		}
	}
	for _, cp := range s.plan.Postponed {
		if err := s.drop(cp); err != nil {
			return err
		}
	}
	s.refused, s.plan.Postponed = nil, nil
	return nil
}

// suspect notes messages that were being copied when a connection was lost. Any of them
// may be the cause, so the next run tries each of them alone. The caller holds mu.
func (s *session) suspect(from syncstate.Side, uids []mail.UID, why error) {
	for _, u := range uids[:min(len(uids), maxSuspects)] {
		if s.notes.Find(from, u) == nil && s.Attempts.mayRetry() {
			first := s.isFirstBreak(from, u)
			if len(uids) == 1 {
				s.Attempts.breaks[message{from, u, event.New}]++
			}
			if first {
				continue
			}
			s.notes.Hold(from, u, time.Now(), why.Error()) // for the first one
			// The next call leaves it out, and so may come further.
			if s.copiedInRun() > 0 && len(s.notes.Held) <= maxSuspects {
				s.result.Learned = true
			}
		}
		s.notes.Hold(from, u, time.Now(), why.Error())
	}
	s.suspected = append(s.suspected, uids...)
}

// retry tries the messages that are held, each alone.
func (s *session) retry(ctx context.Context) error {
	if len(s.notes.Held) == 0 || s.Controls != nil {
		return nil
	}
	todo := s.retryable()
	if len(todo) > 0 {
		s.renewJournal()
	}
	row, worked := 0, false
	var failed error
	for _, h := range todo {
		if failed = ctx.Err(); failed != nil {
			break
		}
		s.suspected = nil
		before := len(s.refused)
		if failed = s.retryOne(ctx, h); failed != nil {
			break
		}
		if len(s.refused) == before {
			row, worked = 0, true
			s.notes.Held = slices.DeleteFunc(s.notes.Held, func(o syncstate.Held) bool { return o.Side == h.Side && o.UID == h.UID })
			continue
		}
		if row++; row == maxRow && !worked {
			break
		}
	}
	if failed != nil && len(s.suspected) > 0 {
		h := syncstate.Held{Side: todo[0].Side}
		for _, o := range todo {
			if o.UID == s.suspected[0] {
				h = o
			}
		}
		if note := s.notes.Find(h.Side, h.UID); note != nil && s.isCause(note) {
			s.result.Failed++
			s.failed(h.Side, h.UID, s.messageError(h.Side, h.UID, failed))
		}
	}
	if len(todo) == 0 {
		return s.saveNotes()
	}
	err := s.settleRefused()
	if err == nil {
		err = s.checkBoxes(ctx)
	}
	if err == nil && s.abandonUnsent() {
		err = s.commit([2]mail.UIDSet{})
	}
	return joinErrors(failed, err)
}

// renewJournal begins a journal for what is done after the commit.
func (s *session) renewJournal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.renew()
	s.state.UIDNext, s.state.Trashed = [2]mail.UID{}, [2]mail.UIDSet{}
}

// retryable returns the messages that were held before this run and may be copied now,
// those that were tried least often first.
func (s *session) retryable() []syncstate.Held {
	var out []syncstate.Held
	for _, h := range s.notes.Held {
		if s.before[h.Side].Contains(h.UID) && !s.isDone(h.Side, h.UID) && s.mayRetry(h) && mail.FindMeta(s.found[h.Side].Messages, h.UID) >= 0 {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b syncstate.Held) int {
		return cmp.Or(cmp.Compare(a.Tries, b.Tries), cmp.Compare(a.Side, b.Side), cmp.Compare(a.UID, b.UID))
	})
	return out
}

// mayRetry reports whether the rules allow that a held message is copied.
func (s *session) mayRetry(h syncstate.Held) bool {
	ops := s.Rules.Ops[h.Side.Other()]
	return ops.New || ops.Upgrade && h.Whole
}

// retryOne copies one message, as a run would if it were the only one.
func (s *session) retryOne(ctx context.Context, h syncstate.Held) error {
	t := h.Side.Other()
	in := s.input()
	in.Held = [2]mail.UIDSet{}
	in.Retry[h.Side] = mail.NewUIDSet(h.UID)
	in.Rules.MaxMessages = 0
	in.Deletions, in.Rules.MaxDelete, in.Keep, in.Returned = plan.Limited, plan.Limit{}, [2]bool{}, [2]map[mail.UID]plan.Returned{}
	for _, u := range syncstate.Sides {
		in.Rules.Ops[u] = plan.Ops{New: u == t, Expunge: s.Rules.Ops[u].Expunge}
		in.Box[u].Loaded, in.Box[u].Messages = nil, nil
	}
	i := mail.FindMeta(s.found[h.Side].Messages, h.UID)
	in.Box[h.Side].Messages = s.found[h.Side].Messages[i : i+1 : i+1]
	in.Box[h.Side].Loaded = in.Retry[h.Side]
	s.plan = plan.Make(in)
	if s.plan.Halt != nil {
		return s.plan.Halt
	}
	if err := s.logPlan(); err != nil {
		return err
	}
	if err := s.prepareCopies(); err != nil {
		return err
	}
	if len(s.plan.Copies[t]) > 0 {
		s.plannedCopies(t)
	}
	if err := s.copyTo(ctx, t); err != nil {
		return err
	}
	if s.full[t] != nil {
		return s.full[t]
	}
	return s.findCopies(ctx)
}

// abandonUnsent drops the records of messages that were not handed to the target
// before a connection was lost. It reports whether no record is pending after that: a
// copy that may have been made is looked for by the next run.
func (s *session) abandonUnsent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := true
	for i, r := range s.state.Records.Busy() {
		if r.Dead || !r.Has(syncstate.Pending) {
			continue
		}
		rec := s.state.Records.Get(i)
		if s.sent[rec] {
			all = false
			continue
		}
		if _, err := s.journal.log(syncstate.OpDrop, rec); err != nil {
			return false
		}
	}
	return all
}

// errNotStored is why a message was not copied although the server said so.
var errNotStored = errors.New("the server confirmed that it stored the message, but the message is not in the mailbox")

// notFound decides about copies to side t that the server has confirmed, but that were
// not found by their temporary ids among the messages added since then. unknown are the
// added messages that are not copies of this run.
func (s *session) notFound(ctx context.Context, t syncstate.Side, recs []*syncstate.Record, unknown mail.UIDSet) error {
	absent := func(*syncstate.Record) bool { return true }
	if !unknown.Empty() {
		var err error
		if absent, err = s.identifyByMessageID(ctx, t, recs, unknown); err != nil {
			return err
		}
		recs = s.awaiting(t)
	}
	if len(recs) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.expect(t, recs); err != nil { // it may only be late
		return err
	}
	lost := recs[:0:0]
	for _, r := range recs {
		if absent(r) {
			s.giveUp(t, plan.Copy{Rec: r, UID: r.UID[t.Other()]}, errNotStored)
		} else {
			lost = append(lost, r)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	s.tell(event.Warning, event.CopiesLost{Side: t, Count: len(lost)})
	for _, r := range lost {
		// No longer pending: the copy was made, although it was not found.
		if _, err := s.journal.log(syncstate.OpStatus, r, uint32(r.Status&^syncstate.Pending)); err != nil {
			return err
		}
		if _, err := s.journal.log(syncstate.OpLost, r); err != nil {
			return err
		}
	}
	return nil
}

// identifyByMessageID finds copies on a server that removes X-TUID from what it stores.
// absent reports whether none of the unknown messages can be the copy of a record: all
// of them have other Message-IDs.
func (s *session) identifyByMessageID(ctx context.Context, t syncstate.Side, recs []*syncstate.Record, unknown mail.UIDSet) (absent func(*syncstate.Record) bool, err error) {
	o := t.Other()
	var sources []mail.UID
	for _, r := range recs {
		sources = append(sources, r.UID[o])
	}
	var ids [2]map[string][]mail.UID
	have := map[mail.UID]string{} // of the sources
	allHave := true               // the unknown ones have Message-IDs
	for u, set := range map[syncstate.Side]mail.UIDSet{t: unknown, o: mail.NewUIDSet(sources...)} {
		l, err := s.boxes[u].Scan(ctx, store.Need{UIDs: set, MessageIDs: true})
		if err != nil {
			return nil, s.where(u, "looking for copies", err)
		}
		ids[u] = map[string][]mail.UID{}
		for _, m := range l.Messages {
			if u == t && l.MessageIDs[m.UID] == "" {
				allHave = false
			}
		}
		for uid, id := range l.MessageIDs {
			if id != "" {
				ids[u][id] = append(ids[u][id], uid)
				if u == o {
					have[uid] = id
				}
			}
		}
	}
	absent = func(r *syncstate.Record) bool {
		id := have[r.UID[o]]
		return id != "" && allHave && len(ids[t][id]) == 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, from := range ids[o] {
		to := ids[t][id]
		if len(from) != 1 || len(to) != 1 {
			continue
		}
		for _, r := range recs {
			if r.UID[o] == from[0] {
				if _, err := s.journal.log(syncstate.OpUID(t), r, uint32(to[0])); err != nil {
					return nil, err
				}
			}
		}
	}
	return absent, nil
}
