package imap

import (
	"context"
	"errors"
	"fmt"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// The limits of a visit: the number of UIDs above the known ones, and the number of additional messages. If
// there are more, the mailbox is opened in the usual way.
const (
	moreUIDs     = 1000
	moreMessages = 1000
)

// A visit is a SELECT with the commands after it that list the mailbox. Its result is used only if all
// answers are as expected. Otherwise the whole result is dropped, and the mailbox is opened in the usual
// way, which reports errors.
//
// Responses are attributed as follows. Untagged data between the OK for the SELECT and the
// tagged answer to the last command of the visit are about its mailbox. The server
// may report changes at other times, too, but it is not certain which mailbox they are about:
// then the next visit is not used.
type visit struct {
	m    *mailbox
	line *line
	// prev is the visit before in the same line; nil: there was none.
	prev *visit

	options imapclient.SelectOptions
	base    *memo.Listing
	delta   *listing.Delta // of the SELECT; nil: it reports no changes
	need    store.Need     // of the listing
	upto    mail.UID       // nothing above is listed
	most    uint32         // messages
	scan    *scanner       // nil: the mailbox is not listed as a whole
	ahead   *ahead         // changes and new messages; may be empty

	parts   []visitPart
	pending []*imapclient.Pending[struct{}]
	sel     *imapclient.Pending[imapclient.Selected]

	// Guarded by the mutex of the line:
	left    int // commands that have not ended
	next    mail.UID
	listens bool // the SELECT has succeeded, and not all commands have ended
	// spoiled is the reason why the visit cannot be used; "": it can.
	spoiled string
}

// visitPart is a command after the SELECT.
type visitPart struct {
	request imapclient.FetchRequest
	sink    func(*imapclient.Message) error
}

// openPipelined opens a mailbox by a visit. It reports whether that was successful; if not,
// nothing has changed.
func (m *mailbox) openPipelined(ctx context.Context, how *store.Pipelined) bool {
	s := m.store
	record := s.pool.Record()
	if how.Scan == nil || m.deposit || s.Pipelines() == 0 {
		return false
	}
	name, err := s.serverName(ctx, m.box)
	if err != nil {
		return false
	}
	m.name = name
	v := &visit{m: m, need: *how.Scan}
	res, err := v.make(ctx, how)
	if err != nil {
		s.debugf("'%s' is opened alone: %v", m.box, err)
		judge(ctx, record, err)
		s.opts.Sessions.pipeline.release(&m.reserved)
		m.memory = memory{key: m.memory.key}
		return false
	}
	s.opts.Sessions.pipeline.keepReserved(m, v.ahead.msgs)
	m.adopt(&opened{sel: res.sel, info: res.info})
	m.mu.Lock()
	m.detached = &detached{claim: how.Claim, list: &store.Listing{Messages: res.msgs}, scan: v.need, limit: min(m.prefetchLimit, prefetchBytes)}
	m.fresh, m.prefetchLimit = false, 0
	m.prefetched = v.ahead.msgs
	m.mu.Unlock()
	if res.keep != nil {
		m.keep(res.keep)
		m.Remember(ctx) // as in keepWhole
	}
	return true
}

// visited is the result of a visit.
type visited struct {
	sel  *selection
	info store.Info
	msgs []mail.Meta
	keep *memo.Listing // to be remembered; nil: nothing new
}

// unusableError is the reason why a visit cannot be used, although the server has answered.
type unusableError struct {
	why string
	// always: the same would happen to all visits.
	always bool
}

func (e *unusableError) Error() string { return e.why }

// judge ends pipelining for the run if the failure of a visit means that others would
// fail, too.
func judge(ctx context.Context, record *session.ServerRecord, err error) {
	var refusal *imapclient.ResponseError
	var unusable *unusableError
	switch {
	case ctx.Err() != nil || errors.Is(err, errSerial):
	case isLost(err):
		record.SuspectPipelining(err, saysNothing(err))
	case errors.As(err, &unusable):
		if unusable.always {
			record.SuspectPipelining(err, false)
		}
	case errors.As(err, &refusal) && refusal.Status == imapwire.StatusBad && refusal.Command == "UID FETCH":
		record.SuspectPipelining(err, true)
	case errors.As(err, &refusal) && (refusal.Status == imapwire.StatusBad || !saysMissing(err)):
		record.SuspectPipelining(err, false)
	}
}

// make sends the commands, waits for the answers, and makes the listing.
func (v *visit) make(ctx context.Context, how *store.Pipelined) (*visited, error) {
	m, p := v.m, v.m.store.opts.Sessions.pipeline
	if m.memory.key = m.store.listingKey(ctx, m.name); m.memory.key != nil {
		var part *memo.Part
		if v.base, part = m.recall(); part != nil {
			return nil, &unusableError{why: "a listing of it was broken off"}
		}
	}
	v.prefetch(how)
	commands := 1 + len(v.parts)
	if v.base == nil {
		commands++ // as a whole, it is most likely listed by one command
	}
	leave, err := v.join(ctx, p, commands)
	if err != nil {
		return nil, err
	}
	defer leave()
	remembers, err := v.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if !remembers {
		m.memory.key = nil
	}
	if !remembers && uint64(how.Messages) >= m.store.many && v.need.Flags && (v.need.SizesFrom == 0 || v.need.SizesFrom >= how.New) &&
		m.store.searchesFlags(v.line.sess.Client) {
		return nil, &unusableError{why: "it is listed by searches"}
	}
	v.list(remembers)
	sel, err := v.run(ctx)
	if err != nil {
		return nil, err
	}
	return v.conclude(ctx, &sel)
}

// join waits for a line with room for the commands.
func (v *visit) join(ctx context.Context, p *pipeline, commands int) (leave func(), err error) {
	commands = min(commands, p.depth)
	v.line, err = p.join(ctx, &v.m.store.gate, commands)
	if err != nil {
		return nil, err
	}
	return func() { v.line.leave(commands) }, nil
}

// prepare decides on the parameters of the SELECT. remembers: the mailbox can be remembered.
func (v *visit) prepare(ctx context.Context) (remembers bool, err error) {
	l, m := v.line, v.m
	remembers = m.remembers(ctx, l.sess)
	if !remembers {
		v.base = nil
	}
	l.sending.Lock() // ENABLE may be sent
	defer l.sending.Unlock()
	l.enabling.Lock()
	v.options, v.delta, err = m.selectOptions(ctx, l.sess, remembers, v.base)
	l.enabling.Unlock()
	return remembers, err
}

// run sends the commands, and waits for the answers.
func (v *visit) run(ctx context.Context) (imapclient.Selected, error) {
	if err := v.send(ctx); err != nil {
		return imapclient.Selected{}, err
	}
	return v.wait(ctx)
}

// prefetch sets the bounds, and adds the command for messages that seem to be new.
func (v *visit) prefetch(how *store.Pipelined) {
	m := v.m
	v.ahead = new(ahead)
	next := m.store.run().layout.nextOf(m.name)
	v.upto = min(max(how.Last, max(next, 1)-1, max(how.New, 1)-1), mail.MaxUID-1-moreUIDs) + moreUIDs
	v.most = uint32(min(how.Messages, maxMessages) + moreMessages)
	if how.New == 0 || next <= how.New || next-how.New > prefetchMessages {
		return
	}
	limit := min(m.prefetchLimit, prefetchBytes)
	if limit <= 0 || m.readOnly {
		return
	}
	bytes := limit * int64(next-how.New)
	if !m.store.opts.Sessions.pipeline.reserve(bytes) {
		return
	}
	m.reserved = bytes
	v.ahead.limit, v.ahead.msgs = uint32(limit), make(map[mail.UID]*prefetched)
	v.add(v.ahead.messages(mail.UIDSet{{First: how.New, Last: next - 1}}), v.ahead.takeMessage)
}

// maxMessages is the maximum number of messages of a mailbox that is opened in this way.
const maxMessages = 1 << 20

// add adds a command.
func (v *visit) add(r imapclient.FetchRequest, sink func(*imapclient.Message) error) {
	r.Done = v.fetched
	v.parts = append(v.parts, visitPart{r, func(msg *imapclient.Message) error {
		if !v.takes(msg.UID) {
			return nil
		}
		return sink(msg)
	}})
}

// list adds the commands that list the mailbox.
func (v *visit) list(remembers bool) {
	m := v.m
	switch {
	case v.delta != nil:
	case v.base != nil && len(v.base.Messages) > 0:
		v.ahead.changes = new(listing.Delta)
		r := changedSince(v.base)
		r.UIDs = mail.UIDSet{{First: 1, Last: v.upto}}
		v.add(r, v.ahead.takeChange)
	default:
		if remembers && 2*listing.Cut(v.need.UIDs, 1, v.upto-moreUIDs).Len() >= uint64(v.upto-moreUIDs) {
			v.need.UIDs, v.need.Flags = mail.UIDsFrom(1), true // so that it can be remembered
		}
		v.scan = m.newScanner(v.need)
		v.scan.Completeness = listing.NewCompleteness(0)
		for _, part := range v.scan.Parts(listing.Cut(v.need.UIDs, 1, v.upto)) {
			for _, set := range part.Set.Split(m.store.sets.maxSet(), 0) {
				v.add(part.Want.Request(set), v.scan.Sink(part.Want))
			}
		}
	}
}

// send sends the commands.
func (v *visit) send(ctx context.Context) error {
	l, m := v.line, v.m
	l.sending.Lock()
	defer l.sending.Unlock()
	var err error
	v.options.Done = v.selectEnded
	l.mu.Lock()
	v.prev, l.last = l.last, v
	v.left = 1 + len(v.parts)
	l.mu.Unlock()
	if v.sel, err = l.sess.Client.StartSelect(ctx, m.name, v.options); err != nil {
		v.abandon(1+len(v.parts), err)
		return err
	}
	for i := range v.parts {
		p, err := l.sess.Client.StartFetch(ctx, v.parts[i].request, v.parts[i].sink)
		if err != nil {
			v.abandon(len(v.parts)-i, err)
			_, _ = v.wait(ctx)
			return err
		}
		v.pending = append(v.pending, p)
	}
	return nil
}

// abandon notes that commands were not sent.
func (v *visit) abandon(n int, err error) {
	v.line.mu.Lock()
	defer v.line.mu.Unlock()
	v.spoil(err.Error())
	v.ended(n)
}

// wait waits for all answers.
func (v *visit) wait(ctx context.Context) (imapclient.Selected, error) {
	l := v.line
	sel, err := v.sel.Wait(ctx)
	for _, p := range v.pending {
		_, perr := p.Wait(ctx)
		// Without a selected mailbox, they are refused. Some servers also refuse to fetch from an
		// empty mailbox.
		if err == nil && perr != nil && (isLost(perr) || sel.Exists > 0) {
			err = perr
		}
	}
	l.enabling.Lock()
	eerr := l.sess.QResyncAnswered(ctx) // it was answered before the SELECT
	l.enabling.Unlock()
	if err == nil {
		err = eerr
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && v.spoiled != "" {
		err = &unusableError{v.spoiled, l.disorder}
	}
	return sel, err
}

// selectEnded is called on the reader goroutine when the SELECT has been answered.
func (v *visit) selectEnded(sel *imapclient.Selected, err error) {
	l := v.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.prev != nil && v.prev.left > 0 {
		l.disorder = true
		v.prev.spoil(errDisorder)
	}
	if v.prev = nil; l.disorder {
		v.spoil(errDisorder)
	}
	if err != nil {
		l.selected = ""
		v.spoil(err.Error())
		v.ended(1)
		return
	}
	l.selected = v.m.name
	if l.sess.Snapshot().With(0) != l.quiet {
		v.spoil("the server has reported changes that may be about another mailbox")
	}
	if sel.HasExists && sel.Exists > v.most {
		v.spoil(fmt.Sprintf("it has %d messages, which is more than expected", sel.Exists))
	}
	l.sess.NoteUpToDate()
	v.next = sel.UIDNext
	if v.scan != nil && v.spoiled == "" {
		v.scan.Completeness.Restart(sel.Exists)
		v.scan.Start(sel.Exists, uint64(sel.Exists))
		l.sess.Listen(v.scan.Completeness)
	}
	v.listens = true
	v.ended(1)
}

// errDisorder is the reason why visits are not used.
const errDisorder = "the server has answered commands in another order"

// takes reports whether a message is to be listed, because it existed when the mailbox was selected. If
// changes were requested, the number of messages proves that the listing is complete. Since that may include
// a new message, the visit is not used then. takes is called on the reader goroutine.
func (v *visit) takes(u mail.UID) bool {
	v.line.mu.Lock()
	defer v.line.mu.Unlock()
	if u >= v.next && v.ahead.changes != nil {
		v.spoil("new messages have arrived")
	}
	return v.listens && v.spoiled == "" && u < v.next
}

// fetched is called on the reader goroutine when a FETCH has ended.
func (v *visit) fetched(error) {
	v.line.mu.Lock()
	defer v.line.mu.Unlock()
	v.ended(1)
}

// spoil notes the reason why the visit cannot be used; the mutex of the line is held.
func (v *visit) spoil(why string) {
	if v.spoiled == "" {
		v.spoiled = why
	}
}

// ended notes that commands have ended; the mutex of the line is held.
func (v *visit) ended(n int) {
	if v.left == 0 {
		return
	}
	if v.left -= n; v.left > 0 {
		return
	}
	v.left, v.listens = 0, false
	v.line.sess.Listen(nil)
	v.line.quiet = v.line.sess.Snapshot().With(0)
}

// conclude makes the result.
func (v *visit) conclude(ctx context.Context, sel *imapclient.Selected) (*visited, error) {
	m := v.m
	switch {
	case sel.UIDValidity == 0 || sel.UIDNext == 0:
		return nil, &unusableError{"the server does not report UIDVALIDITY and UIDNEXT", true}
	case sel.UIDNext-1 > v.upto:
		return nil, &unusableError{why: "it has higher UIDs than expected"}
	}
	s := &selection{
		modSeq: sel.HighestModSeq, validity: sel.UIDValidity, next: sel.UIDNext, boxID: sel.MailboxID,
		reported: session.Snapshot{}.With(sel.Exists), base: v.base,
	}
	if sel.NoModSeq || m.memory.key == nil {
		s.modSeq = 0
	}
	info, err := m.selectedInfo(ctx, v.line.sess, sel)
	if err != nil {
		return nil, err
	}
	s.mark = mark(sel.UIDValidity, sel.UIDNext, sel.Exists, s.modSeq)
	m.compare(s, sel, v.delta)
	res := &visited{sel: s, info: info}
	if v.scan != nil {
		err = v.listed(res)
	} else {
		err = v.changed(res, sel)
	}
	s.base, s.current = nil, nil
	return res, err
}

// listed takes the listing of the whole mailbox.
func (v *visit) listed(res *visited) error {
	l, err := v.scan.Listing()
	if err != nil {
		return &unusableError{why: err.Error()}
	}
	doubts, err := v.scan.Completeness.Check(v.need.UIDs)
	switch {
	case err != nil:
		return &unusableError{why: err.Error()}
	case len(doubts) > 0:
		return &unusableError{why: "it is not certain that all messages are listed"}
	}
	res.msgs = l.Messages
	if res.sel.modSeq != 0 && v.scan.Whole() {
		res.keep = wholeListing(res.sel, v.scan, l.Messages)
	}
	return nil
}

// changed applies the changes to the remembered listing.
func (v *visit) changed(res *visited, sel *imapclient.Selected) error {
	s := res.sel
	now := s.current
	if now == nil && s.base != nil && v.delta == nil {
		now = v.applied(s, sel)
	}
	if now == nil || s.unsure {
		return &unusableError{why: "what has changed is not certain"}
	}
	added, ok := v.addSizes(now.Messages)
	if !ok {
		return &unusableError{why: "sizes of messages are not known"}
	}
	if added || now != v.base {
		res.keep = now
	}
	res.msgs = now.Messages
	v.need.UIDs, v.need.Flags = mail.UIDsFrom(1), true
	return nil
}

// applied returns the listing with the changes that were requested behind the SELECT; nil:
// they are not complete.
func (v *visit) applied(s *selection, sel *imapclient.Selected) *memo.Listing {
	d := v.ahead.changes
	if d == nil {
		return nil
	}
	d.Sort()
	msgs, ok := d.Apply(s.base)
	next := listing.Above(msgs, max(s.next, s.base.UIDNext))
	if !ok || len(msgs) != int(sel.Exists) || !d.Explained(msgs, s.base.UIDNext, next) || !d.Placed(msgs) {
		return nil
	}
	return &memo.Listing{
		UIDValidity: s.base.UIDValidity, UIDNext: next, ModSeq: s.modSeq, Complete: s.base.Complete, Messages: msgs,
	}
}

// addSizes completes the sizes that are needed, from messages that were prefetched. ok: all
// are known.
func (v *visit) addSizes(msgs []mail.Meta) (added, ok bool) {
	if v.need.SizesFrom == 0 {
		return false, true
	}
	wanted := listing.NewCursor(listing.Cut(v.need.UIDs, v.need.SizesFrom, mail.MaxUID))
	for i, msg := range msgs {
		if msg.Size != 0 || !wanted.Has(msg.UID) {
			continue
		}
		p := v.ahead.msgs[msg.UID]
		if p == nil || p.Size == 0 {
			return added, false
		}
		msgs[i].Size, added = p.Size, true
	}
	return added, true
}

// keepReserved reduces what is reserved for a mailbox to what was received.
func (p *pipeline) keepReserved(m *mailbox, msgs map[mail.UID]*prefetched) {
	var n int64
	for _, msg := range msgs {
		n += int64(len(msg.body))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget += m.reserved - n
	m.reserved = n
}
