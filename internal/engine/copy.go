package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// copier copies messages to one side.
type copier struct {
	*session
	to     syncstate.Side
	copies []plan.Copy
	// seen says which messages the source has returned.
	seen []bool
	// unread are messages that could not be read completely. If the whole source has
	// failed, the next run tries them again. Guarded by mu.
	unread map[int]error
	// underWay are messages that were passed to the target, and whose result is not known
	// yet. Guarded by mu.
	underWay map[int]*meter
	// broken is the message that was being read when the source failed, -1: none.
	broken int
	// failed is an error of the journal, or of the whole target. Guarded by mu.
	failed error
}

// copyTo copies the messages of the plan to side t. Message bodies are streamed from the
// source to the target. Several messages may be in transit at the same time.
func (s *session) copyTo(ctx context.Context, t syncstate.Side) error {
	return s.copyAll(ctx, t, s.plan.Copies[t])
}

// copyAll copies messages to side t. If the store is full, it notes that, and does not
// return an error yet.
func (s *session) copyAll(ctx context.Context, t syncstate.Side, copies []plan.Copy) error {
	if len(copies) == 0 {
		return nil
	}
	c := &copier{session: s, to: t, copies: copies, seen: make([]bool, len(copies)), unread: make(map[int]error), underWay: make(map[int]*meter), broken: -1}
	app, err := s.boxes[t].Append(ctx, c.stored)
	if err != nil {
		return s.where(t, "storing messages", err)
	}
	if s.caps[t].NeedsSize && s.caps[t.Other()].NeedsSize {
		// Both sides are servers. If reading waited for writing, both directions could wait for
		// each other for ever.
		err = c.copyBatches(ctx, app)
	} else {
		err = c.fetch(ctx, 0, len(copies), func(i int, in *store.Incoming) error { return c.put(ctx, app, i, in) })
	}
	ferr := app.Finish(ctx)
	if ferr != nil {
		ferr = s.where(t, "storing messages", ferr)
	}
	if err == nil && ferr == nil {
		err = c.lookForUnseen(ctx)
	}
	if err == nil && ferr == nil {
		err = c.settle()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && ferr == nil {
		return c.failed
	}
	err = joinErrors(err, ferr) // failed is the cause or a consequence of these
	if ctx.Err() == nil {
		c.suspects(err)
	}
	if noRoom(err) && len(store.StoreErrors(err)) == 0 {
		s.full[t] = err
		return nil
	}
	return err
}

// noRoom reports whether an error says that a store is full.
func noRoom(err error) bool {
	_, full := errors.AsType[*store.FullError](err)
	return full
}

// copyAfterRoom copies the messages that did not fit, after other messages were expunged.
func (s *session) copyAfterRoom(ctx context.Context, expunged [2]mail.UIDSet) error {
	var errs []error
	for _, t := range syncstate.Sides {
		full := s.full[t]
		if full == nil {
			continue
		}
		if expunged[t].Empty() {
			errs = append(errs, full)
			continue
		}
		s.full[t] = nil
		// Some may have been stored without an answer, or without a UID in it.
		if recs := s.awaiting(t); len(recs) > 0 {
			if _, err := s.identify(ctx, t, recs); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		left := slices.DeleteFunc(slices.Clone(s.plan.Copies[t]), func(c plan.Copy) bool {
			return c.Rec.Dead || !c.Rec.Has(syncstate.Pending) || c.Rec.UID[t] != 0 || s.isRefused[c.Rec] || s.isStored[c.Rec]
		})
		if err := s.copyAll(ctx, t, left); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.full[t])
	}
	if err := joinErrors(errs...); err != nil {
		return err
	}
	return s.findCopies(ctx)
}

// suspects notes the messages that were being copied when a store failed. The caller
// holds mu.
func (c *copier) suspects(err error) {
	from := c.to.Other()
	for _, se := range store.StoreErrors(err) {
		switch se.Store {
		case c.Store[c.to].Name():
			var uids []mail.UID
			for i := range c.underWay {
				uids = append(uids, c.copies[i].UID)
			}
			slices.Sort(uids)
			c.suspect(from, uids, se.Err)
		case c.Store[from].Name():
			c.suspect(from, c.beingRead(), se.Err)
		}
	}
}

// beingRead returns the messages that may have been read when the source failed: the one
// that was read in part, or else the next one. If no message has arrived, these are all
// requested messages. The caller holds mu.
func (c *copier) beingRead() []mail.UID {
	if c.broken >= 0 {
		return []mail.UID{c.copies[c.broken].UID}
	}
	var uids []mail.UID
	for i := range c.unread {
		uids = append(uids, c.copies[i].UID)
	}
	if len(uids) > 0 {
		slices.Sort(uids)
		return uids
	}
	next := slices.Index(c.seen, false)
	switch {
	case next < 0:
		return nil
	case slices.Contains(c.seen, true):
		return []mail.UID{c.copies[next].UID}
	}
	for _, cp := range c.copies[:min(len(c.copies), maxSuspects)] {
		uids = append(uids, cp.UID)
	}
	return uids
}

// sinkError marks an error of the target on its way through the source's
// Fetch.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

// fetch reads copies[from:to] and hands each message to the sink together with
// its index.
func (c *copier) fetch(ctx context.Context, from, to int, sink func(i int, in *store.Incoming) error) error {
	items := make([]store.FetchItem, 0, to-from)
	c.mu.Lock()
	for _, cp := range c.copies[from:to] {
		it := store.FetchItem{UID: cp.UID, HeaderOnly: cp.Placeholder}
		if i := mail.FindMeta(c.found[c.to.Other()].Messages, cp.UID); i >= 0 {
			it.Flags = c.found[c.to.Other()].Messages[i].Flags
		}
		items = append(items, it)
	}
	c.mu.Unlock()
	err := c.boxes[c.to.Other()].Fetch(ctx, items, func(in *store.Incoming) error {
		i, ok := slices.BinarySearchFunc(c.copies, in.UID, func(cp plan.Copy, u mail.UID) int { return cmp.Compare(cp.UID, u) })
		if !ok || i < from || i >= to || c.seen[i] {
			return nil // never asked for
		}
		c.seen[i] = true
		c.mu.Lock()
		c.about[c.to.Other()][in.UID] = syncstate.About{Size: in.Size, Date: in.Date}
		c.mu.Unlock()
		if in.Err != nil {
			return c.bodyFailed(i, in.Err)
		}
		if err := sink(i, in); err != nil {
			return sinkError{err}
		}
		return nil
	})
	var se sinkError
	if errors.As(err, &se) {
		return se.error
	}
	if err != nil {
		return c.where(c.to.Other(), "reading messages", err)
	}
	return nil
}

// put stores one message, converting it on the way.
func (c *copier) put(ctx context.Context, app store.Appender, i int, in *store.Incoming) error {
	flags, conv, err := c.describe(i, in)
	if err != nil {
		return err
	}
	out, done, err := c.outgoing(i, in, flags, conv)
	if err != nil {
		return c.bodyFailed(i, err)
	}
	defer done()
	return c.hand(ctx, app, i, out)
}

// hand passes a converted message to the store.
func (c *copier) hand(ctx context.Context, app store.Appender, i int, out *store.Outgoing) error {
	m := c.measure(out)
	c.mu.Lock()
	c.underWay[i] = m
	c.sent[c.copies[i].Rec] = true
	c.mu.Unlock()
	err := app.Put(ctx, out)
	var be *store.BodyError
	if errors.As(err, &be) {
		c.mu.Lock()
		delete(c.underWay, i)
		delete(c.sent, c.copies[i].Rec)
		c.mu.Unlock()
		return c.bodyFailed(i, be.Err)
	}
	if err != nil {
		return c.where(c.to, "storing messages", err)
	}
	return nil
}

// bodyFailed notes that a message could not be read completely.
func (c *copier) bodyFailed(i int, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fatal(err) {
		c.broken = i
		return c.where(c.to.Other(), "reading messages", err)
	}
	c.unread[i] = err
	return nil
}

// smallMessage is the size up to which a message is converted in memory where
// its size has to be known first.
const smallMessage = 256 << 10

// body writes a message as it is being converted.
type body struct {
	conv mail.Conversion
	src  io.Reader
}

// readError marks errors of the source, so that the store can distinguish them from its own
// errors.
type readError struct{ r io.Reader }

func (r readError) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		err = &store.BodyError{Err: err}
	}
	return n, err
}

func (b *body) WriteTo(w io.Writer) (int64, error) { return b.conv.Copy(w, readError{b.src}) }

// outgoing prepares a message for the target. done releases what it holds.
// Its errors are those of reading the message.
func (c *copier) outgoing(i int, in *store.Incoming, flags mail.Flags, conv mail.Conversion) (out *store.Outgoing, done func(), err error) {
	out = &store.Outgoing{Key: i, Flags: flags, Size: -1}
	if c.CopyArrivalDate {
		out.Date = in.Date
	}
	done = func() {}
	b := &body{conv: conv, src: in.Body}
	if !c.caps[c.to].NeedsSize {
		out.Body = b
		return out, done, nil
	}
	if seeker, ok := in.Body.(io.Seeker); ok && in.Size > smallMessage && conv.Placeholder == nil {
		// Two passes over the file: one to measure, one to send.
		if out.Size, err = conv.Copy(io.Discard, in.Body); err != nil {
			return nil, nil, err
		}
		if _, err = seeker.Seek(0, io.SeekStart); err != nil {
			return nil, nil, err
		}
		out.Body = b
		return out, done, nil
	}
	buf := bufferPool.Get().(*bytes.Buffer)
	buf.Reset()
	done = func() {
		if buf.Cap() <= 4*smallMessage {
			bufferPool.Put(buf)
		}
	}
	if out.Size, err = b.WriteTo(buf); err != nil {
		done()
		return nil, nil, err
	}
	out.Body = buf
	return out, done, nil
}

var bufferPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// describe determines the flags that a message is stored with, and how it is converted. If
// there are flags, it journals them.
func (c *copier) describe(i int, in *store.Incoming) (mail.Flags, mail.Conversion, error) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.failed != nil {
		return 0, mail.Conversion{}, c.failed
	}
	r := c.copies[i].Rec
	from, u := c.to.Other(), c.copies[i].UID
	flags := in.Flags & s.found[c.to].Flags
	if c.copies[i].Placeholder {
		flags &^= mail.FlagFlagged // which would ask for an upgrade
	}
	if r.Upgrading {
		flags = (r.CopyFlags | r.Add) &^ r.Del & s.found[c.to].Flags
	} else if flags != r.CopyFlags {
		if _, err := s.journal.log(syncstate.OpCopyFlags, r, uint32(flags)); err != nil {
			return 0, mail.Conversion{}, err
		}
	}
	// The notes are searched for retried messages only: there may be many of them.
	if s.before[from].Contains(u) && !r.Upgrading && !c.copies[i].Placeholder {
		if h := s.notes.Find(from, u); h != nil && h.Whole {
			// They are not in the record, where they would be changes of the copy.
			flags = (flags | h.Add) &^ h.Del & s.found[c.to].Flags
		}
	}
	conv := mail.Conversion{
		FromCRLF:  s.caps[from].CRLF,
		ToCRLF:    s.caps[c.to].CRLF,
		TUID:      r.TUID.String(),
		MessageID: func(id string) { s.noteMessageID(from, u, id) },
	}
	if c.copies[i].Placeholder {
		conv.Placeholder = &mail.Placeholder{Size: in.Size, Flagged: in.Flags.Has(mail.FlagFlagged)}
	}
	return flags, conv, nil
}

// stored is the completion function for each message.
func (c *copier) stored(res store.AppendResult) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.failed != nil {
		return
	}
	cp := c.copies[res.Key]
	switch {
	case res.Err != nil && fatal(res.Err):
		// The message is not the cause: it stays pending for the next run.
		c.failed = res.Err
		return
	case res.Err != nil:
		s.giveUp(c.to, cp, res.Err)
		delete(c.underWay, res.Key)
		return
	}
	m := c.underWay[res.Key]
	delete(c.underWay, res.Key)
	delete(s.about[c.to.Other()], cp.UID)
	s.result.Counts[c.to].New++
	c.tellStored(cp, res, m)
	if res.UID != 0 {
		c.failed = s.journal.logWith(res.More, syncstate.OpUID(c.to), cp.Rec, uint32(res.UID))
	} else {
		s.isStored[cp.Rec] = true
		if !res.More {
			c.failed = s.journal.flush()
		}
	}
}

// drop removes the record of a message that is not copied after all.
func (s *session) drop(cp plan.Copy) error {
	_, err := s.journal.log(syncstate.OpDrop, cp.Rec)
	return err
}

// lookForUnseen asks the source whether the messages that it has not returned still exist.
// Those that exist could not be read.
func (c *copier) lookForUnseen(ctx context.Context) error {
	from := c.to.Other()
	index := make(map[mail.UID]int)
	var uids []mail.UID
	c.mu.Lock()
	for i, cp := range c.copies {
		if !c.seen[i] && c.unread[i] == nil {
			index[cp.UID] = i
			uids = append(uids, cp.UID)
		}
	}
	c.mu.Unlock()
	if len(uids) == 0 {
		return nil
	}
	list, err := c.boxes[from].Scan(ctx, store.Need{UIDs: mail.NewUIDSet(uids...)})
	if err != nil {
		return c.where(from, "looking for messages that were not delivered", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range list.Messages {
		if i, ok := index[m.UID]; ok {
			c.unread[i] = errNotRead
		}
	}
	return nil
}

// settle handles the messages that were not passed to the target although the source has
// completed: those that could not be read have failed, and those that were not returned do
// not exist any more.
func (c *copier) settle() error {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, cp := range c.copies {
		err, unread := c.unread[i]
		switch {
		case unread:
			s.giveUp(c.to, cp, fmt.Errorf("cannot be read: %w", err))
		case !c.seen[i]:
			if err := s.drop(cp); err != nil {
				return err
			}
		}
	}
	return nil
}

// findCopies identifies the copies in stores that do not report UIDs.
func (s *session) findCopies(ctx context.Context) error {
	for _, t := range syncstate.Sides {
		recs := s.awaiting(t)
		if len(recs) == 0 {
			continue
		}
		unknown, err := s.identify(ctx, t, recs)
		if err != nil {
			return err
		}
		if recs = s.awaiting(t); len(recs) == 0 {
			continue
		}
		if err := s.notFound(ctx, t, recs, unknown); err != nil {
			return err
		}
	}
	return nil
}
